// A large payload is not copied for each receiver but follows the head of its PUBLISH: what arrives is the same, on every
// way through the broker.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type MqttBroker, startMqtt } from '../wire/mqtt-broker.ts'
import type { MqttWire, Version } from '../wire/mqtt-wire.ts'

let mqtt: MqttBroker
beforeAll(async () => {
  mqtt = await startMqtt()
})
afterAll(() => mqtt?.close())

const LASTING = { clean: false, properties: { sessionExpiryInterval: 600 } }
/** Around the size from which on a payload is shared, and beyond one read. */
const SIZES = [1023, 1024, 1025, 4096, 70_000]
const payloadOf = (size: number): Buffer => Buffer.from(Array.from({ length: size }, (_, i) => (i * 31 + size) & 255))

async function readers(topic: string, version: Version): Promise<MqttWire[]> {
  const plain = await mqtt.client(`${topic}/${version}/plain`, {}, version)
  const lasting = await mqtt.client(`${topic}/${version}/lasting`, version === 5 ? LASTING : { clean: false }, version)
  const all = [plain, lasting]
  for (const reader of all) await reader.subscribe(topic, 2)
  if (version === 5) {
    const aliased = await mqtt.client(`${topic}/aliased`, { properties: { topicAliasMaximum: 5 } })
    await aliased.subscribeAll([{ topic, qos: 2 }], 7)
    all.push(aliased)
  }
  return all
}

test.each([
  [4, 0],
  [4, 1],
  [4, 2],
  [5, 0],
  [5, 1],
  [5, 2],
] as const)('from version %i with QoS %i, one after the other and at once', async (from, qos) => {
  const topic = `large/${from}/${qos}`
  const all = [...(await readers(topic, 4)), ...(await readers(topic, 5))]
  const publisher = await mqtt.client(`${topic}/from`, {}, from)
  const sent = [...SIZES, ...SIZES].map(payloadOf)
  for (const payload of sent.slice(0, SIZES.length)) await publisher.publish(topic, payload, { qos })
  for (const payload of sent.slice(SIZES.length)) publisher.sendPublish(topic, payload, { qos })
  for (const reader of all)
    for (const payload of sent) {
      const got = await reader.next('publish')
      expect(got.qos).toBe(qos)
      expect(payload.equals(got.payload as Buffer)).toBe(true)
    }
})

test('the largest that a client takes is measured with its payload', async () => {
  const topic = 'large/limited'
  const whole = 2 + 2 + topic.length + 1 + 2000 + 1 // header, topic, properties, payload, and two bytes of length
  const takes = await mqtt.client('takes', { properties: { maximumPacketSize: whole } })
  const refuses = await mqtt.client('refuses', { properties: { maximumPacketSize: whole - 1 } })
  for (const reader of [takes, refuses]) await reader.subscribe(topic, 0)
  const publisher = await mqtt.client('large/limited/from')
  await publisher.publish(topic, payloadOf(2000), { qos: 1 })
  await publisher.publish(topic, 'small', { qos: 1 })
  expect((await takes.next('publish')).payload).toHaveLength(2000)
  expect((await refuses.next('publish')).payload.toString()).toBe('small')
})
