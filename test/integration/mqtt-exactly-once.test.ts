// QoS 2 where nothing has to be stored, because neither side's session outlives its connection: both halves of the exchange
// (MQTT 5, 4.3.3), and its neighbours that do take the way through the store.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type MqttBroker, startMqtt } from '../wire/mqtt-broker.ts'
import type { MqttWire, Version } from '../wire/mqtt-wire.ts'

const LASTING = { clean: false, properties: { sessionExpiryInterval: 600 } }
const WINDOW = 20
const NOT_FOUND = 0x92
const PROTOCOL_ERROR = 0x82

describe('QoS 2 in memory', () => {
  let mqtt: MqttBroker
  beforeAll(async () => {
    mqtt = await startMqtt({ limits: { receiveMaximum: WINDOW } })
  })
  afterAll(() => mqtt?.close())

  /** A publisher, and a subscriber that acknowledges nothing by itself. */
  async function pair(topic: string, options: Parameters<MqttWire['connect']>[0] = {}, version: Version = 5) {
    const publisher = await mqtt.client(`${topic}/from`)
    const subscriber = await mqtt.client(`${topic}/to`, options, version)
    await subscriber.subscribe(topic, 2)
    subscriber.acknowledges = false
    return { publisher, subscriber }
  }
  /** The subscriber's half, from PUBREC on. */
  async function finish(subscriber: MqttWire, messageId: number): Promise<void> {
    subscriber.send({ cmd: 'pubrec', messageId })
    await subscriber.next('pubrel', packet => packet.messageId === messageId)
    subscriber.send({ cmd: 'pubcomp', messageId })
  }
  const payloads = (packets: readonly { payload: string | Buffer }[]) =>
    packets.map(({ payload }) => payload.toString())

  test.each([
    [4, 4],
    [4, 5],
    [5, 4],
    [5, 5],
    [3, 5],
  ] as const)('both halves, from version %i to version %i', async (from, to) => {
    const topic = `halves/${from}/${to}`
    const subscriber = await mqtt.client(topic, {}, to)
    await subscriber.subscribe(topic, 2)
    subscriber.acknowledges = false
    const publisher = await mqtt.client(`${topic}/from`, {}, from)
    publisher.sendPublish(topic, 'once', { qos: 2, messageId: 4711 })
    await publisher.next('pubrec', ({ messageId }) => messageId === 4711)
    const { qos, dup, retain, payload, messageId = 0 } = await subscriber.next('publish')
    expect([qos, dup, retain, payload.toString()]).toEqual([2, false, false, 'once'])
    await finish(subscriber, messageId)
    publisher.send({ cmd: 'pubrel', messageId: 4711 })
    await publisher.next('pubcomp', packet => packet.messageId === 4711)
    expect(await subscriber.waiting()).toEqual([])
  })

  test('each subscriber has it at the QoS granted, with an identifier of its own', async () => {
    const publisher = await mqtt.client('granted')
    const subscribers = await Promise.all(
      ([0, 1, 2] as const).map(async qos => {
        const subscriber = await mqtt.client(`granted/${qos}`)
        await subscriber.subscribe('granted', qos)
        return subscriber
      }),
    )
    for (const messageId of [500, 501]) await publisher.publish('granted', 'x', { qos: 2, messageId })
    for (const [qos, subscriber] of subscribers.entries())
      for (const messageId of [1, 2])
        expect(await subscriber.next('publish')).toMatchObject({ qos, ...(qos > 0 && { messageId }), dup: false })
  })

  test.each([true, false])('a repetition before PUBREL is no second message, DUP %s [MQTT-4.3.3-10]', async dup => {
    const { publisher, subscriber } = await pair(`repeated/${dup}`)
    for (const payload of ['first', 'again']) {
      publisher.sendPublish(`repeated/${dup}`, payload, { qos: 2, messageId: 9, dup: dup && payload === 'again' })
      expect((await publisher.next('pubrec')).messageId).toBe(9)
    }
    publisher.send({ cmd: 'pubrel', messageId: 9 })
    expect((await publisher.next('pubcomp')).reasonCode ?? 0).toBe(0)
    await publisher.publish(`repeated/${dup}`, 'new', { qos: 2, messageId: 9 }) // [MQTT-4.3.3-12]
    expect(payloads(await subscriber.waiting())).toEqual(['first', 'new'])
  })

  test('PUBREL again, or for nothing, is answered as well', async () => {
    const { publisher } = await pair('released')
    await publisher.publish('released', 'x', { qos: 2, messageId: 3 })
    publisher.send({ cmd: 'pubrel', messageId: 3 })
    expect((await publisher.next('pubcomp')).messageId).toBe(3)
    publisher.sendBytes([0x62, 2, 0, 0])
    expect((await publisher.next('disconnect')).reasonCode).toBe(0x81)
  })

  test('PUBREC again gets PUBREL again; PUBREC for nothing is told so [MQTT-4.3.3-7]', async () => {
    const { publisher, subscriber } = await pair('received')
    await publisher.publish('received', 'x', { qos: 2 })
    const { messageId = 0 } = await subscriber.next('publish')
    for (let i = 0; i < 2; i++) {
      subscriber.send({ cmd: 'pubrec', messageId })
      expect((await subscriber.next('pubrel')).reasonCode ?? 0).toBe(0)
    }
    subscriber.send({ cmd: 'pubcomp', messageId })
    subscriber.send({ cmd: 'pubcomp', messageId }) // nobody waits for it
    subscriber.send({ cmd: 'pubrec', messageId })
    expect((await subscriber.next('pubrel')).reasonCode).toBe(NOT_FOUND)
  })

  test.each([
    ['PUBACK for a QoS 2 message', 2, ['puback']],
    ['PUBACK after PUBREC', 2, ['pubrec', 'puback']],
    ['PUBCOMP before PUBREL', 2, ['pubcomp']],
    ['PUBREC for a QoS 1 message', 1, ['pubrec']],
    ['PUBCOMP for a QoS 1 message', 1, ['pubcomp']],
  ] as const)('%s ends the connection', async (what, qos, answers) => {
    const { publisher, subscriber } = await pair(what)
    await publisher.publish(what, 'x', { qos })
    const { messageId = 0 } = await subscriber.next('publish')
    for (const cmd of answers) subscriber.send({ cmd, messageId })
    expect((await subscriber.next('disconnect')).reasonCode).toBe(PROTOCOL_ERROR)
  })

  test('a PUBREC that refuses ends the exchange and opens the window (MQTT 5, 4.3.3)', async () => {
    const { publisher, subscriber } = await pair('refused', { properties: { receiveMaximum: 1 } })
    for (const payload of ['a', 'b']) await publisher.publish('refused', payload, { qos: 2 })
    const { messageId = 0 } = await subscriber.next('publish')
    expect(await subscriber.waiting()).toEqual([])
    subscriber.send({ cmd: 'pubrec', messageId, reasonCode: 0x80 })
    expect((await subscriber.next('publish')).payload.toString()).toBe('b')
    expect(subscriber.packets).toEqual([])
  })

  test('what the window has no room for follows in order, and PUBCOMP is what opens it [MQTT-3.3.4-9]', async () => {
    const { publisher, subscriber } = await pair('window', { properties: { receiveMaximum: 2 } })
    for (let i = 0; i < 6; i++) await publisher.publish('window', `${i}`, { qos: 2 })
    const identifiers = new Set<number>()
    for (let i = 0; i < 6; i++) {
      const waiting = await subscriber.waiting()
      expect(payloads(waiting)).toEqual([`${i}`, `${i + 1}`].slice(0, 6 - i))
      const { messageId = 0 } = await subscriber.next('publish')
      identifiers.add(messageId)
      subscriber.send({ cmd: 'pubrec', messageId })
      await subscriber.next('pubrel')
      expect(await subscriber.waiting()).toHaveLength(Math.min(1, 5 - i))
      subscriber.send({ cmd: 'pubcomp', messageId })
    }
    expect(identifiers.size).toBe(6)
  })

  test('the publisher has its window too, and PUBREL opens it [MQTT-3.3.4-7]', async () => {
    const publisher = await mqtt.client('own window')
    const identifiers = Array.from({ length: WINDOW }, (_, i) => i + 1)
    for (let round = 0; round < 2; round++) {
      for (const messageId of identifiers) publisher.sendPublish('nobody', 'x', { qos: 2, messageId })
      for (const messageId of identifiers) expect((await publisher.next('pubrec')).messageId).toBe(messageId)
      for (const messageId of identifiers) publisher.send({ cmd: 'pubrel', messageId })
      for (const messageId of identifiers) expect((await publisher.next('pubcomp')).messageId).toBe(messageId)
    }
    for (const messageId of [...identifiers, WINDOW + 1]) publisher.sendPublish('nobody', 'x', { qos: 2, messageId })
    expect((await publisher.next('disconnect')).reasonCode).toBe(0x93)
  })

  test('nothing of it outlives the connection where the session does not', async () => {
    const { publisher, subscriber } = await pair('ended')
    publisher.sendPublish('ended', 'one', { qos: 2, messageId: 1 })
    await publisher.next('pubrec')
    await subscriber.next('publish')
    subscriber.destroy()
    publisher.destroy()
    const back = await mqtt.client('ended/to', { clean: false })
    await back.subscribe('ended', 2)
    const again = await mqtt.client('ended/from', { clean: false })
    await again.publish('ended', 'two', { qos: 2, messageId: 1 }) // the identifier is free
    expect(await back.message()).toBe('two')
    expect(await back.waiting()).toEqual([])
  })

  test("a publisher's session that lasts remembers the identifier over a reconnect", async () => {
    const { subscriber } = await pair('lasting')
    const publisher = await mqtt.client('lasting publisher', LASTING)
    publisher.sendPublish('lasting', 'once', { qos: 2, messageId: 21 })
    await publisher.next('pubrec')
    publisher.destroy()
    const back = await mqtt.client('lasting publisher', LASTING)
    back.sendPublish('lasting', 'once', { qos: 2, messageId: 21, dup: true })
    await back.next('pubrec')
    back.send({ cmd: 'pubrel', messageId: 21 })
    expect((await back.next('pubcomp')).reasonCode ?? 0).toBe(0)
    expect(payloads(await subscriber.waiting())).toEqual(['once'])
  })

  test('beside a subscriber whose session lasts, everybody has it once', async () => {
    const { publisher, subscriber } = await pair('beside')
    const lasting = await mqtt.client('beside/lasting', LASTING)
    await lasting.subscribe('beside', 2)
    lasting.acknowledges = false
    await publisher.publish('beside', 'x', { qos: 2 })
    for (const one of [subscriber, lasting]) expect(payloads(await one.waiting())).toEqual(['x'])
    const { messageId } = await lasting.next('publish')
    lasting.destroy()
    const back = await mqtt.client('beside/lasting', LASTING)
    expect(await back.next('publish')).toMatchObject({ messageId, dup: true, qos: 2 })
  })

  test.each([
    ['PUBREC', 'pubrec'],
    ['PUBCOMP', 'pubcomp'],
  ] as const)('a subscriber that goes away before %s harms nobody', async (what, cmd) => {
    const { publisher, subscriber } = await pair(what)
    const other = await mqtt.client(`${what}/other`)
    await other.subscribe(what, 2)
    await publisher.publish(what, 'x', { qos: 2 })
    const { messageId = 0 } = await subscriber.next('publish')
    if (cmd === 'pubcomp') {
      subscriber.send({ cmd: 'pubrec', messageId })
      await subscriber.next('pubrel')
    }
    subscriber.destroy()
    await publisher.publish(what, 'y', { qos: 2 })
    expect(await other.messages(2)).toEqual(['x', 'y'])
  })

  test('in one write with messages that go through the engine, each QoS keeps its order [MQTT-4.6.0-5]', async () => {
    const { publisher, subscriber } = await pair('mixed')
    const lasting = await mqtt.client('mixed/lasting', LASTING)
    await lasting.subscribe('mixed/stored', 2)
    subscriber.acknowledges = true
    await subscriber.subscribe('mixed/+', 2)
    const how: { topic?: string; dup?: boolean; retain?: boolean; properties?: { contentType: string } }[] = [
      {},
      { properties: { contentType: 'text/plain' } },
      {},
      { retain: true },
      {},
      { topic: 'mixed/stored' },
      {},
      { dup: true },
      {},
    ]
    const frames = how.flatMap((special, i) => {
      const packet = { cmd: 'publish', topic: 'mixed/plain', dup: false, retain: false, ...special } as const
      const payload = `${i}`
      return ([1, 2] as const).map(qos => publisher.encode({ ...packet, payload, qos, messageId: 2 * i + qos }))
    })
    publisher.sendBytes(Buffer.concat(frames))
    for (const i of how.keys()) {
      expect((await publisher.next('puback')).messageId).toBe(2 * i + 1) // [MQTT-4.6.0-2]
      expect((await publisher.next('pubrec')).messageId).toBe(2 * i + 2) // [MQTT-4.6.0-3]
    }
    for (const i of how.keys()) publisher.send({ cmd: 'pubrel', messageId: 2 * i + 2 })
    for (const _ of how) await publisher.next('pubcomp')
    const came = await subscriber.waiting()
    const plain = how.flatMap(({ topic }, i) => (topic === undefined ? [`${i}`] : []))
    for (const qos of [1, 2])
      expect(payloads(came.filter(packet => packet.qos === qos && packet.topic === 'mixed/plain'))).toEqual(plain)
    expect(payloads(came.filter(({ topic }) => topic === 'mixed/stored'))).toEqual(['5', '5'])
  })
})
