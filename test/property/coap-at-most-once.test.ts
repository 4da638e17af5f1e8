// Whatever the network repeats, reorders or delays within their lifetime: a request is run at most once, and whoever asks
// again is told the same (RFC 7252 4.5).
import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Dispatcher } from '../../src/coap/dispatcher.ts'
import { NOTHING_SHOWN } from '../../src/coap/endpoint.ts'
import { COAP_LIMITS } from '../../src/coap/limits.ts'
import { MessageCounters } from '../../src/coap/message-counters.ts'
import { MessageDice } from '../../src/coap/message-dice.ts'
import { Peers } from '../../src/coap/peers.ts'
import { KeptBytes } from '../../src/coap/recent-exchanges.ts'
import type { Response } from '../../src/coap/resource.ts'
import { TimerWheel } from '../../src/coap/timer-wheel.ts'
import { UnreliablePeer } from '../../src/coap/unreliable-peer.ts'
import { CODE } from '../../src/coap-wire/codes.ts'
import { decode, isMalformed } from '../../src/coap-wire/decode.ts'
import { encode, RepeatingEncoder } from '../../src/coap-wire/encode.ts'
import { type CoapMessage, TYPE } from '../../src/coap-wire/message.ts'
import { OPTION } from '../../src/coap-wire/options.ts'
import { silentLog } from '../../src/model/log.ts'
import { silentMeter } from '../../src/model/meter.ts'
import { HandTime } from '../fixtures/hand-time.ts'

/** Fewer than are remembered, so that all of them are. */
const REQUESTS = 20

/** The network carries datagrams; the client acknowledges or not. */
function world() {
  const time = new HandTime()
  let drawn = 0
  const random = {
    bytes: (count: number) => {
      const parts = Array.from({ length: Math.ceil(count / 32) }, () =>
        createHash('sha256').update(`${drawn++}`).digest(),
      )
      return Buffer.concat(parts).subarray(0, count)
    },
  }
  const runs = new Map<string, number>()
  const waiting: (() => void)[] = []
  const wheel = new TimerWheel(time, time)
  const kept = new KeptBytes()
  const limits = COAP_LIMITS
  const answer = (payload: Buffer): Response => ({ code: CODE.Content, payload: Buffer.from(`to ${payload}`) })
  const counted = (payload: Buffer) => runs.set(payload.toString(), (runs.get(payload.toString()) ?? 0) + 1)
  const methods = new Set([CODE.POST])
  const resources = [
    {
      path: ['now'],
      methods,
      handle({ payload }: { payload: Buffer }) {
        counted(payload)
        return answer(payload)
      },
    },
    {
      path: ['later'],
      methods,
      handle({ payload }: { payload: Buffer }) {
        counted(payload)
        return new Promise<Response>(resolve => waiting.push(() => resolve(answer(payload))))
      },
    },
  ]
  const sent: CoapMessage[] = []
  const context = {
    limits,
    clock: time,
    log: silentLog,
    meter: silentMeter,
    wheel,
    kept,
    notifications: new RepeatingEncoder(),
    admit: async () => {},
    dice: new MessageDice(random),
    counters: new MessageCounters(silentMeter, wheel),
    dispatcher: new Dispatcher({ resources, clock: time, random, meter: silentMeter, log: silentLog, limits }),
    peers: new Peers(limits, kept, silentMeter),
  }
  const endpoint = {
    sessionId: 'session',
    transport: 'coap' as const,
    address: '192.0.2.1',
    shown: NOTHING_SHOWN,
    reliable: false,
    close() {},
    send(bytes: Buffer) {
      const message = decode(bytes)
      if (message === null || isMalformed(message)) throw new Error(`not sent: ${bytes.toString('hex')}`)
      sent.push(message)
    },
  }
  const peer = new UnreliablePeer(context, endpoint, '192.0.2.1 5683', false, () => {})
  context.peers.add(peer, false)
  return { time, runs, waiting, sent, peer }
}

const request = (id: number, path: string, type: 0 | 1): Buffer =>
  encode({
    type,
    code: CODE.POST,
    messageId: id,
    token: Buffer.from([id]),
    options: [{ number: OPTION.UriPath, value: Buffer.from(path) }],
    payload: Buffer.from(`request ${id}`),
  })

/** All that a run waits is less than NON_LIFETIME. */
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ what: fc.constant('send' as const), id: fc.nat(REQUESTS - 1) }) },
  { weight: 2, arbitrary: fc.record({ what: fc.constant('finish' as const), id: fc.nat(REQUESTS - 1) }) },
  { weight: 2, arbitrary: fc.record({ what: fc.constant('wait' as const), id: fc.integer({ min: 1, max: 2000 }) }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constant('acknowledge' as const), id: fc.nat(5) }) },
)

/** What request `id` is, for the whole of a run. */
const kindOf = (id: number) => ({ path: id % 2 === 0 ? 'now' : 'later', type: id % 3 === 0 ? TYPE.NON : TYPE.CON })

test('a request runs at most once, and all its answers say the same', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async steps => {
      const { time, runs, waiting, sent, peer } = world()
      const asked = new Set<number>()
      for (const { what, id } of steps) {
        if (what === 'send') {
          const { path, type } = kindOf(id)
          const bytes = request(id, path, type)
          const message = decode(bytes)
          if (message !== null) peer.receive(message, bytes.length)
          asked.add(id)
        } else if (what === 'finish') {
          waiting.splice(id % Math.max(1, waiting.length), 1)[0]?.()
          await new Promise(resolve => setImmediate(resolve))
        } else if (what === 'wait') time.advance(id)
        else {
          const open = sent.filter(({ type }) => type === TYPE.CON)
          const [target] = open.slice(-1 - id)
          if (target !== undefined)
            peer.receive({ ...target, type: TYPE.ACK, code: CODE.Empty, token: Buffer.alloc(0), options: [] }, 4)
        }
      }
      for (const finish of waiting.splice(0)) finish()
      await new Promise(resolve => setImmediate(resolve))
      // One at a time, each given up after MAX_TRANSMIT_WAIT at the latest (RFC 7252 4.7, 4.8.2).
      time.advance(REQUESTS * 93_000)

      for (const id of asked) {
        expect(runs.get(`request ${id}`), `runs of ${id}`).toBe(1)
        const answers = sent.filter(({ token, code }) => code !== CODE.Empty && token[0] === id)
        expect(answers.length, `answers to ${id}`).toBeGreaterThan(0)
        expect(new Set(answers.map(({ payload }) => payload.toString()))).toEqual(new Set([`to request ${id}`]))
        // One kind of answer: in the acknowledgement, or apart from it.
        const types = new Set(answers.map(({ type }) => type))
        expect(types.size).toBe(1)
        if (kindOf(id).type === TYPE.NON) expect(answers).toHaveLength(1)
      }
    }),
    { numRuns: 200 },
  )
})
