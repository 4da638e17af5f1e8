// 100 000 random and bit-flipped packets on each MQTT listener, half of them after a valid CONNECT: the broker lives,
// answers by the failure table, tells nothing, and its memory stays bounded. The same survey run against bare Aedes
// sees it die.
import { mkdtemp, rm } from 'node:fs/promises'
import { connect as connectTcp, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { connect as connectTls } from 'node:tls'
import { generate, type IConnackPacket, type Packet, parser } from 'mqtt-packet'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import WebSocket, { createWebSocketStream } from 'ws'
import { FAILURES } from '../../src/model/failure.ts'
import { type BrokerProcess, startBrokerProcess } from '../fixtures/broker-process.ts'
import { connectPackets, corpus, generator, spoil } from '../fixtures/fuzz.ts'
import { NO_RATE_OF_ATTEMPTS, POLICY } from '../fixtures/fuzzed-broker.ts'

const PACKETS = Number(process.env.LATCHKEY_FUZZ_PACKETS ?? 100_000)
const SEED = Number(process.env.LATCHKEY_FUZZ_SEED ?? 20_261_123)
const MEGABYTE = 1 << 20
/** Bad packets that one connection takes at most; mostly the broker ends it at the first. */
const PACKETS_A_CONNECTION = 100
/** Milliseconds without an answer after which the broker is taken to wait for the rest of a packet that was cut. */
const SILENCE = 60
/** Milliseconds for handshakes and CONNACK. */
const GUARD = 20_000
const PINGREQ = Buffer.from([0xc0, 0])
const PARALLEL = 24
/** Connections between two looks at the broker's memory. */
const LOOK_EVERY = 64

interface Identity {
  readonly id: string
  readonly secret: string
  readonly psk: { identity: string; key: Buffer }
}

describe(`${PACKETS} bad packets a listener, seed ${SEED}`, () => {
  let folder: string
  let broker: BrokerProcess
  const identities: Identity[] = []
  let session: Buffer | undefined

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'latchkey-fuzz-'))
    broker = await startBrokerProcess(folder, {
      log: { level: 'error' },
      durability: 'write',
      // strangers fail on purpose here, and as fast as they can
      limits: {
        connectRate: 0,
        connectRatePerAddress: 0,
        authentication: NO_RATE_OF_ATTEMPTS,
      },
    })
    await broker.api('PUT', '/v1/policies', { files: [{ path: 'policy.yaml', text: POLICY }] })
    for (let i = 0; i < PARALLEL; i++) {
      const id = `fuzz-${i}`
      await broker.api('POST', '/v1/devices', { id, type: 'sensor' })
      const { secret } = await broker.api('POST', '/v1/credentials', { owner: id, kind: 'secret', audience: 'mqtt' })
      const { psk } = await broker.api('POST', '/v1/credentials', { owner: id, kind: 'psk' })
      identities.push({ id, secret, psk: { identity: psk.identity, key: Buffer.from(psk.key, 'hex') } })
    }
  }, 60_000)
  afterAll(async () => {
    await broker?.stop()
    await rm(folder, { recursive: true, force: true })
  })

  const open: Record<string, (identity: Identity) => Duplex> = {
    mqtt: () => connectTcp(broker.listeners.mqtt?.port ?? 0, '127.0.0.1'),
    mqtts: ({ psk }) =>
      connectTls({
        host: '127.0.0.1',
        port: broker.listeners.mqtts?.port ?? 0,
        ciphers: 'TLS_AES_128_GCM_SHA256',
        pskCallback: () => ({ psk: psk.key, identity: psk.identity }),
        checkServerIdentity: () => undefined,
      }),
    ws: () => overWebSocket(`ws://127.0.0.1:${broker.listeners.ws?.port}/mqtt`),
    wss: () => {
      const socket = connectTls({
        host: '127.0.0.1',
        port: broker.listeners.wss?.port ?? 0,
        servername: 'localhost',
        ca: broker.ca,
        ALPNProtocols: ['http/1.1'],
        ...(session ? { session } : {}),
      })
      socket.on('session', fresh => {
        session = fresh
      })
      return overWebSocket(`wss://localhost:${broker.listeners.wss?.port}/mqtt`, socket)
    },
  }

  test.each(['mqtt', 'mqtts', 'ws', 'wss'])(
    '%s',
    async transport => {
      const opener = open[transport]
      if (!opener) throw new Error(transport)
      const report = await survey({
        open: opener,
        identities,
        packets: PACKETS,
        seed: SEED,
        memory: () => broker.memory(),
      })
      console.info(`${transport}: ${JSON.stringify(report)}`)
      expect(broker.process.exitCode, broker.log().slice(-2000)).toBeNull()
      expect(report.sentBeforeConnect + report.sentAfterConnect).toBeGreaterThanOrEqual(PACKETS)
      expect(report.sentAfterConnect).toBeGreaterThanOrEqual(PACKETS / 2)
      expect(await answersHonestClient(opener, identities[0])).toBe(true)
      // by the failure table, or as the standard names it
      const known = new Set<number>([
        ...Object.values(FAILURES).map(row => row.mqtt5),
        ...Object.values(FAILURES).map(row => row.mqtt3),
        0,
      ])
      for (const code of report.connack.keys()) expect(known, `CONNACK ${code}`).toContain(code)
      for (const code of report.disconnect.keys()) expect(known, `DISCONNECT ${code}`).toContain(code)
      expect(report.told).toEqual([])
      // the second half must not cost what the first did: that would be a leak
      // objects of connections that are over wait for the collector, and no longer than this
      expect(Math.max(report.memoryFirstHalf, report.memoryEnd)).toBeLessThan(400 * MEGABYTE)
      expect(report.memoryEnd - report.memoryFirstHalf).toBeLessThan(64 * MEGABYTE)
      expect(broker.log()).not.toMatch(/internal|TypeError|RangeError|uncaught/i)
    },
    900_000,
  )
})

test('bare Aedes is seen to die in the same survey', async () => {
  const { spawn } = await import('node:child_process')
  const source = `import { Aedes } from 'aedes'; import net from 'node:net'
    const broker = await Aedes.createBroker(); broker.on('error', () => {}); broker.on('clientError', () => {})
    net.createServer(socket => broker.handle(socket)).listen(0, '127.0.0.1', function () { console.log(this.address().port) })`
  const child = spawn(process.execPath, ['--input-type=module', '-e', source], { stdio: ['ignore', 'pipe', 'ignore'] })
  const died = new Promise<number | null>(resolve => child.once('close', resolve))
  const port = await new Promise<number>(resolve =>
    child.stdout.once('data', part => resolve(Number(String(part).trim()))),
  )
  const identity: Identity = { id: 'bare', secret: 'x', psk: { identity: 'x', key: Buffer.alloc(16) } }
  const surveyed = survey({
    open: () => connectTcp(port, '127.0.0.1'),
    identities: Array(PARALLEL).fill(identity),
    packets: 20_000,
    seed: SEED,
    memory: async () => 0,
  })
  const outcome = await Promise.race([died, surveyed.then(() => 'alive' as const)])
  child.kill()
  expect(outcome).not.toBe('alive')
}, 120_000)

function overWebSocket(url: string, socket?: Socket): Duplex {
  const client = new WebSocket(
    url,
    ['mqtt'],
    socket ? { createConnection: () => socket, perMessageDeflate: false } : { perMessageDeflate: false },
  )
  const stream = createWebSocketStream(client)
  stream.on('error', () => {})
  return stream
}

type Fate = 'closed' | 'answered' | 'silent'

interface Report {
  /** Packets whose fate is known. */
  sentBeforeConnect: number
  sentAfterConnect: number
  readonly fates: Record<Fate, number>
  connections: number
  /** Decoder states reached, by what the broker answered. */
  readonly connack: Map<number, number>
  readonly disconnect: Map<number, number>
  readonly answers: Map<string, number>
  /** Reason strings and the like that a stranger should never see. */
  readonly told: string[]
  memoryFirstHalf: number
  memoryEnd: number
}

interface SurveyOptions {
  readonly open: (identity: Identity) => Duplex
  readonly identities: readonly Identity[]
  readonly packets: number
  readonly seed: number
  readonly memory: () => Promise<number>
}

async function survey({
  open,
  identities,
  packets,
  seed,
  memory,
}: SurveyOptions): Promise<Report & { toJSON(): object }> {
  const report = {
    sentBeforeConnect: 0,
    sentAfterConnect: 0,
    fates: { closed: 0, answered: 0, silent: 0 },
    connections: 0,
    connack: new Map<number, number>(),
    disconnect: new Map<number, number>(),
    answers: new Map<string, number>(),
    told: [] as string[],
    memoryFirstHalf: 0,
    memoryEnd: 0,
    toJSON() {
      return {
        ...this,
        connack: Object.fromEntries(this.connack),
        disconnect: Object.fromEntries(this.disconnect),
        answers: Object.fromEntries(this.answers),
      }
    },
  }
  const half = packets / 2
  await Promise.all(
    identities.map(async (identity, lane) => {
      const random = generator(seed + lane)
      const valid = { 4: corpus(4, identity.id), 5: corpus(5, identity.id) }
      const connects = connectPackets(identity.id)
      while (report.sentBeforeConnect < half || report.sentAfterConnect < half) {
        const authenticated = report.sentAfterConnect < half && (report.sentBeforeConnect >= half || random() < 0.5)
        const version = random() < 0.5 ? 4 : 5
        if (authenticated) {
          const next = () => spoil(random, valid[version])
          const sent = await exchange(open(identity), honestConnect(identity, version), next, version, report)
          report.sentAfterConnect += sent
        } else {
          // Nothing is judged before a CONNECT but the first packet, so each gets a connection of its own.
          const next = () => spoil(random, random() < 0.8 ? connects : valid[version])
          const sent = await exchange(open(identity), null, next, version, report)
          report.sentBeforeConnect += sent
        }
        // The highest of the first half: what one moment shows depends on when garbage was collected last.
        if (report.connections % LOOK_EVERY === 0 && report.sentAfterConnect + report.sentBeforeConnect < half)
          report.memoryFirstHalf = Math.max(report.memoryFirstHalf, await memory())
      }
    }),
  )
  report.memoryEnd = await memory()
  return report
}

const honestConnect = ({ id, secret }: Identity, version: 4 | 5): Buffer =>
  generate(
    {
      cmd: 'connect',
      protocolId: 'MQTT',
      protocolVersion: version,
      clientId: id,
      clean: true,
      keepalive: 30,
      username: id,
      password: Buffer.from(secret),
    },
    { protocolVersion: version },
  )

/**
 * Sends bad packets on one connection, one by one, as long as the broker keeps it, and resolves with how many met their
 * fate: the connection was closed, a ping behind the packet was answered, or the broker waits for the rest of it. What
 * was only written to a connection that had ended already does not count.
 */
function exchange(
  stream: Duplex,
  connect: Buffer | null,
  next: () => Buffer,
  version: 4 | 5,
  report: Report,
): Promise<number> {
  report.connections++
  return new Promise(resolve => {
    const decoder = parser({ protocolVersion: version })
    let sent = 0
    let underWay = false
    let over = false
    let silence: NodeJS.Timeout | undefined
    // A handshake that never ends counts nothing; the survey tries again.
    const guard = setTimeout(() => finish(null), GUARD)
    const finish = (fate: Fate | null) => {
      if (over) return
      over = true
      clearTimeout(guard)
      clearTimeout(silence)
      if (fate !== null && underWay) settle(fate)
      stream.destroy()
      resolve(sent)
    }
    const settle = (fate: Fate) => {
      underWay = false
      sent++
      report.fates[fate]++
    }
    const expectAnswer = () => {
      underWay = true
      silence = setTimeout(() => finish('silent'), SILENCE)
    }
    const send = () => {
      if (connect) {
        stream.write(Buffer.concat([next(), PINGREQ]))
        expectAnswer()
      } else {
        // Called when the bytes have left, which is after all handshakes.
        stream.write(next(), error => {
          if (!error && !over) expectAnswer()
        })
      }
    }
    const onPacket = (packet: Packet) => {
      count(packet, report, connect !== null)
      if (packet.cmd === 'connack') {
        if (connect) send()
        else finish('answered')
      } else if (packet.cmd === 'pingresp' && connect) {
        clearTimeout(silence)
        settle('answered')
        if (sent < PACKETS_A_CONNECTION) send()
        else finish(null)
      }
    }
    decoder.on('packet', onPacket)
    decoder.on('error', () => {})
    stream.on('data', bytes => decoder.parse(bytes))
    stream.on('error', () => finish('closed'))
    stream.on('close', () => finish('closed'))
    stream.on('end', () => finish('closed'))
    if (connect) stream.write(connect)
    else send()
  })
}

function count(packet: Packet, report: Report, authenticated: boolean): void {
  report.answers.set(packet.cmd, (report.answers.get(packet.cmd) ?? 0) + 1)
  const reason =
    'properties' in packet && packet.properties && 'reasonString' in packet.properties
      ? packet.properties.reasonString
      : undefined
  if (typeof reason === 'string' && !authenticated) report.told.push(reason)
  if (packet.cmd === 'connack') {
    const { reasonCode, returnCode } = packet as IConnackPacket
    const code = reasonCode ?? returnCode ?? 0
    report.connack.set(code, (report.connack.get(code) ?? 0) + 1)
  } else if (packet.cmd === 'disconnect') {
    const code = packet.reasonCode ?? 0
    report.disconnect.set(code, (report.disconnect.get(code) ?? 0) + 1)
  }
}

/** Whether a well-behaved client still gets a message through. */
function answersHonestClient(open: (identity: Identity) => Duplex, identity: Identity | undefined): Promise<boolean> {
  if (!identity) return Promise.resolve(false)
  return new Promise(resolve => {
    const stream = open(identity)
    const decoder = parser({ protocolVersion: 4 })
    const topic = `device/${identity.id}/honest`
    decoder.on('packet', (packet: Packet) => {
      if (packet.cmd === 'connack')
        stream.write(generate({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic, qos: 1 }] }))
      else if (packet.cmd === 'suback')
        stream.write(
          generate({
            cmd: 'publish',
            topic,
            payload: Buffer.from('x'),
            qos: 1,
            messageId: 2,
            dup: false,
            retain: false,
          }),
        )
      else if (packet.cmd === 'publish') {
        resolve(packet.topic === topic)
        stream.destroy()
      }
    })
    stream.on('data', bytes => decoder.parse(bytes))
    stream.on('error', () => resolve(false))
    stream.on('close', () => resolve(false))
    stream.write(honestConnect(identity, 4))
  })
}
