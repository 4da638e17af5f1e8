// PUBLISH and its acknowledgements over a real socket (MQTT 5, 3.3 to 3.7 and 4.3).
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type MqttBroker, ShiftedClock, startMqtt } from '../wire/mqtt-broker.ts'

describe('publish', () => {
  const clock = new ShiftedClock()
  let mqtt: MqttBroker
  beforeAll(async () => {
    mqtt = await startMqtt({}, { clock })
  })
  afterAll(() => mqtt?.close())

  test.each([3, 4, 5] as const)('version %i: each QoS reaches a subscriber at the lower of both', async version => {
    const subscriber = await mqtt.client(`s${version}`, {}, version)
    const publisher = await mqtt.client(`p${version}`, {}, version)
    for (const granted of [0, 1, 2] as const) {
      expect(await subscriber.subscribe(`v${version}/${granted}/#`, granted)).toBe(granted)
      for (const qos of [0, 1, 2] as const) {
        expect(await publisher.publish(`v${version}/${granted}/x`, `${qos}`, { qos })).toBe(0)
        const { payload, qos: delivered, retain, dup } = await subscriber.next('publish')
        expect([payload.toString(), delivered, retain, dup]).toEqual([`${qos}`, Math.min(qos, granted), false, false])
      }
    }
  })

  test('goes between versions, QoS 0 in one run and QoS 1 with the receiver’s own identifiers', async () => {
    const subscribers = await Promise.all(([3, 4, 5] as const).map(v => mqtt.client(`between-s${v}`, {}, v)))
    for (const subscriber of subscribers) await subscriber.subscribe('between', 1)
    for (const version of [4, 5] as const) {
      const publisher = await mqtt.client(`between-p${version}`, {}, version)
      const run = ['a', 'b', 'c'].map(payload =>
        publisher.encode({ cmd: 'publish', topic: 'between', payload, qos: 0, retain: false, dup: false }),
      )
      publisher.sendBytes(Buffer.concat(run))
      await publisher.publish('between', 'd', { qos: 1 })
      for (const subscriber of subscribers) expect(await subscriber.messages(4)).toEqual(['a', 'b', 'c', 'd'])
    }
  })

  test('a QoS 2 message that is repeated before its release arrives once [MQTT-4.3.3-10]', async () => {
    const subscriber = await mqtt.client('once-s')
    await subscriber.subscribe('once', 2)
    const publisher = await mqtt.client('once-p')
    for (const dup of [false, true, true]) {
      publisher.sendPublish('once', 'x', { qos: 2, messageId: 7, dup })
      expect((await publisher.next('pubrec')).reasonCode).toBe(0)
    }
    publisher.send({ cmd: 'pubrel', messageId: 7 })
    await publisher.next('pubcomp')
    await publisher.publish('once', 'y', { qos: 2, messageId: 7 })
    expect(await subscriber.messages(2)).toEqual(['x', 'y'])
    expect(await subscriber.waiting()).toEqual([])
  })

  test('a PUBREL for an unknown identifier is completed', async () => {
    const client = await mqtt.client('unknown-release')
    client.send({ cmd: 'pubrel', messageId: 99 })
    expect((await client.next('pubcomp')).messageId).toBe(99)
  })

  test('a PUBREC for an unknown identifier is told so', async () => {
    const client = await mqtt.client('unknown-receipt')
    client.send({ cmd: 'pubrec', messageId: 99 })
    expect(await client.next('pubrel')).toMatchObject({ messageId: 99, reasonCode: 0x92 })
  })

  test('acknowledgements come in the order of their messages [MQTT-4.6.0-2]', async () => {
    const persistent = await mqtt.client('order-s', { clean: false, properties: { sessionExpiryInterval: 60 } })
    await persistent.subscribe('order/stored', 1)
    await persistent.leave()
    const publisher = await mqtt.client('order-p')
    const topics = Array.from({ length: 20 }, (_, i) => (i % 2 ? 'order/nobody' : 'order/stored'))
    const sent = topics.map(topic => publisher.sendPublish(topic, 'x', { qos: 1 }))
    const acknowledged: (number | undefined)[] = []
    for (const _ of sent) acknowledged.push((await publisher.next('puback')).messageId)
    expect(acknowledged).toEqual(sent)
  })

  test('everything a message carries arrives unaltered, user properties in order [MQTT-3.3.2-18]', async () => {
    const subscriber = await mqtt.client('carry-s')
    await subscriber.subscribe('carry', 2)
    const publisher = await mqtt.client('carry-p')
    const user = (name: string, value: string) => {
      const text = (s: string) => [0, s.length, ...Buffer.from(s)]
      return [0x26, ...text(name), ...text(value)]
    }
    const users = [...user('b', '1'), ...user('a', '2'), ...user('b', '3'), ...user('__proto__', '4')]
    const others = [0x01, 1, 0x03, 0, 2, 0x74, 0x78, 0x08, 0, 1, 0x72, 0x09, 0, 2, 0xff, 0xfe]
    const properties = [...others, ...users]
    const body = [0, 5, ...Buffer.from('carry'), 0, 9, properties.length, ...properties, ...Buffer.from('x')]
    publisher.sendBytes([0x34, body.length, ...body])
    await publisher.next('pubrec')
    const packet = await subscriber.next('publish')
    expect(packet.properties).toMatchObject({
      payloadFormatIndicator: true,
      contentType: 'tx',
      responseTopic: 'r',
      correlationData: Buffer.from([0xff, 0xfe]),
    })
    const frame = subscriber.frames.find(bytes => bytes[0] === 0x34) ?? Buffer.alloc(0)
    expect(frame.includes(Buffer.from(users))).toBe(true)
  })

  test('the expiry interval counts down while a message waits, and ends it [MQTT-3.3.2-5] [MQTT-3.3.2-6]', async () => {
    const subscriber = await mqtt.client('expiry-s', { clean: false, properties: { sessionExpiryInterval: 600 } })
    await subscriber.subscribe('expiry', 1)
    await subscriber.leave()
    const publisher = await mqtt.client('expiry-p')
    await publisher.publish('expiry', 'short', { qos: 1, properties: { messageExpiryInterval: 1 } })
    await publisher.publish('expiry', 'long', { qos: 1, properties: { messageExpiryInterval: 300 } })
    clock.shift += 2000
    const again = await mqtt.client('expiry-s', { clean: false, properties: { sessionExpiryInterval: 600 } })
    const packet = await again.next('publish')
    expect(packet.payload.toString()).toBe('long')
    expect(packet.properties?.messageExpiryInterval).toBeLessThan(300)
    expect(packet.properties?.messageExpiryInterval).toBeGreaterThan(200)
    expect(await again.waiting()).toEqual([])
  })

  test('packets in one segment, and one packet in many, are the same', async () => {
    const client = await mqtt.client('segments')
    await client.subscribe('segments', 1)
    const packets = ['a', 'b', 'c'].map((payload, i) =>
      client.encode({
        cmd: 'publish',
        topic: 'segments',
        payload,
        qos: 1,
        messageId: i + 1,
        retain: false,
        dup: false,
      }),
    )
    const whole = Buffer.concat(packets)
    client.sendBytes(whole)
    expect(await client.messages(3)).toEqual(['a', 'b', 'c'])
    for (const byte of whole) {
      client.sendBytes([byte])
      await client.settleWriting()
    }
    expect(await client.messages(3)).toEqual(['a', 'b', 'c'])
  })

  test('what follows SUBSCRIBE in the same segment is read after it is answered', async () => {
    const client = await mqtt.client('same-segment')
    const publish = (payload: string) =>
      client.encode({ cmd: 'publish', topic: 'same-segment', payload, qos: 0, retain: false, dup: false })
    const subscribe = client.encode({
      cmd: 'subscribe',
      messageId: 1,
      subscriptions: [{ topic: 'same-segment', qos: 0 }],
    })
    client.sendBytes(Buffer.concat([publish('before'), subscribe, publish('after')]))
    expect(await client.message()).toBe('after')
    expect(client.packets.map(({ cmd }) => cmd)).toEqual(['suback'])
  })

  test('large and empty payloads and odd topics pass', async () => {
    const client = await mqtt.client('odd')
    const topics = ['/', '//odd', 'odd/ü/🌍', 'odd/ space', `odd${'/x'.repeat(200)}`.slice(0, 400)]
    for (const topic of topics) {
      await client.subscribe(topic, 1)
      const payload = Buffer.alloc(300_000, topic.length)
      await client.publish(topic, payload, { qos: 1 })
      const { topic: delivered, payload: got } = await client.next('publish')
      expect(delivered).toBe(topic)
      expect(payload.equals(Buffer.from(got))).toBe(true)
      await client.publish(topic, '', { qos: 1 })
      expect(await client.message()).toBe('')
    }
  })
})

describe('topic aliases from a client', () => {
  let mqtt: MqttBroker
  beforeAll(async () => {
    mqtt = await startMqtt({ limits: { topicAliasMaximum: 2 } })
  })
  afterAll(() => mqtt?.close())

  test('stand for the topic they were set with, and are not passed on', async () => {
    const client = await mqtt.client('alias')
    await client.subscribe('alias/#', 0)
    await client.publish('alias/one', 'a', { properties: { topicAlias: 2 } })
    await client.publish('', 'b', { properties: { topicAlias: 2 } })
    await client.publish('alias/two', 'c', { properties: { topicAlias: 2 } })
    await client.publish('', 'd', { properties: { topicAlias: 2 } })
    const topics: string[] = []
    for (let i = 0; i < 4; i++) {
      const packet = await client.next('publish')
      topics.push(packet.topic)
      expect(packet.properties?.topicAlias).toBeUndefined()
    }
    expect(topics).toEqual(['alias/one', 'alias/one', 'alias/two', 'alias/two'])
  })

  test.each([
    ['0 [MQTT-3.3.2-8]', 'a', 0, 0x94],
    ['above the maximum [MQTT-3.3.2-9]', 'a', 3, 0x94],
    ['that was never set', '', 1, 0x82],
  ])('an alias %s ends the connection', async (_, topic, topicAlias, reasonCode) => {
    const client = await mqtt.client('bad-alias')
    await client.publish(topic, 'x', { properties: { topicAlias } })
    expect((await client.next('disconnect')).reasonCode).toBe(reasonCode)
    await client.closed()
  })
})
