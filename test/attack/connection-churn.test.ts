// A stranger and devices connect and disconnect 24 000 times in every way there is: a broker that keeps something of each
// would grow without end. What stays is told by the heap after a collection, file descriptors, gauges and the store.
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { connect as connectTcp, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { silentLog } from '../../src/model/log.ts'
import { silentMeter } from '../../src/model/meter.ts'
import { LevelStore } from '../../src/store/level-store.ts'
import { FREE_PORTS } from '../fixtures/broker.ts'
import { type BrokerProcess, startBrokerProcess } from '../fixtures/broker-process.ts'
import { generator } from '../fixtures/fuzz.ts'
import { NO_RATE_OF_ATTEMPTS } from '../fixtures/fuzzed-broker.ts'
import { MqttWire } from '../wire/mqtt-wire.ts'

const CYCLES = Number(process.env.LATCHKEY_CHURN_CYCLES ?? 24_000)
const SEED = Number(process.env.LATCHKEY_TEST_SEED ?? 1)
const LANES = 16
/** Bytes that the heap may be larger after the last three quarters of the cycles: of the whole number, 58 for each. */
const GROWTH = 1 << 20
/** Bytes of the store for a cycle: the audit trail tells who came and who was refused. */
const STORED = 2048
/** Files of the database and calls of the API that may be open at a moment. */
const SPARE = 8

const POLICY = `
version: 1
roles: { own: { permit: [ { id: own, allow: "device/\${device.id}/#" } ] } }
assign: [ { type: sensor, roles: [own] } ]
`
/** Whatever counts what is there now. */
const GAUGES = [
  'latchkey_mqtt_connections',
  'latchkey_mqtt_connections_waiting',
  'latchkey_live_sessions',
  'latchkey_sessions',
  'latchkey_queued_messages',
  'latchkey_queued_bytes_in_memory',
  'latchkey_store_pending_operations',
] as const

let folder: string
let broker: BrokerProcess
const secrets: string[] = []

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'latchkey-churn-'))
  broker = await startBrokerProcess(
    folder,
    {
      log: { level: 'error' },
      durability: 'write',
      listeners: { ...FREE_PORTS, ws: false, wss: false },
      // Caches are to be full from early on.
      limits: {
        cachedRoutes: 100,
        connectRate: 0,
        connectRatePerAddress: 0,
        authentication: NO_RATE_OF_ATTEMPTS,
      },
    },
    { collects: true },
  )
  await broker.api('PUT', '/v1/policies', { files: [{ path: 'policy.yaml', text: POLICY }] })
  for (let lane = 0; lane < LANES; lane++) {
    await broker.api('POST', '/v1/devices', { id: `d${lane}`, type: 'sensor', clientIds: 'under' })
    const { secret } = await broker.api('POST', '/v1/credentials', {
      owner: `d${lane}`,
      kind: 'secret',
      audience: 'mqtt',
    })
    secrets.push(secret)
  }
}, 60_000)
afterAll(async () => {
  await broker?.stop()
  await rm(folder, { recursive: true, force: true })
})

/** One connection of a device; nobody else has its number. */
interface Visit {
  readonly device: string
  readonly secret: string
  readonly number: number
  readonly version: 4 | 5
}

type Ending = (visit: Visit) => Promise<void>

function dial(port = broker.listeners.mqtt?.port ?? 0): Socket {
  return connectTcp({ port, host: '127.0.0.1', noDelay: true }).on('error', () => {})
}

const gone = (socket: Socket) =>
  new Promise<void>(resolve => {
    if (socket.closed) resolve()
    else socket.once('close', () => resolve()).resume()
  })

async function enter({ device, secret, number, version }: Visit, more: object = {}) {
  const socket = dial()
  const wire = new MqttWire(socket, version)
  const identity = { clientId: `${device}/${number}`, username: device, password: Buffer.from(secret) }
  const connack = await wire.connect({ ...identity, ...more })
  expect(version === 5 ? connack.reasonCode : connack.returnCode).toBe(0)
  return { socket, wire, topic: `device/${device}/${number}` }
}

/** CONNECT as bytes, to be cut off somewhere. */
const connectBytes = ({ device, secret, number, version }: Visit) =>
  new MqttWire(new PassThrough(), version).encode({
    cmd: 'connect',
    protocolId: 'MQTT',
    protocolVersion: version,
    clientId: `${device}/${number}`,
    clean: true,
    keepalive: 60,
    username: device,
    password: Buffer.from(secret),
  })

async function abandoned(socket: Socket, bytes: Buffer): Promise<void> {
  await new Promise(resolve => socket.write(bytes, resolve))
  socket.destroy()
  await gone(socket)
}

const lasting = (version: 4 | 5, seconds: number) => ({
  clean: version === 4,
  ...(version === 5 && { properties: { sessionExpiryInterval: seconds } }),
})

const ENDINGS: Readonly<Record<string, Ending>> = {
  async 'a proper goodbye'(visit) {
    const { wire, topic } = await enter(visit)
    await wire.subscribe(`${topic}/+`, 1)
    for (const qos of [0, 1, 2] as const) await wire.publish(`${topic}/x`, 'x', { qos })
    await wire.next('publish', ({ payload }) => payload.toString() === 'x')
    await wire.unsubscribe(`${topic}/+`)
    await wire.leave()
  },
  async 'a reset amid messages'(visit) {
    const { socket, wire, topic } = await enter(visit)
    await wire.subscribe(`${topic}/#`, 2)
    wire.acknowledges = false
    for (const qos of [1, 2] as const) wire.sendPublish(`${topic}/x`, 'x', { qos })
    await wire.next('publish')
    socket.resetAndDestroy()
    await gone(socket)
  },
  async 'a session that expires with what waits for it'(visit) {
    const { socket, wire, topic } = await enter(visit, lasting(visit.version, 1))
    await wire.subscribe(`${topic}/#`, 1)
    wire.acknowledges = false
    for (const qos of [1, 2] as const) wire.sendPublish(`${topic}/x`, 'x'.repeat(1000), { qos })
    await wire.next('puback')
    socket.destroy()
    await gone(socket)
  },
  async 'a will'(visit) {
    const delay = visit.version === 5 ? { properties: { willDelayInterval: visit.number % 2 } } : {}
    const topic = `device/${visit.device}/will/${visit.number}`
    const will = { topic, payload: Buffer.from('gone'), qos: 1, retain: false, ...delay } as const
    const { socket } = await enter(visit, { ...lasting(visit.version, 1), will })
    socket.resetAndDestroy()
    await gone(socket)
  },
  async 'another connection of the same client'(visit) {
    const first = await enter(visit)
    await first.wire.subscribe(`${first.topic}/#`, 1)
    const second = await enter(visit)
    await first.wire.closed()
    await second.wire.leave()
  },
  async 'a packet that no client may send'(visit) {
    const { wire } = await enter(visit)
    wire.sendBytes([0xf0 | (visit.number % 2), 0x80, 0x80, 0x80, 0x80, 0x80])
    await wire.closed()
  },
  async 'a wrong secret'(visit) {
    const wire = new MqttWire(dial(), visit.version)
    wire.sendConnect({ clientId: visit.device, username: visit.device, password: Buffer.from(`${visit.secret}x`) })
    await wire.next('connack')
    await wire.closed()
  },
  async 'half of a CONNECT'(visit) {
    const bytes = connectBytes(visit)
    await abandoned(dial(), bytes.subarray(0, 1 + (visit.number % (bytes.length - 1))))
  },
  async 'a CONNECT whose answer nobody waits for'(visit) {
    await abandoned(dial(), connectBytes(visit))
  },
  async 'half of a SCRAM exchange'({ device, number }) {
    const wire = new MqttWire(dial(), 5)
    const authenticationData = Buffer.from(`n,,n=${device},r=nonce${number}`)
    const properties = { authenticationMethod: 'SCRAM-SHA-256', authenticationData }
    wire.sendConnect({ clientId: device, properties })
    await wire.next('auth')
    wire.destroy()
    await wire.closed()
  },
  async 'half of a TLS handshake'() {
    await abandoned(dial(broker.listeners.mqtts?.port), Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]))
  },
  async silence() {
    await abandoned(dial(), Buffer.alloc(0))
  },
}

const counts = new Map<string, number>()
const random = generator(SEED)
let number = 0

async function churn(upTo: number): Promise<void> {
  const names = Object.keys(ENDINGS)
  await Promise.all(
    secrets.map(async (secret, lane) => {
      while (number < upTo) {
        const visit = { device: `d${lane}`, secret, number: ++number, version: random() < 0.5 ? 4 : 5 } as const
        const name = names[visit.number % names.length] ?? ''
        await ENDINGS[name]?.(visit).catch(error => {
          throw new Error(`cycle ${visit.number}, MQTT ${visit.version}: ${name}`, { cause: error })
        })
        counts.set(name, (counts.get(name) ?? 0) + 1)
      }
    }),
  )
}

/** What is left when everybody has gone and every session has expired. */
async function remains() {
  for (const gauge of GAUGES) await expect.poll(() => broker.metric(gauge), { timeout: 30_000, message: gauge }).toBe(0)
  await broker.collectGarbage()
  return {
    cycles: number,
    heap: await broker.metric('latchkey_nodejs_heap_size_used_bytes'),
    buffers: await broker.metric('latchkey_nodejs_external_memory_bytes'),
    handles: await broker.metric('latchkey_nodejs_active_resources'),
    descriptors: (await readdir(`/proc/${broker.pid}/fd`)).length,
    stored: await bytesIn(join(folder, 'data')),
  }
}

async function bytesIn(directory: string): Promise<number> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true })
  // The database may remove a file meanwhile.
  const sizes = entries.map(entry =>
    stat(join(entry.parentPath, entry.name))
      .then(({ size }) => size)
      .catch(() => 0),
  )
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0)
}

/** Keys of sessions and messages that lie in the store of a broker that has ended. */
async function leftInStore(): Promise<string[]> {
  const directory = join(folder, 'data', 'db')
  const store = await LevelStore.open({ directory, clock: { now: Date.now }, meter: silentMeter, log: silentLog })
  const keys: string[] = []
  for await (const { key } of store.list('bus/')) keys.push(key)
  await store.close()
  return keys
}

test(`${CYCLES} connections in every way leave nothing behind`, async () => {
  await churn(CYCLES / 4)
  const before = await remains()
  await churn(CYCLES)
  const after = await remains()
  console.info(JSON.stringify({ before, after, endings: Object.fromEntries(counts) }))
  expect(after.heap - before.heap).toBeLessThan(GROWTH)
  expect(after.buffers - before.buffers).toBeLessThan(GROWTH)
  expect(after.handles).toBeLessThanOrEqual(before.handles + SPARE)
  expect(after.descriptors).toBeLessThanOrEqual(before.descriptors + SPARE)
  expect(after.stored).toBeLessThan(STORED * CYCLES)
  expect(broker.log()).toBe('')
  await broker.stop()
  expect(await leftInStore()).toEqual([])
}, 900_000)
