// What was acknowledged outlives the broker: an orderly restart. (For kill -9 see mqtt-crash-rounds.test.ts.)
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { FREE_PORTS_OF_MQTT, startBroker, type TestBroker } from '../fixtures/broker.ts'
import { TESTER } from '../wire/mqtt-broker.ts'
import { MqttWire, type Version } from '../wire/mqtt-wire.ts'

const CONFIGURATION = {
  auth: { anonymous: { role: 'tester' } },
  listeners: FREE_PORTS_OF_MQTT,
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
