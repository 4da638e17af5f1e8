// Random and mutated frames on each CoAP listener of RFC 8323 (100 000 with LATCHKEY_FUZZ_PACKETS, fewer in CI), half of them
// on connections with a session and an observation: the broker lives, answers by the failure table, tells nothing, and its
// memory stays bounded; and somebody who was connected before is still served after it.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CODE, codeClass, codeText } from '../../src/coap-wire/codes.ts'
import { encodeFrame, encodeWebSocketFrame } from '../../src/coap-wire/frame.ts'
import { ping } from '../../src/coap-wire/signalling.ts'
import { FREE_PORTS_WITH_COAP_STREAMS } from '../fixtures/broker.ts'
import { type BrokerProcess, startBrokerProcess } from '../fixtures/broker-process.ts'
import { TOLD, unknownCodes } from '../fixtures/coap-answers-to-strangers.ts'
import { frame } from '../fixtures/coap-frame-fuzz.ts'
import { logIn, observeAt, openStream, pskShown, putTo, type StreamName } from '../fixtures/coap-stream-device.ts'
import { generator } from '../fixtures/fuzz.ts'
import { NO_RATE_OF_ATTEMPTS, NO_RATE_OF_REQUESTS, POLICY } from '../fixtures/fuzzed-broker.ts'
import type { CoapStreamClient } from '../wire/coap-stream-client.ts'

const FRAMES = Number(process.env.LATCHKEY_FUZZ_PACKETS ?? 20_000)
const SEED = Number(process.env.LATCHKEY_FUZZ_SEED ?? 20_261_123)
const MEGABYTE = 1 << 20
const PARALLEL = 16
/** Frames that one connection takes at most. */
const FRAMES_A_CONNECTION = 200
/** Milliseconds without a Pong after which the broker is taken to wait for the rest of a frame that was cut. */
const SILENCE = 60
/** Connections between two looks at the broker's memory. */
const LOOK_EVERY = 64

/** What Abort and Release say; behind a number, whatever it is. */
const DIAGNOSTICS = new Set([
  'the message is malformed',
  'the message is longer than Max-Message-Size',
  'the first message is not a CSM',
  'the critical option # is not understood',
])

interface Identity {
  readonly id: string
  readonly secret: string
  readonly psk: ReturnType<typeof pskShown>
}

interface Report {
  readonly answers: Map<string, number>
  readonly aborts: Map<string, number>
  readonly told: string[]
  sent: number
  sentBySessions: number
  connections: number
  memoryFirstHalf: number
  memoryEnd: number
}

describe(`${FRAMES} bad frames a listener, seed ${SEED}`, () => {
  let folder: string
  let broker: BrokerProcess
  const identities: Identity[] = []

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'latchkey-fuzz-'))
    broker = await startBrokerProcess(folder, {
      listeners: FREE_PORTS_WITH_COAP_STREAMS,
      log: { level: 'error' },
      durability: 'write',
      limits: { authentication: NO_RATE_OF_ATTEMPTS, coap: NO_RATE_OF_REQUESTS },
    })
    await broker.api('PUT', '/v1/policies', { files: [{ path: 'policy.yaml', text: POLICY }] })
    for (let i = 0; i <= PARALLEL; i++) {
      const id = `fuzz-${i}`
      await broker.api('POST', '/v1/devices', { id, type: 'sensor' })
      const { secret } = await broker.api('POST', '/v1/credentials', { owner: id, kind: 'secret', audience: 'mqtt' })
      const { psk } = await broker.api('POST', '/v1/credentials', { owner: id, kind: 'psk' })
      identities.push({ id, secret, psk: pskShown(psk.identity, Buffer.from(psk.key, 'hex')) })
    }
  })
  afterAll(async () => {
    await broker?.stop()
    await rm(folder, { recursive: true, force: true })
  })

  /** On `coaps+tcp` a session is opened by the handshake, elsewhere by a token. */
  async function open(name: StreamName, { id, secret, psk }: Identity, asDevice: boolean) {
    const at = { ca: broker.ca, port: (listener: StreamName) => broker.listeners[listener]?.port ?? 0 }
    const byHandshake = asDevice && name === 'coaps+tcp'
    const client = await openStream(at, name, byHandshake ? psk : {})
    const query = asDevice && !byHandshake ? await logIn(client, id, secret) : []
    if (asDevice) await observeAt(client, `device/${id}/#`, { query })
    return { client, query }
  }

  test.each<StreamName>(['coap+tcp', 'coaps+tcp', 'coap+ws', 'coaps+ws'])(
    '%s',
    async name => {
      const bystander = identities[PARALLEL]!
      const { client: watching, query } = await open(name, bystander, true)
      const watched = await observeAt(watching, `device/${bystander.id}/after`, { query })
      const report = await survey(name)
      console.info(
        `${name}: ${JSON.stringify({ ...report, answers: Object.fromEntries(report.answers), aborts: Object.fromEntries(report.aborts) })}`,
      )
      expect(broker.process.exitCode, broker.log().slice(-2000)).toBeNull()
      expect(broker.log()).toBe('')
      expect(report.sent).toBeGreaterThanOrEqual(FRAMES)
      expect(report.sentBySessions).toBeGreaterThanOrEqual(FRAMES * 0.45)
      expect(unknownCodes(report.answers.keys())).toEqual([])
      expect(report.told).toEqual([])
      for (const diagnostic of report.aborts.keys()) expect(DIAGNOSTICS).toContain(diagnostic)
      expect(Math.max(report.memoryFirstHalf, report.memoryEnd)).toBeLessThan(400 * MEGABYTE)
      expect(report.memoryEnd - report.memoryFirstHalf).toBeLessThan(64 * MEGABYTE)

      const topic = `device/${bystander.id}/after`
      expect(codeText((await putTo(watching, topic, 'x', query)).code)).toBe('2.04')
      expect((await watched.next()).payload.toString()).toBe('x')
      await watching.close()
      await expect.poll(() => broker.metric('latchkey_coap_connections')).toBe(0)
      expect(await broker.metric('latchkey_coap_unread_bytes')).toBe(0)
      expect(await broker.metric('latchkey_coap_backlog_bytes')).toBe(0)
    },
    15 * 60_000,
  )

  async function survey(name: StreamName): Promise<Report> {
    const report: Report = {
      answers: new Map(),
      aborts: new Map(),
      told: [],
      sent: 0,
      sentBySessions: 0,
      connections: 0,
      memoryFirstHalf: 0,
      memoryEnd: 0,
    }
    const half = FRAMES / 2
    await Promise.all(
      identities.slice(0, PARALLEL).map(async (identity, lane) => {
        const random = generator(SEED + lane)
        while (report.sent < FRAMES) {
          const strangers = report.sent - report.sentBySessions
          const asDevice = report.sentBySessions <= strangers
          report.connections++
          const { client, query } = await open(name, identity, asDevice)
          const sent = await exchange(client, name, random, asDevice ? identity.id : 'nobody', query, report)
          report.sent += sent
          if (asDevice) report.sentBySessions += sent
          // The highest of the first half: what one moment shows depends on when garbage was collected last.
          if (report.connections % LOOK_EVERY === 0 && report.sent < half)
            report.memoryFirstHalf = Math.max(report.memoryFirstHalf, await broker.memory())
        }
      }),
    )
    report.memoryEnd = await broker.memory()
    return report
  }
})

/**
 * Sends bad frames on one connection, one by one, as long as the broker keeps it, and resolves with how many met their
 * fate: the connection was closed, a Ping behind the frame was answered, or the broker waits for the rest of it.
 */
async function exchange(
  client: CoapStreamClient,
  name: StreamName,
  random: () => number,
  id: string,
  query: readonly string[],
  report: Report,
): Promise<number> {
  const encode = name === 'coap+tcp' || name === 'coaps+tcp' ? encodeFrame : encodeWebSocketFrame
  let sent = 0
  while (sent < FRAMES_A_CONNECTION && client.isOpen) {
    const token = Buffer.from([0xff, sent & 0xff, 0xee])
    client.send(frame(random, encode, ['device', id], query))
    client.send(encode(ping(token)))
    sent += 1
    if (!(await answered(client, token))) break
  }
  tally(client, report)
  await client.close()
  return sent
}

/** Whether the Pong came, and not the end or silence. */
async function answered(client: CoapStreamClient, token: Buffer): Promise<boolean> {
  let silence: NodeJS.Timeout | undefined
  const quiet = new Promise<'quiet'>(resolve => {
    silence = setTimeout(resolve, SILENCE, 'quiet')
  })
  for (;;) {
    const outcome = await Promise.race([client.signal('pong').catch(() => 'over' as const), quiet])
    if (outcome === 'quiet' || outcome === 'over') {
      clearTimeout(silence)
      return false
    }
    if (!outcome.token.equals(token)) continue
    clearTimeout(silence)
    return true
  }
}

function tally(client: CoapStreamClient, report: Report): void {
  for (const { code, payload } of client.received) {
    if (codeClass(code) === 7 || code === CODE.Empty) continue
    const text = codeText(code)
    report.answers.set(text, (report.answers.get(text) ?? 0) + 1)
    if (codeClass(code) >= 4 && !TOLD.has(payload.toString())) report.told.push(payload.toString())
  }
  for (const signal of client.signals) {
    if (signal.kind !== 'abort') continue
    const diagnostic = signal.diagnostic.replace(/\d+/, '#')
    report.aborts.set(diagnostic, (report.aborts.get(diagnostic) ?? 0) + 1)
  }
}
