// The Maximum Packet Size of the client holds for every packet that the broker sends it (MQTT 5, 3.1.2.11.4).
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type MqttBroker, startMqtt } from '../wire/mqtt-broker.ts'

describe('maximum packet size of the client [MQTT-3.1.2-24]', () => {
  let mqtt: MqttBroker
  beforeAll(async () => {
    mqtt = await startMqtt()
  })
  afterAll(() => mqtt?.close())

  test('a CONNACK that is larger is refused in one that is not', async () => {
    const told = mqtt.wire()
    await told.connect({ clientId: 'told' })
    const size = told.frames[0]?.length ?? 0
    const exact = mqtt.wire()
    expect((await exact.connect({ clientId: 'exact', properties: { maximumPacketSize: size } })).reasonCode).toBe(0)
    const small = mqtt.wire()
    expect((await small.connect({ clientId: 'small', properties: { maximumPacketSize: size - 1 } })).reasonCode).toBe(
      0x95,
    )
    await small.closed()
    expect(small.frames.map(frame => frame.length)).toEqual([5])
  })

  test('a message that fits without a topic alias is sent without one', async () => {
    const topic = 'a/topic'
    const publisher = await mqtt.client('publisher')
    const sizes = [0, 2, 3].map(room => 1 + 1 + 2 + topic.length + 1 + 20 + room) // an alias takes three bytes
    const seen = []
    for (const maximumPacketSize of sizes) {
      const client = await mqtt.client('aliases', { properties: { maximumPacketSize, topicAliasMaximum: 1 } })
      await client.subscribe(topic)
      await publisher.publish(topic, 'x'.repeat(20), { qos: 1 })
      const { topic: name, properties } = await client.next('publish')
      seen.push([name, properties?.topicAlias])
      client.destroy()
    }
    expect(seen).toEqual([
      [topic, undefined],
      [topic, undefined],
      [topic, 1],
    ])
  })

  test('not even a refusal fits: closed without a word', async () => {
    const tiny = mqtt.wire()
    tiny.sendConnect({ clientId: 'tiny', properties: { maximumPacketSize: 4 } })
    await tiny.closed()
    expect(tiny.frames).toEqual([])
  })

  test.each(['subscribe', 'unsubscribe'] as const)(
    'an answer to %s that would be larger ends the connection',
    async cmd => {
      const client = await mqtt.client('many', { properties: { maximumPacketSize: 50 } })
      const names = (count: number) => Array.from({ length: count }, (_, i) => `a/${i}`)
      const ask = (messageId: number, count: number) =>
        cmd === 'subscribe'
          ? client.send({ cmd, messageId, subscriptions: names(count).map(topic => ({ topic, qos: 1 })) })
          : client.send({ cmd, messageId, unsubscriptions: names(count) })
      ask(1, 45)
      const { granted } = await client.next(cmd === 'subscribe' ? 'suback' : 'unsuback')
      expect(granted).toHaveLength(45)
      expect(client.frames.at(-1)).toHaveLength(50)
      ask(2, 46)
      expect((await client.next('disconnect')).reasonCode).toBe(0x95)
      await client.closed()
    },
  )
})
