// The limits that each side sets the other, and readers that are too slow (MQTT 5, 3.1.2.11, 3.2.2.3 and 4.9).
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type MqttBroker, startMqtt } from '../wire/mqtt-broker.ts'
import type { MqttWire } from '../wire/mqtt-wire.ts'

describe('flow control', () => {
  let mqtt: MqttBroker
  let publisher: MqttWire
  beforeAll(async () => {
    const limits = {
      receiveMaximum: 5,
      halfOpenMaximum: 8,
      maximumPacketSize: 20_000,
      outQueueBytes: 65_536,
      maximumQueued: 1000,
    }
    mqtt = await startMqtt({ limits, queueOverflow: 'drop-new' })
    publisher = await mqtt.client('publisher')
  })
  afterAll(() => mqtt?.close())

  test('CONNACK tells the limits', async () => {
    const { properties } = await mqtt.wire().connect({ clientId: 'told' })
    expect(properties).toMatchObject({ receiveMaximum: 5, maximumPacketSize: 20_000, topicAliasMaximum: 10 })
  })

  test('no more messages are in flight than the client allows [MQTT-3.3.4-9]', async () => {
    const client = await mqtt.client('window', { properties: { receiveMaximum: 2 } })
    client.acknowledges = false
    await client.subscribe('window', 2)
    for (let i = 0; i < 5; i++) await publisher.publish('window', `${i}`, { qos: (1 + (i % 2)) as 1 | 2 })
    expect((await client.waiting()).map(({ payload }) => payload.toString())).toEqual(['0', '1'])
    const [first, second] = [await client.next('publish'), await client.next('publish')]
    client.send({ cmd: 'puback', messageId: first.messageId ?? 0 })
    expect(await client.message()).toBe('2')
    client.send({ cmd: 'pubrec', messageId: second.messageId ?? 0 })
    await client.next('pubrel')
    expect(await client.waiting()).toEqual([])
    client.send({ cmd: 'pubcomp', messageId: second.messageId ?? 0 })
    expect(await client.message()).toBe('3')
  })

  test('more in flight than we allow ends the connection [MQTT-3.3.4-7]', async () => {
    const client = await mqtt.client('flood')
    for (let i = 1; i <= 6; i++) client.sendPublish('nobody', 'x', { qos: 2, messageId: i })
    expect((await client.next('disconnect')).reasonCode).toBe(0x93)
    const older = await mqtt.client('flood-3', {}, 4)
    for (let i = 1; i <= 9; i++) older.sendPublish('nobody', 'x', { qos: 2, messageId: i })
    await older.closed()
  })

  test('a packet that the client does not take is left out [MQTT-3.1.2-25]', async () => {
    const client = await mqtt.client('small', { properties: { maximumPacketSize: 100 } })
    await client.subscribe('small', 2)
    for (const qos of [0, 1, 2] as const) {
      await publisher.publish('small', 'x'.repeat(200), { qos })
      await publisher.publish('small', `${qos}`, { qos })
    }
    expect(await client.messages(3)).toEqual(['0', '1', '2'])
  })

  test('a packet that we do not take ends the connection with its reason', async () => {
    const client = await mqtt.client('large')
    client.sendPublish('large', Buffer.alloc(20_000))
    expect((await client.next('disconnect')).reasonCode).toBe(0x95)
    await client.closed()
  })

  test('topic aliases are used as far as the client allows', async () => {
    const client = await mqtt.client('aliases', { properties: { topicAliasMaximum: 1 } })
    await client.subscribe('aliases/#', 1)
    for (const topic of ['aliases/a', 'aliases/a', 'aliases/b', 'aliases/a'])
      await publisher.publish(topic, 'x', { qos: 1 })
    const packets = [1, 2, 3, 4].map(() => client.next('publish'))
    const seen = (await Promise.all(packets)).map(({ topic, properties }) => [topic, properties?.topicAlias])
    expect(seen).toEqual([
      ['aliases/a', 1],
      ['', 1],
      ['aliases/b', undefined],
      ['', 1],
    ])
  })

  test('a reader who stops reading delays nobody, and what waits for it is bounded', async () => {
    const stalled = await mqtt.client('stalled', { properties: { sessionExpiryInterval: 60 } })
    stalled.acknowledges = false
    await stalled.subscribe('busy/#', 1)
    stalled.stream.pause()
    const reader = await mqtt.client('reader')
    await reader.subscribe('busy/#', 1)
    const payload = (i: number) => Buffer.from(`${i} ${'x'.repeat(15_000)}`)
    for (let i = 0; i < 1500; i++) {
      await publisher.publish('busy/1', payload(i), { qos: 1 })
      expect(Number.parseInt(await reader.message(), 10)).toBe(i)
    }
    for (let i = 0; i < 3; i++) publisher.sendPublish('busy/0', payload(i))
    await publisher.settle()
    expect(await reader.waiting()).toHaveLength(3)
    stalled.acknowledges = true
    stalled.stream.resume()
    // The first ones filled the socket and the next ones waited, 1000 together; the rest was dropped.
    const got = (await stalled.messages(1000)).map(payload => Number.parseInt(payload, 10))
    expect(got).toEqual(Array.from({ length: 1000 }, (_, i) => i))
    expect(await stalled.waiting()).toEqual([])
  })

  test('whoever takes nothing and only asks is cut off', async () => {
    const client = await mqtt.client('asker')
    client.stream.pause()
    const pings = Buffer.alloc(20_000, Buffer.from([0xc0, 0]))
    const pushing = setInterval(() => client.stream.write(pings), 1)
    const cut = new Promise<void>(resolve => client.stream.once('close', resolve))
    // Nothing is read, so the end shows in a write that fails.
    await cut
    clearInterval(pushing)
    expect(client.isClosed).toBe(true)
  })
})
