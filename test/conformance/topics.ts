// Topic names, topic filters and shared subscriptions (3.1.1 and 5: 4.7; 5: 4.8).
import { expect } from 'vitest'
import { packet, type Row, type Scene, text } from './scene.ts'

const publish = (scene: Scene, topic: readonly number[]) => packet(0x30, ...topic, ...scene.properties(), 120)
const subscribe = (scene: Scene, filter: string | readonly number[]) =>
  packet(0x82, 0, 1, ...scene.properties(), ...(typeof filter === 'string' ? text(filter) : filter), 0)
const unsubscribe = (scene: Scene, filter: string) => packet(0xa2, 0, 1, ...scene.properties(), ...text(filter))

async function refusesFilters(scene: Scene, reasonCode: number, ...filters: string[]): Promise<void> {
  for (const filter of filters) {
    await scene.refuses(reasonCode, subscribe(scene, filter))
    await scene.refuses(reasonCode, unsubscribe(scene, filter))
  }
}

/** Two members of a group; both are there, and one gets the message. */
async function group(scene: Scene, qos: 0 | 1 | 2 = 2) {
  const members = [
    await scene.client(scene.lasting(`${scene.word}1`)),
    await scene.client(scene.lasting(`${scene.word}2`)),
  ]
  for (const member of members) {
    member.acknowledges = false
    await member.subscribe(`$share/${scene.word}/${scene.word}/#`, qos)
  }
  return members
}

/** Sends one message; who of the members got it, and who did not. */
async function chosen(scene: Scene) {
  const members = await group(scene)
  await (await scene.client()).publish(`${scene.word}/a`, 'x', { qos: 2 })
  const counts: number[] = []
  for (const member of members) counts.push((await member.waiting()).length)
  expect([...counts].sort()).toEqual([0, 1])
  const at = counts.indexOf(1)
  const [got, other] = [members[at], members[1 - at]]
  if (got === undefined || other === undefined) throw new Error('there are two members')
  return { got, other, clientId: `${scene.word}${at + 1}` }
}

export const TOPICS: readonly Row[] = [
  {
    v311: '4.7.1-1',
    v5: '4.7.0-1',
    says: 'wildcards are for filters alone',
    async check(scene) {
      for (const topic of ['a/#', '+', 'a+b']) await scene.refuses(0x90, publish(scene, text(topic)))
    },
  },
  {
    v311: '4.7.1-2',
    v5: '4.7.1-1',
    says: '# stands alone in the last level',
    async check(scene) {
      await refusesFilters(scene, 0x81, 'a#', 'a/b#', '#/a', 'a/#/b', '##')
      const client = await scene.subscriber(1)
      for (const topic of ['', '/', '/a', '/a/b']) await client.publish(`${scene.word}${topic}`, topic)
      expect(await client.messages(4)).toEqual(['', '/', '/a', '/a/b'])
    },
  },
  {
    v311: '4.7.1-3',
    v5: '4.7.1-2',
    says: '+ stands alone in its level',
    async check(scene) {
      await refusesFilters(scene, 0x81, 'a+', '+a', 'a/b+/c', '++')
      const client = await scene.client()
      await client.subscribe(`+/${scene.word}/+`, 0)
      for (const topic of ['a/*/b', '/*/', 'a/*', '*/b', 'a/*/b/c'])
        await client.publish(topic.replace('*', scene.word), topic)
      expect((await client.waiting()).map(({ payload }) => payload.toString())).toEqual(['a/*/b', '/*/'])
    },
  },
  {
    v311: '4.7.2-1',
    v5: '4.7.2-1',
    says: 'a wildcard at the start does not match a topic with $',
    async check(scene) {
      const client = await scene.client({ clientId: '', ...scene.devices[0] })
      for (const filter of ['#', '+/broker/uptime']) await client.subscribe(filter, 0)
      const exact = await scene.client({ clientId: '', ...scene.devices[1] })
      await exact.subscribe('$SYS/broker/uptime', 0)
      await exact.messages(2)
      await client.publish(`${scene.word}/seen`, 'seen', { qos: 1 })
      const topics = (await client.waiting()).map(({ topic }) => topic)
      expect(topics).toContain(`${scene.word}/seen`)
      expect(topics.filter(topic => topic.startsWith('$'))).toEqual([])
    },
  },
  {
    v311: '4.7.3-1',
    v5: '4.7.3-1',
    says: 'topic names and filters are not empty',
    async check(scene) {
      await scene.refuses(0x90, publish(scene, text('')))
      await refusesFilters(scene, 0x81, '')
    },
  },
  {
    v311: '4.7.3-2',
    v5: '4.7.3-2',
    says: 'topic names and filters have no U+0000',
    async check(scene) {
      await scene.refuses(0x81, publish(scene, text('a\0b')))
      await refusesFilters(scene, 0x81, 'a\0b')
    },
  },
  {
    v311: '4.7.3-3',
    v5: '4.7.3-3',
    says: 'topic names and filters of up to 65 535 bytes are taken',
    async check(scene) {
      const client = await scene.client()
      const topic = scene.word.padEnd(65_535, 'x')
      expect(await client.subscribe(topic, 1)).toBe(1)
      await client.publish(topic, 'x', { qos: 1 })
      expect((await client.next('publish')).topic).toBe(topic)
    },
  },
  {
    v311: '4.7.3-4',
    v5: '4.7.3-4',
    says: 'topics are compared as they are written',
    async check(scene) {
      const client = await scene.client()
      await client.subscribe(`${scene.word}/\u00e9/A b`, 0)
      const others = ['/e\u0301/A b', '/\u00e9/a b', '/\u00e9/A  b', '//\u00e9/A b', '/\u00e9/A b/', '/\u00e9/A%20b']
      for (const other of others) await client.publish(`${scene.word}${other}`, 'other')
      await client.publish(`${scene.word}/\u00e9/A b`, 'same')
      expect((await client.waiting()).map(({ payload }) => payload.toString())).toEqual(['same'])
    },
  },
]

export const SHARED_SUBSCRIPTIONS: readonly Row[] = [
  {
    v5: '4.8.2-1',
    says: 'a shared subscription begins with $share/ and a name',
    check: scene => refusesFilters(scene, 0x8f, '$share//a', '$share/', '$share'),
  },
  {
    v5: '4.8.2-2',
    says: 'the name has no wildcard and a filter behind it',
    check: scene => refusesFilters(scene, 0x8f, '$share/g+/a', '$share/#/a', '$share/group', '$share/group/'),
  },
  {
    v5: '4.8.2-3',
    says: 'the granted QoS holds for shared subscriptions',
    async check(scene) {
      const client = await scene.client()
      for (const granted of [0, 1] as const) {
        await client.subscribe(`$share/${scene.word}/${scene.word}/#`, granted)
        await client.publish(`${scene.word}/a`, 'x', { qos: 2 })
        expect((await client.next('publish')).qos).toBe(granted)
      }
    },
  },
  {
    v5: '4.8.2-4',
    says: 'a member whose delivery broke off gets the message when it is back',
    async check(scene) {
      const { got, clientId } = await chosen(scene)
      const { messageId } = await got.next('publish')
      await scene.lose(got)
      const back = await scene.client(scene.lasting(clientId))
      expect((await back.next('publish')).messageId).toBe(messageId)
    },
  },
  {
    v5: '4.8.2-5',
    says: 'a message whose delivery has begun goes to nobody else when that session ends',
    async check(scene) {
      const { got, other, clientId } = await chosen(scene)
      await scene.lose(got)
      await (await scene.client({ clientId, clean: true })).leave()
      expect(await other.waiting()).toEqual([])
    },
  },
  {
    v5: '4.8.2-6',
    says: 'a message that a member refuses goes to nobody else',
    async check(scene) {
      const { got, other } = await chosen(scene)
      const { messageId = 0 } = await got.next('publish')
      got.send({ cmd: 'pubrec', messageId, reasonCode: 0x83 })
      expect(await got.waiting()).toEqual([])
      expect(await other.waiting()).toEqual([])
    },
  },
]
