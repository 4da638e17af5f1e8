// The properties of PUBLISH (5: 3.3.2.3).
import { expect } from 'vitest'
import { binary, ILL_FORMED, packet, type Row, type Scene, text } from './scene.ts'

/** Publishes with the bytes of a property, and expects the same bytes in what the subscriber gets, at each QoS. */
const unaltered = (...property: number[]) => ({
  async check(scene: Scene) {
    const subscriber = await scene.subscriber()
    const publisher = await scene.client()
    for (const qos of [0, 1, 2]) {
      const id = qos > 0 ? [0, 1] : []
      const topic = text(`${scene.word}/a`)
      publisher.sendBytes(packet(0x30 | (qos << 1), ...topic, ...id, ...scene.properties(...property), 120))
      expect((await subscriber.next('publish')).qos).toBe(qos)
      const frame = subscriber.frames.findLast(bytes => (bytes[0] ?? 0) >> 4 === 3)
      expect([...(frame ?? [])]).toEqual([
        ...packet(
          0x30 | (qos << 1),
          ...topic,
          ...(qos > 0 ? [...(frame ?? [])].slice(2 + topic.length, 4 + topic.length) : []),
          property.length,
          ...property,
          120,
        ),
      ])
      if (qos === 2) publisher.send({ cmd: 'pubrel', messageId: 1 })
      await publisher.settle()
    }
  },
})

const user = (name: string, value: string) => [0x26, ...text(name), ...text(value)]

const refusesProperty = (reasonCode: number, ...property: number[]) => ({
  check: (scene: Scene) => scene.refuses(reasonCode, packet(0x30, ...text('a'), property.length, ...property)),
})

/** What waits for a session that is away, two messages with an expiry; the clock goes on before it is back. */
async function afterWaiting(scene: Scene) {
  const away = await scene.subscriber(1, scene.lasting())
  await away.leave()
  const publisher = await scene.client()
  const publish = (payload: string, messageExpiryInterval: number) =>
    publisher.publish(`${scene.word}/a`, payload, { qos: 1, properties: { messageExpiryInterval } })
  await publish('short', 10)
  await publish('long', 300)
  scene.clock.shift += 50_000
  return (await scene.client(scene.lasting())).waiting()
}

export const MESSAGE_PROPERTIES: readonly Row[] = [
  { v5: '3.3.2-4', says: 'the payload format indicator is passed on', ...unaltered(0x01, 1) },
  {
    v5: '3.3.2-5',
    says: 'a message whose expiry interval is over is not delivered',
    async check(scene) {
      expect((await afterWaiting(scene)).map(({ payload }) => payload.toString())).toEqual(['long'])
    },
  },
  {
    v5: '3.3.2-6',
    says: 'the expiry interval is what is left of it',
    async check(scene) {
      const left = (await afterWaiting(scene))[0]?.properties?.messageExpiryInterval ?? 0
      expect(left).toBeLessThanOrEqual(250)
      expect(left).toBeGreaterThan(200)
    },
  },
  {
    v5: '3.3.2-7',
    says: 'a topic alias ends with its connection',
    async check(scene) {
      const first = await scene.client(scene.lasting())
      await first.publish(`${scene.word}/a`, 'x', { properties: { topicAlias: 1 } })
      await first.leave()
      const second = await scene.client(scene.lasting())
      await second.publish('', 'x', { properties: { topicAlias: 1 } })
      await scene.isCut(second, 0x82)
    },
  },
  { v5: '3.3.2-8', says: 'the topic alias 0 ends the connection', ...refusesProperty(0x94, 0x23, 0, 0) },
  {
    v5: '3.3.2-9',
    says: 'a topic alias above our maximum ends the connection',
    ...refusesProperty(0x94, 0x23, 0, 4),
  },
  {
    v5: '3.3.2-11',
    says: 'a topic alias is not above the client’s maximum',
    async check(scene) {
      const client = await scene.subscriber(0, { properties: { topicAliasMaximum: 2 } })
      for (let round = 0; round < 2; round++)
        for (let i = 0; i < 5; i++) await client.publish(`${scene.word}/${i}`, 'x')
      const aliases = (await client.waiting()).map(({ properties }) => properties?.topicAlias ?? 0)
      expect(Math.max(...aliases)).toBe(2)
    },
  },
  {
    v5: '3.3.2-12',
    says: 'every topic alias up to our maximum is taken',
    async check(scene) {
      const wire = scene.wire()
      const { properties } = await wire.connect({ clientId: scene.word })
      const most = properties?.topicAliasMaximum ?? 0
      expect(most).toBeGreaterThan(0)
      await wire.subscribe(`${scene.word}/#`)
      for (const [topic, payload] of [
        [`${scene.word}/`, 'named'],
        ['', 'aliased'],
      ] as const)
        for (let topicAlias = 1; topicAlias <= most; topicAlias++)
          await wire.publish(topic && `${topic}${topicAlias}`, payload, { properties: { topicAlias } })
      const topics = (await wire.waiting()).map(({ topic }) => topic)
      expect(topics).toHaveLength(2 * most)
      expect(topics.slice(most)).toEqual(topics.slice(0, most))
    },
  },
  { v5: '3.3.2-13', says: 'the response topic is UTF-8', ...refusesProperty(0x81, 0x08, 0, 2, ...ILL_FORMED) },
  { v5: '3.3.2-14', says: 'the response topic has no wildcards', ...refusesProperty(0x82, 0x08, ...text('a/#')) },
  { v5: '3.3.2-15', says: 'the response topic is passed on', ...unaltered(0x08, ...text('answer/here')) },
  { v5: '3.3.2-16', says: 'the correlation data is passed on', ...unaltered(0x09, ...binary([0, 0xff, 0xc3])) },
  { v5: '3.3.2-17', says: 'user properties are passed on', ...unaltered(...user('name', 'value'), ...user('', '')) },
  {
    v5: '3.3.2-18',
    says: 'user properties keep their order',
    ...unaltered(...user('b', '1'), ...user('a', '2'), ...user('b', '3'), ...user('__proto__', '4')),
  },
  { v5: '3.3.2-19', says: 'the content type is UTF-8', ...refusesProperty(0x81, 0x03, 0, 2, ...ILL_FORMED) },
  { v5: '3.3.2-20', says: 'the content type is passed on', ...unaltered(0x03, ...text('text/plain')) },
]
