// Receivers of one topic, some with a durable session and some without: those without have nothing kept for them, and
// everybody gets what it asked for, in one order (MQTT 5, 4.6).
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type MqttBroker, startMqtt } from '../wire/mqtt-broker.ts'
import type { MqttWire, Version } from '../wire/mqtt-wire.ts'

const LASTING = { clean: false, properties: { sessionExpiryInterval: 600 } }
const LARGE = 'x'.repeat(5000)

describe('beside a durable session', () => {
  let mqtt: MqttBroker
  let publisher: MqttWire
  beforeAll(async () => {
    mqtt = await startMqtt()
    publisher = await mqtt.client('publisher')
  })
  afterAll(() => mqtt?.close())

  /** A client that subscribes with QoS 2. */
  async function subscriber(
    name: string,
    topic: string,
    connect: Parameters<MqttWire['connect']>[0] = {},
    { version = 5, ...options }: Parameters<MqttWire['subscribe']>[2] & { version?: Version } = {},
  ): Promise<MqttWire> {
    const client = await mqtt.client(name, connect, version)
    await client.subscribe(topic, 2, options)
    return client
  }
  const taken = async (client: MqttWire, count: number) => {
    const packets = []
    while (packets.length < count) packets.push(await client.next('publish'))
    return packets
  }

  test.each([1, 2] as const)('QoS %i reaches everybody in the order sent, each in its own form', async qos => {
    const topic = `form/${qos}`
    const all = [
      await subscriber(`${topic}/durable`, topic, LASTING),
      await subscriber(`${topic}/3`, topic, {}, { version: 3 }),
      await subscriber(`${topic}/4`, topic, {}, { version: 4 }),
      await subscriber(`${topic}/5`, topic),
      await subscriber(`${topic}/identified`, topic, {}, { identifier: 7 }),
      await subscriber(`${topic}/bounded`, topic, { properties: { maximumPacketSize: 2000 } }),
      await subscriber(`${topic}/aliased`, topic, { properties: { topicAliasMaximum: 3 } }),
    ]
    const older = await mqtt.client(`${topic}/from`, {}, 4)
    const properties = { contentType: 'text/plain', messageExpiryInterval: 60 }
    for (const from of [publisher, older]) {
      for (let i = 0; i < 10; i++) from.sendPublish(topic, `${i}`, { qos })
      await from.publish(topic, LARGE, { qos })
      await from.publish(topic, 'last', { qos, ...(from === publisher && { properties }) })
    }
    const whole = [...Array.from({ length: 10 }, (_, i) => `${i}`), LARGE, 'last']
    for (const client of all) {
      const bounded = client === all[5]
      const expected = [...whole, ...whole].filter(payload => !bounded || payload !== LARGE)
      const packets = await taken(client, expected.length)
      expect(packets.map(({ payload }) => payload.toString())).toEqual(expected)
      expect(packets.every(packet => packet.qos === qos && !packet.dup && !packet.retain)).toBe(true)
      const identifiers = packets.map(({ messageId }) => messageId)
      expect(new Set(identifiers).size).toBe(expected.length)
      const last = packets[expected.length / 2 - 1]
      if (client.version === 5) expect(last?.properties).toMatchObject(properties)
      expect(last?.properties?.subscriptionIdentifier).toBe(client === all[4] ? 7 : undefined)
      expect(await client.waiting()).toEqual([])
    }
  })

  test('a window that is full holds back what comes, in order, and opens with each acknowledgement', async () => {
    await subscriber('window/durable', 'window', LASTING)
    const client = await subscriber('window/clean', 'window', { properties: { receiveMaximum: 2 } })
    client.acknowledges = false
    for (const qos of [1, 2, 1, 2, 1] as const) await publisher.publish('window', `${qos}`, { qos })
    const seen: string[] = []
    for (const left of [2, 2, 2, 2, 1]) {
      const [packet, ...others] = await client.waiting()
      expect(others).toHaveLength(left - 1)
      seen.push(packet?.payload.toString() ?? '')
      const { messageId = 0, qos } = await client.next('publish')
      if (qos === 1) client.send({ cmd: 'puback', messageId })
      else {
        client.send({ cmd: 'pubrec', messageId })
        await client.next('pubrel')
        client.send({ cmd: 'pubcomp', messageId })
      }
    }
    expect(seen).toEqual(['1', '2', '1', '2', '1'])
  })

  test('no Local, RETAIN as published and shared groups hold for whoever keeps nothing', async () => {
    await subscriber('special/durable', 'special', LASTING)
    const own = await subscriber('special/own', 'special', {}, { nl: true })
    const kept = await subscriber('special/kept', 'special', {}, { rap: true })
    const members = [await subscriber('m1', '$share/g/special'), await subscriber('m2', '$share/g/special')]
    await own.publish('special', 'from one of them', { qos: 1, retain: true })
    await publisher.publish('special', 'from another', { qos: 2 })
    expect((await own.waiting()).map(({ payload }) => payload.toString())).toEqual(['from another'])
    expect((await taken(kept, 2)).map(({ retain }) => retain)).toEqual([true, false])
    for (const member of members) expect(await member.waiting()).toHaveLength(1)
  })

  test('a reconnection gives the durable one what it did not acknowledge, the clean one nothing', async () => {
    const durable = await subscriber('again/durable', 'again', LASTING)
    const clean = await subscriber('again/clean', 'again')
    for (const client of [durable, clean]) client.acknowledges = false
    for (const qos of [1, 2] as const) publisher.sendPublish('again', `${qos}`, { qos })
    for (const client of [durable, clean]) {
      expect(await client.messages(2)).toEqual(['1', '2'])
      client.stream.destroy()
      await client.closed()
    }
    const back = await mqtt.client('again/durable', LASTING)
    expect((await taken(back, 2)).map(({ payload, dup }) => [payload.toString(), dup])).toEqual([
      ['1', true],
      ['2', true],
    ])
    const anew = await subscriber('again/clean', 'again')
    expect(await anew.waiting()).toEqual([])
    await publisher.publish('again', '3', { qos: 1 })
    expect(await anew.message()).toBe('3')
    expect(await back.message()).toBe('3')
  })
})
