// Whoever begins a payload in blocks makes the broker keep it. Begun and never finished, from one address or from very many,
// transfers must not fill its memory, reach into those of others, or stop anybody else.
import { describe, expect, test } from 'vitest'
import { Dispatcher } from '../../src/coap/dispatcher.ts'
import { COAP_LIMITS, type CoapLimits } from '../../src/coap/limits.ts'
import type { Request, Response } from '../../src/coap/resource.ts'
import { CODE, codeText } from '../../src/coap-wire/codes.ts'
import { encode } from '../../src/coap-wire/encode.ts'
import { type CoapMessage, type CoapOption, TYPE } from '../../src/coap-wire/message.ts'
import { OPTION, optionOf } from '../../src/coap-wire/options.ts'
import { silentLog } from '../../src/model/log.ts'
import { systemRandom } from '../../src/system-random.ts'
import { HandTime } from '../fixtures/hand-time.ts'
import { TestPeer } from '../unit/coap/served.ts'
import { blockOption } from '../wire/coap-blocks.ts'
import { exchange, messageOf, start } from '../wire/coap-datagrams.ts'

const TRANSFERS = 20_000
const SIZE = 1024

class ProvedPeer extends TestPeer {
  readonly name: string
  readonly proved = true
  constructor(name: string) {
    super()
    this.name = name
  }
}

/** A dispatcher with one resource that takes large payloads; its peers are objects, so that there can be very many. */
function server(limits: Partial<CoapLimits> = {}) {
  const time = new HandTime()
  const gauges = new Map<string, () => number>()
  const seen: Request[] = []
  const dispatcher = new Dispatcher({
    resources: [
      {
        path: ['store'],
        methods: new Set([CODE.PUT]),
        bodyBytes: COAP_LIMITS.bodyBytes,
        handle(request) {
          seen.push(request)
          return { code: CODE.Changed }
        },
      },
    ],
    clock: time,
    random: systemRandom(),
    meter: { count() {}, observe() {}, gauge: (name, _help, read) => gauges.set(name, read) },
    log: silentLog,
    limits: { ...COAP_LIMITS, ...limits },
  })
  const gauge = (name: string) => gauges.get(`latchkey_coap_${name}`)?.() ?? Number.NaN
  const put = async (peer: ProvedPeer, number: number, more: boolean, fill: number, options: CoapOption[] = []) => {
    const block = blockOption(OPTION.Block1, { number, more, sizeExponent: 6 })
    const path = { number: OPTION.UriPath, value: Buffer.from('store') }
    const message: CoapMessage = {
      type: TYPE.CON,
      code: CODE.PUT,
      messageId: 1,
      token: Buffer.alloc(0),
      options: [path, block, ...options],
      payload: Buffer.alloc(SIZE, fill),
    }
    const answer: Response = await dispatcher.answer(message, peer)
    return codeText(answer.code)
  }
  return { time, seen, gauge, put }
}

const requestTag = (n: number): CoapOption => {
  const value = Buffer.alloc(4)
  value.writeUInt32BE(n)
  return { number: OPTION.RequestTag, value }
}

describe('unfinished transfers', () => {
  test(`${TRANSFERS} of one peer: it has four, and everybody else goes on`, async () => {
    const { put, gauge, seen } = server()
    const [attacker, honest] = [new ProvedPeer('attacker'), new ProvedPeer('honest')]
    expect(await put(honest, 0, true, 1)).toBe('2.31')
    for (let n = 0; n < TRANSFERS; n++) expect(await put(attacker, 0, true, 0, [requestTag(n)])).toBe('2.31')
    expect(gauge('transfers')).toBe(5)
    expect(gauge('transfer_bytes')).toBeLessThan(5 * 5000)
    expect(await put(honest, 1, false, 2)).toBe('2.04')
    expect(seen[0]?.payload.equals(Buffer.concat([Buffer.alloc(SIZE, 1), Buffer.alloc(SIZE, 2)]))).toBe(true)
  })

  test(`${TRANSFERS} of as many peers: their bytes are bounded, and who goes on with his own is served`, async () => {
    const { put, gauge, seen, time } = server()
    const honest = new ProvedPeer('honest')
    let number = 0
    for (let n = 0; n < TRANSFERS; n++) {
      expect(await put(new ProvedPeer(`attacker ${n}`), 0, true, 0)).toBe('2.31')
      if (n % 200 === 0) expect(await put(honest, number++, true, 7)).toBe('2.31')
      expect(gauge('transfer_bytes')).toBeLessThanOrEqual(COAP_LIMITS.transferBytes)
    }
    expect(await put(honest, number, false, 7)).toBe('2.04')
    expect(seen.map(({ payload }) => payload.length)).toEqual([(number + 1) * SIZE])
    time.advance(COAP_LIMITS.transferTimeout)
    await put(honest, 0, true, 7)
    expect(await put(honest, 1, false, 7)).toBe('2.04')
  })

  test('a peer that leaves, and time, free what they held', async () => {
    const { put, gauge } = server()
    const peers = Array.from({ length: 1000 }, (_, n) => new ProvedPeer(`attacker ${n}`))
    for (const peer of peers) await put(peer, 0, true, 0)
    expect(gauge('transfers')).toBe(1000)
    for (const peer of peers) peer.gone()
    expect([gauge('transfers'), gauge('transfer_bytes')]).toEqual([0, 0])
  })

  test('interleaved Request-Tags make two payloads, and never one of both (RFC 9175 3.5)', async () => {
    const { put, seen } = server()
    const peer = new ProvedPeer('one')
    const [a, b] = [[requestTag(1)], [requestTag(2)]]
    const codes = [
      await put(peer, 0, true, 1, a),
      await put(peer, 0, true, 11, b),
      await put(peer, 1, true, 12, b),
      await put(peer, 1, true, 2, a),
      await put(peer, 2, false, 3, a),
      await put(peer, 2, false, 13, b),
    ]
    expect(codes).toEqual(['2.31', '2.31', '2.31', '2.31', '2.04', '2.04'])
    const firsts = seen.map(({ payload }) => [0, 1, 2].map(n => payload[n * SIZE]))
    expect(firsts).toEqual([
      [1, 2, 3],
      [11, 12, 13],
    ])
  })

  test('a block of another peer, or without the tag, joins nothing and spoils nothing', async () => {
    const { put, seen } = server()
    const [victim, attacker] = [new ProvedPeer('victim'), new ProvedPeer('attacker')]
    expect(await put(victim, 0, true, 1, [requestTag(1)])).toBe('2.31')
    expect(await put(attacker, 1, false, 66, [requestTag(1)])).toBe('4.08')
    expect(await put(attacker, 0, true, 66, [requestTag(1)])).toBe('2.31')
    expect(await put(victim, 1, false, 66)).toBe('4.08')
    expect(await put(victim, 1, false, 2, [requestTag(1)])).toBe('2.04')
    expect(seen.map(({ payload }) => payload.includes(66))).toEqual([false])
  })
})

test('a transfer from an address that was not proved: nothing is kept, whatever Echo it makes up', async () => {
  const { server: target, client } = await start()
  const first = (options: readonly CoapOption[]) =>
    encode(
      client.compose({
        path: 'store',
        code: CODE.PUT,
        options: [blockOption(OPTION.Block1, { number: 0, more: true, sizeExponent: 6 }), ...options],
        payload: Buffer.alloc(SIZE),
      }),
    )
  const echo = (value: Buffer): CoapOption => ({ number: OPTION.Echo, value })
  const guesses = [[], [echo(Buffer.alloc(8))], [echo(Buffer.alloc(8, 0xff))], [echo(Buffer.alloc(40))]]
  for (const options of guesses) {
    const [answer] = await exchange(client, first(options))
    expect([codeText(messageOf(answer).code), answer?.length]).toEqual(['4.01', expect.any(Number)])
    expect(answer?.length).toBeLessThan(100)
  }
  expect([target.metric('transfers'), target.seen.length]).toEqual([0, 0])
  const [challenge] = await exchange(client, first([]))
  const proof = echo(optionOf(messageOf(challenge), OPTION.Echo) ?? Buffer.alloc(0))
  const [taken] = await exchange(client, first([proof]))
  expect([codeText(messageOf(taken).code), target.metric('transfers')]).toEqual(['2.31', 1])
})

test(`${TRANSFERS} over a socket: the server bounds them, and answers others`, async () => {
  const { server: target, client } = await start({ requestsPerSecond: 1e6, requestBurst: 1e6 })
  const challenge = messageOf((await exchange(client, encode(client.compose({ path: 'hello', observe: 0 }))))[0])
  const proof = { number: OPTION.Echo, value: optionOf(challenge, OPTION.Echo) ?? Buffer.alloc(0) }
  await exchange(client, encode(client.compose({ path: 'hello', options: [proof] })))
  const block = blockOption(OPTION.Block1, { number: 0, more: true, sizeExponent: 6 })
  for (let n = 0; n < TRANSFERS; n += 100) {
    const some = Array.from({ length: 100 }, (_, i) =>
      encode(
        client.compose({
          path: 'store',
          code: CODE.PUT,
          options: [block, requestTag(n + i)],
          payload: Buffer.alloc(SIZE),
        }),
      ),
    )
    await exchange(client, ...some)
  }
  expect(target.metric('transfers')).toBe(4)
  expect(target.metric('transfers_given_up_total peer')).toBe(TRANSFERS - 4)
  expect(target.seen.every(({ path }) => path[0] === 'hello')).toBe(true)
  const [answer] = await exchange(client, encode(client.compose({ path: 'hello' })))
  expect(codeText(messageOf(answer).code)).toBe('2.05')
})
