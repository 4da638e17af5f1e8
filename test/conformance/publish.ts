// PUBLISH (3.1.1 and 5: 3.3 without the properties).
import { expect } from 'vitest'
import type { MqttWire } from '../wire/mqtt-wire.ts'
import { ILL_FORMED, packet, type Row, type Scene, text } from './scene.ts'

/** A message that a lasting session got and did not acknowledge, as it comes again. */
async function repeated(scene: Scene, qos: 1 | 2) {
  const first = await scene.subscriber(2, scene.lasting())
  first.acknowledges = false
  const publisher = await scene.client()
  await publisher.publish(`${scene.word}/a`, 'x', { qos })
  const before = await first.next('publish')
  await scene.lose(first)
  const after = await (await scene.client(scene.lasting())).next('publish')
  return { before, after }
}

/** What a new subscription finds. */
async function retained(scene: Scene, topic = `${scene.word}/a`) {
  const reader = await scene.client()
  await reader.subscribe(topic, 2)
  const packets = await reader.waiting()
  await reader.leave()
  return packets.map(({ payload, qos, retain }) => [payload.toString(), qos, retain])
}

/** Subscribes to a retained message, again and again, with a Retain Handling; how many come each time. */
async function handled(scene: Scene, rh: number): Promise<number[]> {
  const client = await scene.client()
  await client.publish(`${scene.word}/a`, 'kept', { qos: 1, retain: true })
  const counts: number[] = []
  for (let i = 0; i < 2; i++) {
    await client.subscribe(`${scene.word}/a`, 0, { rh })
    counts.push((await client.waiting()).length)
    client.packets.length = 0
  }
  return counts
}

async function flags(scene: Scene, options: { rap?: boolean }): Promise<boolean[]> {
  const client = await scene.client()
  await client.subscribe(`${scene.word}/#`, 2, options)
  const seen: boolean[] = []
  for (const retain of [false, true]) {
    await client.publish(`${scene.word}/a`, 'x', { qos: 1, retain })
    seen.push((await client.next('publish')).retain)
  }
  return seen
}

async function publishes(client: MqttWire, scene: Scene, payload: string, qos: 0 | 1 | 2, retain: boolean) {
  await client.publish(`${scene.word}/a`, payload, { qos, retain })
  await client.settle()
}

async function emptyOne(scene: Scene): Promise<void> {
  const client = await scene.subscriber()
  await publishes(client, scene, 'x', 1, true)
  await publishes(client, scene, '', 1, true)
  expect(await client.messages(2)).toEqual(['x', ''])
  expect(await retained(scene)).toEqual([])
}

async function keepsNoEmptyOne(scene: Scene): Promise<void> {
  await publishes(await scene.client(), scene, '', 1, true)
  expect(await retained(scene)).toEqual([])
}

async function leavesRetained(scene: Scene): Promise<void> {
  const client = await scene.client()
  await publishes(client, scene, 'kept', 1, true)
  // Whatever comes with DUP goes its own way through the broker.
  for (const payload of ['other', ''])
    for (const qos of [0, 1, 2] as const)
      for (const dup of [false, qos > 0]) await client.publish(`${scene.word}/a`, payload, { qos, dup })
  await client.settle()
  expect(await retained(scene)).toEqual([['kept', 1, true]])
}

export const PUBLISH: readonly Row[] = [
  {
    v311: '3.3.1-1',
    v5: '3.3.1-1',
    says: 'a message that is sent again has DUP',
    async check(scene) {
      for (const qos of [1, 2] as const) expect((await repeated(scene, qos)).after.dup).toBe(true)
    },
  },
  {
    v311: '3.3.1-2',
    v5: '3.3.1-2',
    says: 'QoS 0 has no DUP: neither what comes nor what leaves',
    async check(scene) {
      await scene.refuses(0x81, packet(0x38, ...text('a'), ...scene.properties()))
      const client = await scene.subscriber()
      client.sendPublish(`${scene.word}/a`, 'x')
      expect((await client.next('publish')).dup).toBe(false)
    },
  },
  {
    v311: '3.3.1-3',
    v5: '3.3.1-3',
    says: 'the DUP of a publisher is not passed on',
    async check(scene) {
      const client = await scene.subscriber()
      for (const qos of [1, 2] as const) {
        client.sendPublish(`${scene.word}/a`, 'x', { qos, dup: true })
        expect((await client.next('publish')).dup).toBe(false)
      }
    },
  },
  {
    v311: '3.3.1-4',
    v5: '3.3.1-4',
    says: 'QoS 3 ends the connection',
    check: scene => scene.refuses(0x81, packet(0x36, ...text('a'), 0, 1, ...scene.properties())),
  },
  {
    v311: '3.3.1-5',
    v5: '3.3.1-5',
    says: 'the last retained message of a topic is kept, with its QoS',
    async check(scene) {
      const client = await scene.client()
      await publishes(client, scene, 'old', 2, true)
      await publishes(client, scene, 'new', 1, true)
      expect(await retained(scene)).toEqual([['new', 1, true]])
    },
  },
  {
    v311: '3.3.1-6',
    says: 'a new subscription gets the last retained message of each topic',
    async check(scene) {
      const client = await scene.client()
      for (const topic of ['a', 'b', 'a'])
        await client.publish(`${scene.word}/${topic}`, topic, { qos: 1, retain: true })
      expect((await retained(scene, `${scene.word}/#`)).sort()).toEqual([
        ['a', 1, true],
        ['b', 1, true],
      ])
    },
  },
  {
    v311: '3.3.1-7',
    says: 'a QoS 0 message with RETAIN replaces what was kept',
    async check(scene) {
      const client = await scene.client()
      await publishes(client, scene, 'old', 1, true)
      await publishes(client, scene, 'new', 0, true)
      expect(await retained(scene)).toEqual([['new', 0, true]])
    },
  },
  {
    v311: '3.3.1-8',
    says: 'what a new subscription finds has RETAIN',
    async check(scene) {
      await publishes(await scene.client(), scene, 'x', 2, true)
      expect(await retained(scene)).toEqual([['x', 2, true]])
    },
  },
  {
    v311: '3.3.1-9',
    says: 'what an existing subscription gets has no RETAIN',
    async check(scene) {
      expect(await flags(scene, {})).toEqual([false, false])
    },
  },
  {
    v311: '3.3.1-10',
    v5: '3.3.1-6',
    says: 'an empty message with RETAIN is delivered, and removes what was kept',
    check: emptyOne,
  },
  { v311: '3.3.1-11', v5: '3.3.1-7', says: 'an empty message is not kept', check: keepsNoEmptyOne },
  { v311: '3.3.1-12', v5: '3.3.1-8', says: 'without RETAIN nothing is kept or removed', check: leavesRetained },
  {
    v5: '3.3.1-9',
    says: 'Retain Handling 0: retained messages with every SUBSCRIBE',
    async check(scene) {
      expect(await handled(scene, 0)).toEqual([1, 1])
    },
  },
  {
    v5: '3.3.1-10',
    says: 'Retain Handling 1: retained messages when the subscription is new',
    async check(scene) {
      expect(await handled(scene, 1)).toEqual([1, 0])
    },
  },
  {
    v5: '3.3.1-11',
    says: 'Retain Handling 2: no retained messages',
    async check(scene) {
      expect(await handled(scene, 2)).toEqual([0, 0])
    },
  },
  {
    v5: '3.3.1-12',
    says: 'without Retain As Published, RETAIN is cleared',
    async check(scene) {
      expect(await flags(scene, { rap: false })).toEqual([false, false])
    },
  },
  {
    v5: '3.3.1-13',
    says: 'with Retain As Published, RETAIN stays as it was',
    async check(scene) {
      expect(await flags(scene, { rap: true })).toEqual([false, true])
    },
  },
  {
    v311: '3.3.2-1',
    v5: '3.3.2-1',
    says: 'the topic name comes first, and is UTF-8',
    async check(scene) {
      await scene.refuses(0x81, packet(0x30, 0, 2, ...ILL_FORMED, ...scene.properties()))
      await scene.refuses(0x81, packet(0x30))
    },
  },
  {
    v311: '3.3.2-2',
    v5: '3.3.2-2',
    says: 'a topic name has no wildcards',
    async check(scene) {
      for (const topic of ['#', 'a/+', 'a+'])
        await scene.refuses(0x90, packet(0x30, ...text(topic), ...scene.properties()))
    },
  },
  {
    v311: '3.3.2-3',
    v5: '3.3.2-3',
    says: 'what a subscriber gets matches its filter',
    async check(scene) {
      const client = await scene.client()
      await client.subscribe(`${scene.word}/+/b`, 0)
      for (const topic of ['a/b', 'a/c', 'a', 'a/b/c', '/b']) await client.publish(`${scene.word}/${topic}`, topic)
      expect((await client.waiting()).map(({ topic }) => topic)).toEqual([`${scene.word}/a/b`, `${scene.word}//b`])
    },
  },
  {
    v311: '3.3.4-1',
    v5: '3.3.4-1',
    says: 'QoS 0 is not answered, QoS 1 with PUBACK, QoS 2 with PUBREC',
    async check(scene) {
      const client = await scene.client()
      for (const qos of [0, 1, 2] as const) client.sendPublish(scene.word, 'x', { qos })
      await client.settle()
      expect(client.packets.map(({ cmd }) => cmd)).toEqual(['puback', 'pubrec'])
    },
  },
  {
    v311: '3.3.5-1',
    v5: '3.3.4-2',
    says: 'of overlapping subscriptions the highest QoS counts',
    async check(scene) {
      const client = await scene.subscriber(0)
      await client.subscribe(`${scene.word}/+`, 2)
      await client.subscribe(`${scene.word}/a`, 1)
      await client.publish(`${scene.word}/a`, 'x', { qos: 2 })
      expect((await client.next('publish')).qos).toBe(2)
    },
  },
  {
    v311: '3.3.5-2',
    says: 'a message that is not permitted is acknowledged, or ends the connection, and reaches nobody',
    async check(scene) {
      const client = await scene.client()
      client.sendPublish('$SYS/broker/version', 'x', { qos: 1 })
      await client.next('puback').catch(() => client.closed())
    },
  },
  {
    v5: '3.3.4-3',
    says: 'the message names the subscription identifiers of overlapping subscriptions',
    async check(scene) {
      const client = await scene.client()
      await client.subscribe(`${scene.word}/#`, 0, { identifier: 1 })
      await client.subscribe(`${scene.word}/a`, 0)
      await client.publish(`${scene.word}/a`, 'x')
      expect((await client.next('publish')).properties?.subscriptionIdentifier).toBe(1)
    },
  },
  {
    v5: '3.3.4-4',
    says: 'a single copy names all of them',
    async check(scene) {
      const client = await scene.client()
      await client.subscribe(`${scene.word}/#`, 0, { identifier: 200 })
      await client.subscribe(`${scene.word}/a`, 1, { identifier: 268_435_455 })
      await client.publish(`${scene.word}/a`, 'x', { qos: 1 })
      const { properties } = await client.next('publish')
      expect([properties?.subscriptionIdentifier].flat().sort()).toEqual([200, 268_435_455])
      expect(await client.waiting()).toEqual([])
    },
  },
  {
    v5: '3.3.4-6',
    says: 'a subscription identifier from a client ends the connection',
    check: scene => scene.refuses(0x82, packet(0x30, ...text('a'), 2, 0x0b, 1)),
  },
]
