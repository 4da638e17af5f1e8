// SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK (3.1.1 and 5: 3.8 to 3.11).
import { expect } from 'vitest'
import type { MqttWire } from '../wire/mqtt-wire.ts'
import { ILL_FORMED, packet, type Row, type Scene, text } from './scene.ts'

const SUBSCRIBE = 0x82
const UNSUBSCRIBE = 0xa2

const subscribe = (scene: Scene, ...payload: number[]) => packet(SUBSCRIBE, 0, 1, ...scene.properties(), ...payload)
const unsubscribe = (scene: Scene, ...payload: number[]) => packet(UNSUBSCRIBE, 0, 1, ...scene.properties(), ...payload)

/** What 0x82 and the like are, MQTT 3.1.1 does not tell; here it is any reason. */
async function ends(scene: Scene, bytes: readonly number[]): Promise<void> {
  const client = await scene.client()
  client.sendBytes(bytes)
  await client.closed()
  const last = client.packets.at(-1)
  if (scene.level === 5) expect(last?.cmd === 'disconnect' && (last.reasonCode ?? 0)).toBeGreaterThanOrEqual(0x80)
  else expect(last).toBeUndefined()
}

async function otherFlags(scene: Scene, type: number, ...payload: number[]): Promise<void> {
  const { properties } = scene
  for (const flags of [0, 1, 3, 6, 10])
    await ends(scene, packet(type | flags, 0, 1, ...properties.call(scene), ...payload))
}

/** One filter of each sort, and one that is refused: `$SYS` is nobody's here. */
const SORTS = ['a', '$SYS/a', 'b/+', 'c/#', '$SYS/#'] as const
const isRefused = (filter: string) => filter.startsWith('$SYS')

async function codesOf(scene: Scene): Promise<void> {
  const client = await scene.client()
  const subscriptions = SORTS.map((filter, i) => {
    const topic = isRefused(filter) ? filter : `${scene.word}/${filter}`
    return { topic, qos: (i % 3) as 0 | 1 | 2 }
  })
  const refused = scene.level === 5 ? 0x87 : 0x80
  const expected = SORTS.map((filter, i) => (isRefused(filter) ? refused : i % 3))
  expect(await client.subscribeAll(subscriptions)).toEqual(expected)
}

async function answersSubscribe(scene: Scene): Promise<void> {
  const client = await scene.client()
  for (const messageId of [1, 256, 65_535]) {
    client.send({ cmd: 'subscribe', messageId, subscriptions: [{ topic: `${scene.word}/a`, qos: 1 }] })
    expect((await client.next('suback')).messageId).toBe(messageId)
  }
}

/** The second SUBSCRIBE with a filter replaces the first. */
async function replaces(scene: Scene): Promise<void> {
  const client = await scene.subscriber(2)
  await client.subscribe(`${scene.word}/#`, 1)
  await client.publish(`${scene.word}/a`, 'x', { qos: 2 })
  expect((await client.next('publish')).qos).toBe(1)
  expect(await client.waiting()).toEqual([])
  await client.unsubscribe(`${scene.word}/#`)
  await client.publish(`${scene.word}/a`, 'x', { qos: 1 })
  expect(await client.waiting()).toEqual([])
}

/** Nothing is lost while it is replaced, and retained messages come again. */
async function replacesWithoutLoss(scene: Scene): Promise<void> {
  const publisher = await scene.client()
  await publisher.publish(`${scene.word}/kept`, 'kept', { qos: 1, retain: true })
  const client = await scene.subscriber(1)
  expect(await client.message()).toBe('kept')
  const sent: string[] = []
  for (let i = 0; i < 20; i++) {
    publisher.sendPublish(`${scene.word}/a`, `${i}`, { qos: 1 })
    sent.push(`${i}`)
    await client.subscribe(`${scene.word}/#`, 1)
  }
  await publisher.settle()
  for (let i = 0; i < 20; i++) await publisher.next('puback')
  const payloads = (await client.waiting()).map(({ payload }) => payload.toString())
  expect(payloads.filter(payload => payload !== 'kept')).toEqual(sent)
  expect(payloads.filter(payload => payload === 'kept')).toHaveLength(20)
}

async function manyAtOnce(scene: Scene): Promise<void> {
  const client = await scene.client()
  const subscriptions = ['a', 'b', 'a'].map((name, i) => ({ topic: `${scene.word}/${name}`, qos: i as 0 | 1 | 2 }))
  expect(await client.subscribeAll(subscriptions)).toEqual([0, 1, 2])
  expect(client.packets).toEqual([])
  for (const name of ['a', 'b']) await client.publish(`${scene.word}/${name}`, name, { qos: 2 })
  expect((await client.waiting()).map(({ qos }) => qos)).toEqual([2, 1])
}

async function lowerQos(scene: Scene): Promise<void> {
  for (const granted of [0, 1, 2] as const) {
    const client = await scene.client()
    expect(await client.subscribe(`${scene.word}/a`, granted)).toBe(granted)
    // A message like any other, and one that goes its own way through the broker.
    for (const retain of [false, true])
      for (const qos of [0, 1, 2] as const) {
        await client.publish(`${scene.word}/a`, 'x', { qos, retain })
        expect((await client.next('publish')).qos).toBe(Math.min(granted, qos))
      }
    await client.publish(`${scene.word}/a`, '', { retain: true })
    await client.leave()
  }
}

async function exactFilter(scene: Scene): Promise<void> {
  const client = await scene.subscriber(1)
  for (const filter of [scene.word, `${scene.word}/+`, `${scene.word}/a`, `${scene.word.toUpperCase()}/#`])
    await client.unsubscribe(filter)
  await client.publish(`${scene.word}/a`, 'x')
  expect(await client.message()).toBe('x')
  await client.unsubscribe(`${scene.word}/#`)
  await client.publish(`${scene.word}/a`, 'y')
  expect(await client.waiting()).toEqual([])
}

async function stops(scene: Scene): Promise<void> {
  const client = await scene.subscriber(2)
  await client.unsubscribe(`${scene.word}/#`)
  for (const qos of [0, 1, 2] as const) await client.publish(`${scene.word}/a`, 'x', { qos })
  expect(await client.waiting()).toEqual([])
}

/** What was begun before UNSUBSCRIBE is finished after it. */
async function finishes(scene: Scene): Promise<void> {
  const client = await scene.subscriber(2, scene.lasting())
  client.acknowledges = false
  for (const qos of [1, 2] as const) await client.publish(`${scene.word}/a`, `${qos}`, { qos })
  const [first, second] = [await client.next('publish'), await client.next('publish')]
  await client.unsubscribe(`${scene.word}/#`)
  await scene.lose(client)
  const back = await scene.client(scene.lasting())
  back.acknowledges = false
  expect([await back.message(), await back.message()]).toEqual(['1', '2'])
  back.send({ cmd: 'puback', messageId: first.messageId ?? 0 })
  back.send({ cmd: 'pubrec', messageId: second.messageId ?? 0 })
  expect((await back.next('pubrel')).messageId).toBe(second.messageId)
}

async function answersUnsubscribe(scene: Scene, ...filters: string[]): Promise<void> {
  const client: MqttWire = await scene.subscriber(1)
  client.send({ cmd: 'unsubscribe', messageId: 4321, unsubscriptions: filters })
  expect((await client.next('unsuback')).messageId).toBe(4321)
}

async function manyGone(scene: Scene): Promise<void> {
  const client = await scene.client()
  for (const name of ['a', 'b', 'c']) await client.subscribe(`${scene.word}/${name}`, 1)
  await client.unsubscribe(`${scene.word}/a`, `${scene.word}/never`, `${scene.word}/c`)
  expect(client.packets).toEqual([])
  for (const name of ['a', 'b', 'c']) await client.publish(`${scene.word}/${name}`, name, { qos: 1 })
  expect((await client.waiting()).map(({ payload }) => payload.toString())).toEqual(['b'])
  const again = await client.unsubscribe(`${scene.word}/b`, `${scene.word}/b`)
  if (scene.level === 5) expect(again).toEqual([0, 0x11])
}

export const SUBSCRIBING: readonly Row[] = [
  {
    v311: '3.8.1-1',
    v5: '3.8.1-1',
    says: 'a SUBSCRIBE with other flags ends the connection',
    check: scene => otherFlags(scene, 0x80, ...text('a'), 0),
  },
  {
    v311: '3.8.3-1',
    v5: '3.8.3-1',
    says: 'topic filters are UTF-8',
    check: scene => scene.refuses(0x81, subscribe(scene, 0, 2, ...ILL_FORMED, 0)),
  },
  {
    v311: '3.8.3-2',
    says: 'filters with wildcards are taken',
    async check(scene) {
      const client = await scene.subscriber(1)
      expect(await client.subscribe(`+/${scene.word}`, 1)).toBe(1)
    },
  },
  {
    v311: '3.8.3-3',
    v5: '3.8.3-2',
    says: 'there is at least one filter with its options',
    async check(scene) {
      await ends(scene, subscribe(scene))
      await ends(scene, subscribe(scene, ...text('a')))
    },
  },
  {
    v311: '3.8.3-4',
    says: 'reserved bits and QoS 3 end the connection',
    async check(scene) {
      for (const options of [3, 4, 8, 0x10, 0x40, 0x80, 0x81])
        await ends(scene, subscribe(scene, ...text('a'), options))
    },
  },
  {
    v5: '3.8.3-3',
    says: 'No Local: never one’s own messages',
    async check(scene) {
      const client = await scene.client()
      await client.subscribe(`${scene.word}/#`, 2, { nl: true })
      for (const qos of [0, 1, 2] as const) await client.publish(`${scene.word}/a`, 'own', { qos })
      await (await scene.client()).publish(`${scene.word}/a`, 'other', { qos: 1 })
      expect(await client.message()).toBe('other')
      expect(await client.waiting()).toEqual([])
    },
  },
  {
    v5: '3.8.3-4',
    says: 'No Local on a shared subscription ends the connection',
    check: scene => scene.refuses(0x82, subscribe(scene, ...text('$share/group/a'), 4)),
  },
  {
    v5: '3.8.3-5',
    says: 'reserved subscription options end the connection',
    async check(scene) {
      for (const options of [0x40, 0x80, 0xc1]) await scene.refuses(0x81, subscribe(scene, ...text('a'), options))
    },
  },
  { v311: '3.8.4-1', v5: '3.8.4-1', says: 'SUBSCRIBE is answered with SUBACK', check: answersSubscribe },
  { v311: '3.8.4-2', v5: '3.8.4-2', says: 'SUBACK has the identifier of SUBSCRIBE', check: answersSubscribe },
  {
    v311: '3.8.4-3',
    v5: '3.8.4-3',
    says: 'a subscription with the same filter replaces the one before',
    async check(scene) {
      await replaces(scene)
      if (scene.level === 4) await replacesWithoutLoss(scene)
    },
  },
  {
    v5: '3.8.4-4',
    says: 'nothing is lost when a subscription is replaced, and retained messages come again',
    check: replacesWithoutLoss,
  },
  {
    v311: '3.8.4-4',
    v5: '3.8.4-5',
    says: 'many filters in one packet are many subscriptions with one answer',
    check: manyAtOnce,
  },
  { v311: '3.8.4-5', v5: '3.8.4-6', says: 'SUBACK has a code for each filter', check: codesOf },
  { v5: '3.8.4-7', says: 'the code is the QoS that was granted, or a failure', check: codesOf },
  {
    v311: '3.8.4-6',
    v5: '3.8.4-8',
    says: 'messages come with the lower QoS of publisher and subscription',
    check: lowerQos,
  },
  { v311: '3.9.3-1', v5: '3.9.3-1', says: 'the codes of SUBACK have the order of the filters', check: codesOf },
  { v311: '3.9.3-2', v5: '3.9.3-2', says: 'the codes of SUBACK are those of its table', check: codesOf },
]

export const UNSUBSCRIBING: readonly Row[] = [
  {
    v311: '3.10.1-1',
    v5: '3.10.1-1',
    says: 'an UNSUBSCRIBE with other flags ends the connection',
    check: scene => otherFlags(scene, 0xa0, ...text('a')),
  },
  {
    v311: '3.10.3-1',
    v5: '3.10.3-1',
    says: 'topic filters are UTF-8',
    check: scene => scene.refuses(0x81, unsubscribe(scene, 0, 2, ...ILL_FORMED)),
  },
  {
    v311: '3.10.3-2',
    v5: '3.10.3-2',
    says: 'there is at least one filter',
    check: scene => ends(scene, unsubscribe(scene)),
  },
  { v311: '3.10.4-1', v5: '3.10.4-1', says: 'filters are compared as they are written', check: exactFilter },
  { v311: '3.10.4-2', v5: '3.10.4-2', says: 'no more messages are added', check: stops },
  { v311: '3.10.4-3', v5: '3.10.4-3', says: 'what was begun is finished', check: finishes },
  {
    v311: '3.10.4-4',
    v5: '3.10.4-4',
    says: 'UNSUBSCRIBE is answered with UNSUBACK',
    check: scene => answersUnsubscribe(scene, `${scene.word}/#`),
  },
  {
    v311: '3.10.4-5',
    v5: '3.10.4-5',
    says: 'UNSUBACK has its identifier, also when nothing was subscribed',
    check: scene => answersUnsubscribe(scene, 'never', 'ever'),
  },
  { v311: '3.10.4-6', v5: '3.10.4-6', says: 'many filters in one packet have one answer', check: manyGone },
  {
    v5: '3.11.3-1',
    says: 'the codes of UNSUBACK have the order of the filters',
    async check(scene) {
      const client = await scene.subscriber(1)
      expect(await client.unsubscribe('never', `${scene.word}/#`, 'ever')).toEqual([0x11, 0, 0x11])
    },
  },
  {
    v5: '3.11.3-2',
    says: 'the codes of UNSUBACK are those of its table',
    async check(scene) {
      const client = await scene.subscriber(1)
      expect(await client.unsubscribe(`${scene.word}/#`, '$SYS/#')).toEqual([0, 0x11])
    },
  },
]
