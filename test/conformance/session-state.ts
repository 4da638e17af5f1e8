// Session state, redelivery and order (3.1.1 and 5: 3.1.2.4, 3.1.2.11.2, 4.1, 4.4 to 4.6).
import { expect } from 'vitest'
import { packet, type Row, type Scene } from './scene.ts'

/** A lasting session with a subscription, whose client has left. */
async function away(scene: Scene): Promise<void> {
  const client = await scene.subscriber(2, scene.lasting())
  await client.leave()
}

async function publishAll(scene: Scene, ...payloads: string[]): Promise<void> {
  const publisher = await scene.client()
  for (const [i, payload] of payloads.entries())
    await publisher.publish(`${scene.word}/a`, payload, { qos: i % 2 ? 2 : 1 })
}

async function isResumed(scene: Scene): Promise<void> {
  await away(scene)
  await publishAll(scene, 'a', 'b')
  const back = scene.wire()
  expect((await back.connect(scene.lasting())).sessionPresent).toBe(true)
  expect(await back.messages(2)).toEqual(['a', 'b'])
  await publishAll(scene, 'c')
  expect(await back.message()).toBe('c')
}

async function isDiscarded(scene: Scene): Promise<void> {
  await away(scene)
  await publishAll(scene, 'a')
  const back = scene.wire()
  expect((await back.connect({ ...scene.lasting(), clean: true })).sessionPresent).toBe(false)
  await publishAll(scene, 'b')
  expect(await back.waiting()).toEqual([])
}

async function isCreated(scene: Scene): Promise<void> {
  const wire = scene.wire()
  expect((await wire.connect(scene.lasting())).sessionPresent).toBe(false)
  await wire.subscribe(`${scene.word}/#`, 1)
  await wire.leave()
  expect((await scene.wire().connect(scene.lasting())).sessionPresent).toBe(true)
}

/** Whatever was sent and not acknowledged comes again, in order, with its identifiers. */
async function comesAgain(scene: Scene): Promise<void> {
  const first = await scene.subscriber(2, scene.lasting())
  first.acknowledges = false
  await publishAll(scene, 'a', 'b', 'c', 'd')
  const before = []
  for (let i = 0; i < 4; i++) before.push(await first.next('publish'))
  first.send({ cmd: 'pubrec', messageId: before[1]?.messageId ?? 0 })
  await first.next('pubrel')
  await scene.lose(first)
  const second = scene.wire()
  second.acknowledges = false
  await second.connect(scene.lasting())
  await second.settle()
  const expected = before.map(({ messageId }, i) => [i === 1 ? 'pubrel' : 'publish', messageId])
  const after = second.packets.map(({ cmd, messageId }) => [cmd, messageId])
  expect(after.filter(([cmd]) => cmd === 'publish')).toEqual(expected.filter(([cmd]) => cmd === 'publish'))
  expect(after.filter(([cmd]) => cmd === 'pubrel')).toEqual(expected.filter(([cmd]) => cmd === 'pubrel'))
}

/** Nothing is sent again while the connection stands. */
async function onlyThen(scene: Scene): Promise<void> {
  const client = await scene.subscriber(2)
  client.acknowledges = false
  await publishAll(scene, 'a', 'b')
  await client.messages(2)
  scene.clock.shift += 60_000
  await publishAll(scene, 'c')
  expect(await client.message()).toBe('c')
  expect(await client.waiting()).toEqual([])
}

async function isAdded(scene: Scene): Promise<void> {
  await away(scene)
  await publishAll(scene, 'a', 'b', 'c')
  expect(await (await scene.client(scene.lasting())).messages(3)).toEqual(['a', 'b', 'c'])
}

/** Of each QoS, as one client sent them: to whoever is there, and to whoever comes back. */
async function keepsOrder(scene: Scene): Promise<void> {
  await away(scene)
  const reader = await scene.subscriber(2)
  const publisher = await scene.client()
  const expected = Array.from({ length: 60 }, (_, i) => `${i}`)
  for (const payload of expected) {
    const qos = (Number(payload) % 3) as 0 | 1 | 2
    publisher.sendPublish(`${scene.word}/a`, payload, { qos })
    if (qos === 2) {
      const { messageId = 0 } = await publisher.next('pubrec')
      publisher.send({ cmd: 'pubrel', messageId })
    }
  }
  const back = await scene.client(scene.lasting())
  for (const [client, some] of [
    [reader, [0, 1, 2]],
    [back, [1, 2]],
  ] as const)
    for (const qos of some) {
      const wanted = expected.filter(payload => Number(payload) % 3 === qos)
      const got: string[] = []
      while (got.length < wanted.length)
        got.push((await client.next('publish', message => message.qos === qos)).payload.toString())
      expect(got).toEqual(wanted)
    }
}

/** Acknowledgements in the order of what they acknowledge. */
async function acknowledgesInOrder(scene: Scene, qos: 1 | 2): Promise<void> {
  await away(scene)
  const publisher = await scene.client()
  const sent: number[] = []
  for (let i = 0; i < 5; i++) sent.push(publisher.sendPublish(i % 2 ? `${scene.word}/stored` : 'nobody', 'x', { qos }))
  const got: (number | undefined)[] = []
  for (const _ of sent) got.push((await publisher.next(qos === 1 ? 'puback' : 'pubrec')).messageId)
  expect(got).toEqual(sent)
}

async function releasesInOrder(scene: Scene): Promise<void> {
  const client = await scene.subscriber(2)
  client.acknowledges = false
  const publisher = await scene.client()
  for (let i = 0; i < 5; i++) await publisher.publish(`${scene.word}/a`, `${i}`, { qos: 2 })
  const ids: number[] = []
  for (let i = 0; i < 5; i++) ids.push((await client.next('publish')).messageId ?? 0)
  client.sendBytes(ids.flatMap(id => packet(0x50, id >> 8, id & 255)))
  const released: (number | undefined)[] = []
  for (const _ of ids) released.push((await client.next('pubrel')).messageId)
  expect(released).toEqual(ids)
}

/** The session is there, whatever its interval, as long as its connection; others may end. */
async function lastsWithConnection(scene: Scene): Promise<void> {
  const client = await scene.subscriber(1)
  scene.clock.shift += 100_000
  await (await scene.client()).leave()
  await publishAll(scene, 'x')
  expect(await client.message()).toBe('x')
}

export const SESSION_STATE: readonly Row[] = [
  {
    v311: '3.1.2-4',
    says: 'without a clean session the stored one goes on, or a new one begins and is stored',
    async check(scene) {
      await isCreated(scene)
      await isResumed(scene)
    },
  },
  {
    v311: '3.1.2-5',
    says: 'QoS 1 and 2 messages are stored for a session that is away',
    check: isAdded,
  },
  { v311: '3.1.2-6', v5: '3.1.2-4', says: 'a clean start discards the session before', check: isDiscarded },
  {
    v311: '3.1.2-7',
    says: 'retained messages outlive the session of their publisher',
    async check(scene) {
      const publisher = await scene.client()
      await publisher.publish(`${scene.word}/a`, 'kept', { qos: 1, retain: true })
      await publisher.leave()
      expect(await (await scene.subscriber()).message()).toBe('kept')
    },
  },
  { v5: '3.1.2-5', says: 'without a clean start the session goes on', check: isResumed },
  { v5: '3.1.2-6', says: 'without a clean start and without a session a new one begins', check: isCreated },
  { v5: '3.1.2-23', says: 'a session with an expiry interval outlives its connection', check: isResumed },
  {
    v311: '4.1.0-1',
    says: 'session state is stored as long as the session lasts',
    check: isResumed,
  },
  { v311: '4.1.0-2', v5: '4.1.0-1', says: 'a session lasts as long as its connection', check: lastsWithConnection },
  {
    v5: '4.1.0-2',
    says: 'a session ends when its expiry interval is over',
    async check(scene) {
      const watcher = await scene.client()
      await watcher.subscribe(`${scene.word}/will`)
      // Its will waits longer than the session lasts: that it is sent tells that the session has ended.
      const payload = Buffer.from('ended')
      const properties = { willDelayInterval: 300 }
      const will = { topic: `${scene.word}/will`, payload, qos: 0, retain: false, properties } as const
      const options = { clientId: scene.word, clean: false }
      await scene.lose(await scene.client({ ...options, will, properties: { sessionExpiryInterval: 1 } }))
      expect(await watcher.message()).toBe('ended')
      expect((await scene.wire().connect(options)).sessionPresent).toBe(false)
    },
  },
  {
    v311: '4.4.0-1',
    v5: '4.4.0-1',
    says: 'what is not acknowledged is sent again when the client is back, and only then',
    async check(scene) {
      await onlyThen(scene)
      await comesAgain(scene)
    },
  },
  { v311: '4.5.0-1', v5: '4.5.0-1', says: 'a message is added to every session that wants it', check: isAdded },
  { v311: '4.6.0-1', says: 'messages are sent again in their order', check: comesAgain },
  { v311: '4.6.0-2', says: 'PUBACK in the order of the messages', check: scene => acknowledgesInOrder(scene, 1) },
  { v311: '4.6.0-3', says: 'PUBREC in the order of the messages', check: scene => acknowledgesInOrder(scene, 2) },
  { v311: '4.6.0-4', says: 'PUBREL in the order of PUBREC', check: releasesInOrder },
  { v311: '4.6.0-5', v5: '4.6.0-6', says: 'every topic keeps its order', check: keepsOrder },
  {
    v311: '4.6.0-6',
    v5: '4.6.0-5',
    says: 'subscribers get the messages of a client in their order',
    check: keepsOrder,
  },
]
