// What was acknowledged outlives the broker: an orderly restart, and kill -9 under load.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { startBroker, type TestBroker } from '../fixtures/broker.ts'
import { type BrokerProcess, startBrokerProcess } from '../fixtures/broker-process.ts'
import { TESTER } from '../wire/mqtt-broker.ts'
import { MqttWire, type PacketOf, type Version } from '../wire/mqtt-wire.ts'

const CONFIGURATION = {
  auth: { anonymous: { role: 'tester' } },
  listeners: { mqtt: { port: 0 }, mqtts: false, ws: false, wss: false, https: { port: 0 } },
  log: { level: 'error' },
  limits: { receiveMaximum: 1000 },
} as const
const POLICY = { files: [{ path: 'policy.yaml', text: TESTER }] }
const LASTING = { clean: false, properties: { sessionExpiryInterval: 600 } }

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'latchkey-durability-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

describe('an orderly restart', () => {
  let broker: TestBroker
  const restart = async () => {
    await broker?.close()
    broker = await startBroker(CONFIGURATION, { data: join(folder, 'data') })
  }
  beforeEach(async () => {
    broker = await startBroker(CONFIGURATION, { data: join(folder, 'data') })
    await broker.api('PUT', '/v1/policies', POLICY)
  })
  afterEach(() => broker?.close())
  const connect = async (clientId: string, options = {}, version: Version = 5) => {
    const wire = MqttWire.tcp(broker.port('mqtt'), version)
    const connack = await wire.connect({ clientId, ...options })
    return Object.assign(wire, { sessionPresent: connack.sessionPresent })
  }

  test('what waits for somebody who is away lies on disk alone, and comes in order', async () => {
    const gauge = async (name: string) => {
      const { body } = await broker.call('GET', '/metrics')
      return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(String(body))?.[1])
    }
    const payloads = Array.from({ length: 40 }, (_, i) => `${i} ${'x'.repeat(1000)}`)
    const slow = await connect('slow', LASTING)
    slow.acknowledges = false
    await slow.subscribe('a', 2)
    const writer = await connect('writer')
    for (const payload of payloads.slice(0, 20)) await writer.publish('a', payload, { qos: 1 })
    expect(await slow.messages(20)).toEqual(payloads.slice(0, 20))
    expect(await gauge('latchkey_queued_bytes_in_memory')).toBeGreaterThan(20_000)
    await slow.leave({ sessionExpiryInterval: 600 })
    for (const payload of payloads.slice(20)) await writer.publish('a', payload, { qos: 2 })
    for (const restarts of [false, true]) {
      if (restarts) await restart()
      expect(await gauge('latchkey_queued_messages')).toBe(40)
      expect(await gauge('latchkey_queued_bytes_in_memory')).toBe(0)
    }
    const back = await connect('slow', LASTING)
    expect(await back.messages(40)).toEqual(payloads)
  })

  test('subscriptions, queues, retained messages and received identifiers are there again', async () => {
    const reader = await connect('reader', LASTING)
    await reader.subscribe('a/#', 2, { identifier: 9 })
    await reader.leave()
    const writer = await connect('writer', LASTING)
    const properties = { contentType: 'text/plain', correlationData: Buffer.from([0, 255]), userProperties: { k: 'v' } }
    for (const qos of [1, 2] as const) await writer.publish('a/x', `${qos}`, { qos, properties })
    await writer.publish('a/kept', 'kept', { qos: 1, retain: true, properties })
    writer.sendPublish('b', 'x', { qos: 2, messageId: 77 })
    await writer.next('pubrec')
    await restart()

    const again = await connect('reader', LASTING)
    expect(again.sessionPresent).toBe(true)
    const got = [await again.next('publish'), await again.next('publish'), await again.next('publish')]
    expect(got.map(({ payload, qos }) => [payload.toString(), qos])).toEqual([
      ['1', 1],
      ['2', 2],
      ['kept', 1],
    ])
    for (const packet of got) expect(packet.properties).toMatchObject({ ...properties, subscriptionIdentifier: 9 })
    const late = await connect('late')
    await late.subscribe('a/kept', 1)
    const retained = await late.next('publish')
    expect([retained.retain, retained.properties]).toMatchObject([true, properties])

    const observer = await connect('observer')
    await observer.subscribe('b', 2)
    const writerAgain = await connect('writer', LASTING)
    writerAgain.sendPublish('b', 'x', { qos: 2, messageId: 77, dup: true })
    await writerAgain.next('pubrec')
    writerAgain.send({ cmd: 'pubrel', messageId: 77 })
    await writerAgain.next('pubcomp')
    await writerAgain.publish('b', 'y', { qos: 2, messageId: 77 })
    expect(await observer.message()).toBe('y')
    expect(await observer.waiting()).toEqual([])
  })

  test('what was in flight is sent again under the identifiers that the client knows', async () => {
    const reader = await connect('reader', LASTING)
    reader.acknowledges = false
    await reader.subscribe('a', 2)
    const writer = await connect('writer')
    for (const payload of ['x', 'y']) await writer.publish('a', payload, { qos: 2 })
    const [x, y] = [await reader.next('publish'), await reader.next('publish')]
    reader.send({ cmd: 'pubrec', messageId: x.messageId ?? 0 })
    await reader.next('pubrel')
    await restart()
    const again = await connect('reader', LASTING)
    expect((await again.next('pubrel')).messageId).toBe(x.messageId)
    const repeated = await again.next('publish')
    expect([repeated.messageId, repeated.payload.toString()]).toEqual([y.messageId, 'y'])
    expect(await again.waiting()).toEqual([])
  })

  test.each([3, 4] as const)('version %i sessions too', async version => {
    const reader = await connect('reader', { clean: false }, version)
    await reader.subscribe('a', 1)
    reader.destroy()
    await reader.closed()
    const writer = await connect('writer')
    await writer.publish('a', 'x', { qos: 1 })
    await restart()
    expect(await (await connect('reader', { clean: false }, version)).message()).toBe('x')
  })
})

/** A receiver that keeps its QoS 2 state across connections, as the standard asks. */
class LastingReceiver {
  readonly received = new Map<string, number>()
  readonly #unreleased = new Set<number>()

  attach(wire: MqttWire): void {
    wire.acknowledges = false
    wire.onPacket = packet => {
      if (packet.cmd === 'publish') this.#take(wire, packet)
      else if (packet.cmd === 'pubrel') {
        this.#unreleased.delete(packet.messageId ?? 0)
        wire.send({ cmd: 'pubcomp', messageId: packet.messageId ?? 0 })
      }
    }
  }

  #take(wire: MqttWire, { qos, messageId = 0, payload }: PacketOf<'publish'>): void {
    const isNew = qos !== 2 || !this.#unreleased.has(messageId)
    if (qos === 2) this.#unreleased.add(messageId)
    const text = payload.toString()
    if (isNew) this.received.set(text, (this.received.get(text) ?? 0) + 1)
    wire.send({ cmd: qos === 1 ? 'puback' : 'pubrec', messageId })
  }
}

/** A sender that repeats its unfinished QoS 2 exchanges on the next connection. */
class LastingSender {
  readonly acknowledged = new Set<string>()
  /** Payload by packet identifier, and whether its receipt came. */
  readonly open = new Map<number, { payload: string; received: boolean }>()
  #next = 0

  attach(wire: MqttWire): void {
    wire.onPacket = packet => {
      const { messageId = 0 } = packet
      const exchange = this.open.get(messageId)
      if (exchange === undefined) return
      if (packet.cmd === 'pubrec') {
        exchange.received = true
        this.acknowledged.add(exchange.payload)
        wire.send({ cmd: 'pubrel', messageId })
      } else if (packet.cmd === 'pubcomp') this.open.delete(messageId)
    }
    for (const [messageId, { payload, received }] of this.open) {
      if (received) wire.send({ cmd: 'pubrel', messageId })
      else wire.sendPublish('two', payload, { qos: 2, messageId, dup: true })
    }
  }

  publish(wire: MqttWire, payload: string): void {
    do this.#next = (this.#next % 65_535) + 1
    while (this.open.has(this.#next))
    this.open.set(this.#next, { payload, received: false })
    wire.sendPublish('two', payload, { qos: 2, messageId: this.#next })
  }
}

const ROUNDS = Number(process.env.LATCHKEY_CRASH_ROUNDS ?? 8)

test(`kill -9 in ${ROUNDS} rounds under load: nothing acknowledged is lost, no QoS 2 message comes twice`, async () => {
  const receiver = new LastingReceiver()
  const sender = new LastingSender()
  const acknowledgedOnce = new Set<string>()
  let broker: BrokerProcess = await startBrokerProcess(folder, CONFIGURATION)
  await broker.api('PUT', '/v1/policies', POLICY)
  const open = async (clientId: string, options = {}, attach: (wire: MqttWire) => void = () => {}) => {
    const wire = MqttWire.tcp(broker.listeners.mqtt?.port ?? 0)
    wire.sendConnect({ clientId, ...options })
    await wire.next('connack')
    attach(wire)
    return wire
  }
  const openReceiver = async () => {
    const wire = MqttWire.tcp(broker.listeners.mqtt?.port ?? 0)
    receiver.attach(wire)
    wire.sendConnect({ clientId: 'receiver', ...LASTING })
    return { wire, connack: await wire.next('connack') }
  }
  try {
    const first = await openReceiver()
    await first.wire.subscribe('#', 2)
    first.wire.destroy()
    for (let round = 0; round < ROUNDS; round++) {
      // In odd rounds the receiver is online, in even ones it is away.
      const { wire: reader, connack } = await openReceiver()
      expect(connack.sessionPresent).toBe(true)
      if (round % 2 === 0) await reader.leave()
      const one = await open('one')
      const two = await open('two', LASTING, wire => sender.attach(wire))
      // The kill comes at another point of the traffic each time: after so many acknowledgements.
      const killAfter = 3 + ((round * 17) % 300)
      let acknowledged = 0
      const killed = new Promise<void>(resolve => {
        one.onPacket = packet => {
          if (packet.cmd !== 'puback') return
          acknowledgedOnce.add(`one ${round} ${packet.messageId}`)
          if (++acknowledged === killAfter) resolve()
        }
      }).then(() => broker.stop('SIGKILL'))
      for (let i = 1; i <= 400; i++) {
        one.sendPublish('one', `one ${round} ${i}`, { qos: 1, messageId: i })
        if (sender.open.size < 90) sender.publish(two, `two ${round} ${i}`)
        if (i % 20 === 0) await one.settleWriting().catch(() => {})
      }
      await killed
      for (const wire of [one, two, reader]) wire.destroy()
      broker = await startBrokerProcess(folder, CONFIGURATION)
    }
    await open('two', LASTING, wire => sender.attach(wire))
    await expect.poll(() => sender.open.size, { timeout: 30_000 }).toBe(0)
    await openReceiver()
    const missing = () => [...acknowledgedOnce, ...sender.acknowledged].filter(text => !receiver.received.has(text))
    await expect.poll(missing, { timeout: 30_000 }).toEqual([])
    expect(acknowledgedOnce.size).toBeGreaterThanOrEqual(ROUNDS * 3)
    const twice = [...receiver.received].filter(([text, times]) => text.startsWith('two') && times > 1)
    expect(twice).toEqual([])
  } finally {
    await broker.stop('SIGKILL')
  }
}, 600_000)
