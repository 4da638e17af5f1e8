// 100 000 random and mutated datagrams on plain CoAP, half of them from peers with a session and observations open: the
// broker lives, answers by the failure table, tells nothing, and its memory stays bounded. The npm `coap` server dies of
// the same survey.
import type { Socket } from 'node:dgram'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CODE, codeClass, codeText } from '../../src/coap-wire/codes.ts'
import { decode, isMalformed } from '../../src/coap-wire/decode.ts'
import { encode } from '../../src/coap-wire/encode.ts'
import { TYPE } from '../../src/coap-wire/message.ts'
import { FREE_PORTS_WITH_COAP } from '../fixtures/broker.ts'
import { type BrokerProcess, startBrokerProcess } from '../fixtures/broker-process.ts'
import { TOLD, unknownCodes } from '../fixtures/coap-answers-to-strangers.ts'
import { datagram } from '../fixtures/coap-fuzz.ts'
import { generator } from '../fixtures/fuzz.ts'
import { NO_RATE_OF_ATTEMPTS, NO_RATE_OF_REQUESTS, POLICY } from '../fixtures/fuzzed-broker.ts'
import { strangersSocket } from '../fixtures/strangers-socket.ts'
import { startBareCoap } from '../wire/bare-coap.ts'
import { CoapClient } from '../wire/coap-wire.ts'

const DATAGRAMS = Number(process.env.LATCHKEY_FUZZ_PACKETS ?? 100_000)
const SEED = Number(process.env.LATCHKEY_FUZZ_SEED ?? 20_261_123)
const MEGABYTE = 1 << 20
const PARALLEL = 16
/** Datagrams between two pings: what is sent before a ping is processed before its answer, or was dropped by the kernel. */
const BURST = 40
/** Bursts after which a peer logs in again: some of what it sends ends its session. */
const LOGIN_EVERY = 10
/** Milliseconds after which a ping is sent again. */
const PATIENCE = 2_000
/** Milliseconds between two bursts to a server that answers no ping, which the npm server does not. */
const BREATH = 10

interface Report {
  readonly answers: Map<string, number>
  readonly told: string[]
  /** What the server sent and should not have been able to. */
  readonly malformed: string[]
  sent: number
  sentBySessions: number
  resets: number
  memoryFirstHalf: number
  memoryEnd: number
}

describe(`${DATAGRAMS} bad datagrams, seed ${SEED}`, () => {
  let folder: string
  let broker: BrokerProcess
  const identities: { id: string; secret: string }[] = []

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'latchkey-fuzz-'))
    broker = await startBrokerProcess(folder, {
      listeners: FREE_PORTS_WITH_COAP,
      log: { level: 'error' },
      durability: 'write',
      limits: { authentication: NO_RATE_OF_ATTEMPTS, coap: NO_RATE_OF_REQUESTS },
    })
    await broker.api('PUT', '/v1/policies', { files: [{ path: 'policy.yaml', text: POLICY }] })
    for (let i = 0; i < PARALLEL; i++) {
      const id = `fuzz-${i}`
      await broker.api('POST', '/v1/devices', { id, type: 'sensor' })
      const { secret } = await broker.api('POST', '/v1/credentials', { owner: id, kind: 'secret', audience: 'mqtt' })
      identities.push({ id, secret })
    }
  })
  afterAll(async () => {
    await broker?.stop()
    await rm(folder, { recursive: true, force: true })
  })

  test(
    'Latchkey serves on',
    async () => {
      const port = broker.listeners.coap?.port ?? 0
      const login = (index: number) => logIn(port, identities[index % PARALLEL] as (typeof identities)[number])
      const dropped = await droppedByKernel(port)
      const report = await survey({
        port,
        packets: DATAGRAMS,
        login,
        memory: () => broker.memory(),
        isOver: () => false,
      })
      console.info(`coap: ${JSON.stringify({ ...report, answers: Object.fromEntries(report.answers) })}`)
      expect(broker.process.exitCode, broker.log().slice(-2000)).toBeNull()
      expect(report.sent).toBeGreaterThanOrEqual(DATAGRAMS)
      expect(report.sentBySessions).toBeGreaterThanOrEqual(DATAGRAMS * 0.45)
      expect(await droppedByKernel(port)).toBe(dropped)
      expect(unknownCodes(report.answers.keys())).toEqual([])
      expect([report.told, report.malformed]).toEqual([[], []])
      expect(report.memoryEnd).toBeLessThan(256 * MEGABYTE)
      expect(report.memoryEnd - report.memoryFirstHalf).toBeLessThan(48 * MEGABYTE)
      expect(broker.log()).toBe('')
      const honest = await CoapClient.open(port)
      const query = await logInBy(honest, identities[0] as (typeof identities)[number])
      const path = ['ps', 'device', 'fuzz-0', 'honest']
      const put = await honest.request({ code: CODE.PUT, path, query, payload: Buffer.from('x') })
      expect(codeText(put.code)).toBe('2.04')
      const got = await honest.request({ code: CODE.GET, path, query })
      expect(got.payload.toString()).toBe('x')
      await honest.close()
    },
    15 * 60_000,
  )

  test('the npm coap server dies of it', async () => {
    const bare = await startBareCoap()
    try {
      await survey({
        port: bare.port,
        packets: 20_000,
        login: null,
        memory: () => bare.memory(),
        isOver: () => bare.hasDied(),
      })
      expect(bare.hasDied()).toBe(true)
    } finally {
      await bare.stop()
    }
  }, 120_000)
})

/** A peer with a session and an observation, and what its requests show. */
async function logIn(port: number, identity: { id: string; secret: string }) {
  const socket = await strangersSocket()
  const client = await CoapClient.open(port, { socket })
  const query = await logInBy(client, identity)
  await client.request({ code: CODE.GET, path: ['ps', 'device', identity.id, '#'], query, observe: 0 })
  return { id: identity.id, query, close: () => client.close(), socket }
}

async function logInBy(client: CoapClient, { id, secret }: { id: string; secret: string }): Promise<string[]> {
  const answer = await client.request({
    code: CODE.POST,
    path: ['mqtt', 'connection'],
    query: [`clientid=${id}`],
    payload: Buffer.from(secret),
  })
  if (answer.code !== CODE.Created) throw new Error(`${id} could not log in: ${codeText(answer.code)}`)
  return [`clientid=${id}`, `token=${answer.payload.toString()}`]
}

interface Survey {
  readonly port: number
  readonly packets: number
  /** null: strangers only. */
  readonly login: ((index: number) => ReturnType<typeof logIn>) | null
  memory(): Promise<number>
  /** Nobody is left to survey. */
  isOver(): boolean
}

async function survey({ port, packets, login, memory, isOver }: Survey): Promise<Report> {
  const report: Report = {
    answers: new Map(),
    told: [],
    malformed: [],
    sent: 0,
    sentBySessions: 0,
    resets: 0,
    memoryFirstHalf: 0,
    memoryEnd: 0,
  }
  const perWorker = Math.ceil(packets / PARALLEL)
  await Promise.all(
    Array.from({ length: PARALLEL }, async (_, worker) => {
      const random = generator(SEED + worker)
      let sent = 0
      for (let round = 0; sent < perWorker && !isOver(); round++) {
        const member = login !== null && round % 2 === 0 ? await login(worker) : null
        const socket = member?.socket ?? (await strangersSocket())
        for (let burst = 0; burst < LOGIN_EVERY && sent < perWorker && !isOver(); burst++) {
          const own = ['device', member?.id ?? 'nobody']
          const batch = Array.from({ length: BURST }, () => datagram(random, own, member?.query ?? []))
          await exchange(socket, port, batch, { report, isOver, answersPing: login !== null })
          sent += BURST
          report.sent += BURST
          if (member) report.sentBySessions += BURST
        }
        // The highest of the first half: what one moment shows depends on when garbage was collected last.
        if (report.sent < packets / 2) report.memoryFirstHalf = Math.max(report.memoryFirstHalf, await memory())
        if (member) await member.close()
        else socket.close()
      }
    }),
  )
  report.memoryEnd = await memory()
  return report
}

let pings = 0

/** Sends a burst and a ping behind it; resolves when the ping is answered, which is when all before it has been read. */
async function exchange(
  socket: Socket,
  port: number,
  batch: readonly Buffer[],
  { report, isOver, answersPing }: { report: Report; isOver: () => boolean; answersPing: boolean },
): Promise<void> {
  let settle = () => {}
  const answered = new Promise<void>(resolve => (settle = resolve))
  const messageId = pings++ & 0xffff
  const ping = encode({
    type: TYPE.CON,
    code: CODE.Empty,
    messageId,
    token: Buffer.alloc(0),
    options: [],
    payload: Buffer.alloc(0),
  })
  const onMessage = (bytes: Buffer) => {
    const message = decode(bytes)
    if (message === null || isMalformed(message)) report.malformed.push(bytes.toString('hex'))
    else if (message.type === TYPE.RST) {
      report.resets++
      if (message.messageId === messageId) settle()
    } else if (codeClass(message.code) >= 2) {
      const code = codeText(message.code)
      report.answers.set(code, (report.answers.get(code) ?? 0) + 1)
      const text = message.payload.toString()
      if (codeClass(message.code) >= 4 && !TOLD.has(text)) report.told.push(text)
    }
  }
  socket.on('message', onMessage)
  for (const bytes of batch) socket.send(bytes, port, '127.0.0.1')
  socket.send(ping, port, '127.0.0.1')
  const again = setInterval(
    () => {
      if (isOver() || !answersPing) settle()
      else socket.send(ping, port, '127.0.0.1')
    },
    answersPing ? PATIENCE : BREATH,
  )
  await answered
  clearInterval(again)
  socket.off('message', onMessage)
}

/** Datagrams that the kernel dropped before the server on this port could read them. */
async function droppedByKernel(port: number): Promise<number> {
  const hex = port.toString(16).toUpperCase().padStart(4, '0')
  const table = await readFile('/proc/net/udp', 'utf8')
  const line = table.split('\n').find(each => each.trim().split(/\s+/)[1]?.endsWith(`:${hex}`))
  if (line === undefined) throw new Error(`no socket on port ${port} in /proc/net/udp`)
  return Number(line.trim().split(/\s+/).at(-1))
}
