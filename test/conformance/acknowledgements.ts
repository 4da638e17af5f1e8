// PUBACK, PUBREC, PUBREL, PUBCOMP and the delivery protocols (3.1.1 and 5: 3.4 to 3.7, 4.3).
import { expect } from 'vitest'
import type { MqttWire } from '../wire/mqtt-wire.ts'
import { packet, type Row, type Scene } from './scene.ts'

/** Reason codes of the tables in 3.4.2.1 to 3.7.2.1. */
const PUBACK_CODES = [0, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99]
const PUBREL_CODES = [0, 0x92]

/** A subscriber that answers nothing by itself, and a message that it got. */
async function received(scene: Scene, qos: 1 | 2) {
  const client = await scene.subscriber(2, scene.lasting())
  client.acknowledges = false
  const publisher = await scene.client()
  await publisher.publish(`${scene.word}/a`, 'x', { qos })
  const { messageId = 0, dup } = await client.next('publish')
  expect(messageId).toBeGreaterThan(0)
  expect(dup).toBe(false)
  return { client, publisher, messageId }
}

/** Comes back with the session. */
async function again(scene: Scene, client: MqttWire): Promise<MqttWire> {
  await scene.lose(client)
  const back = scene.wire()
  back.acknowledges = false
  await back.connect(scene.lasting())
  return back
}

async function isRepeated(scene: Scene, qos: 1 | 2): Promise<void> {
  const { client, messageId } = await received(scene, qos)
  const back = await again(scene, client)
  expect(await back.next('publish')).toMatchObject({ messageId, dup: true, qos })
}

async function isFirst(scene: Scene, qos: 1 | 2): Promise<void> {
  const { client } = await received(scene, qos)
  expect((client.frames.at(-1)?.[0] ?? 0) & 0x0e).toBe(qos << 1)
}

/** Identifiers of unacknowledged messages are not given again. */
async function areUnused(scene: Scene, qos: 1 | 2): Promise<void> {
  const { client, publisher, messageId } = await received(scene, qos)
  const ids = new Set([messageId])
  for (let i = 0; i < 10; i++) await publisher.publish(`${scene.word}/a`, 'x', { qos })
  for (let i = 0; i < 10; i++) ids.add((await client.next('publish')).messageId ?? 0)
  expect(ids.size).toBe(11)
}

async function isReleased(scene: Scene): Promise<void> {
  const { client, messageId } = await received(scene, 2)
  client.send({ cmd: 'pubrec', messageId })
  expect((await client.next('pubrel')).messageId).toBe(messageId)
}

/** The release is sent again, and the message is not. */
async function releaseIsRepeated(scene: Scene): Promise<void> {
  const { client, messageId } = await received(scene, 2)
  client.send({ cmd: 'pubrec', messageId })
  await client.next('pubrel')
  const back = await again(scene, client)
  expect((await back.next('pubrel')).messageId).toBe(messageId)
  expect(await back.waiting()).toEqual([])
  back.send({ cmd: 'pubcomp', messageId })
  await back.settle()
  const last = await again(scene, back)
  await last.settle()
  expect(last.packets.map(({ cmd }) => cmd)).toEqual([])
}

/** One whose session ends with its connection, and one whose exchanges are stored. */
const publishers = async (scene: Scene) => [
  await scene.client(),
  await scene.client(scene.lasting(`${scene.word}-lasting`)),
]

async function isAcknowledged(scene: Scene, qos: 1 | 2): Promise<void> {
  const subscriber = await scene.subscriber()
  for (const publisher of await publishers(scene)) {
    publisher.sendPublish(`${scene.word}/a`, 'x', { qos, messageId: 777 })
    expect((await publisher.next(qos === 1 ? 'puback' : 'pubrec')).messageId).toBe(777)
    expect(await subscriber.message()).toBe('x')
  }
}

/** The same identifier after its end is a new message. */
async function isNew(scene: Scene, qos: 1 | 2): Promise<void> {
  const subscriber = await scene.subscriber()
  for (const publisher of await publishers(scene)) {
    for (const dup of [false, true, false]) await publisher.publish(`${scene.word}/a`, 'x', { qos, messageId: 7, dup })
    expect(await subscriber.messages(3)).toEqual(['x', 'x', 'x'])
  }
}

async function isNotDoubled(scene: Scene): Promise<void> {
  const subscriber = await scene.subscriber()
  for (const publisher of await publishers(scene)) {
    for (const dup of [false, true, true, false]) {
      publisher.sendPublish(`${scene.word}/a`, 'x', { qos: 2, messageId: 7, dup })
      expect((await publisher.next('pubrec')).messageId).toBe(7)
    }
    publisher.send({ cmd: 'pubrel', messageId: 7 })
    await publisher.next('pubcomp')
    expect(await subscriber.message()).toBe('x')
    expect(await subscriber.waiting()).toEqual([])
  }
}

async function isCompleted(scene: Scene): Promise<void> {
  for (const client of await publishers(scene)) {
    client.sendPublish(scene.word, 'x', { qos: 2, messageId: 300 })
    await client.next('pubrec')
    client.send({ cmd: 'pubrel', messageId: 300 })
    expect((await client.next('pubcomp')).messageId).toBe(300)
  }
}

/** A refusal ends the exchange: nothing is sent again. */
async function isRefused(scene: Scene, qos: 1 | 2): Promise<void> {
  const { client, messageId } = await received(scene, qos)
  client.send({ cmd: qos === 1 ? 'puback' : 'pubrec', messageId, reasonCode: 0x83 })
  await client.settle()
  expect(client.packets).toEqual([])
  const back = await again(scene, client)
  await back.settle()
  expect(back.packets).toEqual([])
}

export const ACKNOWLEDGEMENTS: readonly Row[] = [
  {
    v5: '3.4.2-1',
    says: 'the reason codes of PUBACK are those of its table',
    async check(scene) {
      const client = await scene.client()
      for (const topic of [scene.word, '$SYS/x']) {
        client.sendPublish(topic, 'x', { qos: 1 })
        expect(PUBACK_CODES).toContain((await client.next('puback')).reasonCode ?? 0)
      }
    },
  },
  {
    v5: '3.5.2-1',
    says: 'the reason codes of PUBREC are those of its table',
    async check(scene) {
      const client = await scene.client()
      for (const topic of [scene.word, '$SYS/x']) {
        client.sendPublish(topic, 'x', { qos: 2 })
        expect(PUBACK_CODES).toContain((await client.next('pubrec')).reasonCode ?? 0)
      }
    },
  },
  {
    v311: '3.6.1-1',
    v5: '3.6.1-1',
    says: 'a PUBREL with other flags ends the connection',
    async check(scene) {
      for (const header of [0x60, 0x61, 0x63, 0x66, 0x6a]) await scene.refuses(0x81, packet(header, 0, 1))
    },
  },
  {
    v5: '3.6.2-1',
    says: 'the reason codes of PUBREL are those of its table',
    async check(scene) {
      const { client, messageId } = await received(scene, 2)
      for (const id of [messageId, 9999]) {
        client.send({ cmd: 'pubrec', messageId: id })
        expect(PUBREL_CODES).toContain((await client.next('pubrel')).reasonCode ?? 0)
      }
    },
  },
  {
    v5: '3.7.2-1',
    says: 'the reason codes of PUBCOMP are those of its table',
    async check(scene) {
      const client = await scene.client()
      client.send({ cmd: 'pubrel', messageId: 9999 })
      expect(PUBREL_CODES).toContain((await client.next('pubcomp')).reasonCode ?? 0)
    },
  },
  {
    v311: '4.3.1-1',
    v5: '4.3.1-1',
    says: 'QoS 0 is sent with QoS 0 and without DUP',
    async check(scene) {
      const client = await scene.subscriber(0)
      await client.publish(`${scene.word}/a`, 'x', { qos: 1 })
      await client.next('publish')
      expect(client.frames.map(([header]) => header)).toContain(0x30)
    },
  },
  {
    v311: '4.3.2-1',
    says: 'QoS 1 out: no DUP at first, unacknowledged until PUBACK',
    check: scene => isRepeated(scene, 1),
  },
  {
    v311: '4.3.2-2',
    says: 'QoS 1 in: PUBACK with its identifier, then the identifier is free',
    check: s => isNew(s, 1),
  },
  { v5: '4.3.2-1', says: 'QoS 1 out: an unused identifier', check: scene => areUnused(scene, 1) },
  { v5: '4.3.2-2', says: 'QoS 1 out: its identifier, QoS 1, no DUP', check: scene => isFirst(scene, 1) },
  { v5: '4.3.2-3', says: 'QoS 1 out: unacknowledged until PUBACK', check: scene => isRepeated(scene, 1) },
  { v5: '4.3.2-4', says: 'QoS 1 in: PUBACK with its identifier', check: scene => isAcknowledged(scene, 1) },
  { v5: '4.3.2-5', says: 'QoS 1 in: after PUBACK a new message, DUP or not', check: scene => isNew(scene, 1) },
  { v311: '4.3.3-1', says: 'QoS 2 out: the message until PUBREC, its release until PUBCOMP', check: releaseIsRepeated },
  { v311: '4.3.3-2', says: 'QoS 2 in: PUBREC as often as it comes, delivered once', check: isNotDoubled },
  { v5: '4.3.3-1', says: 'QoS 2 out: an unused identifier', check: scene => areUnused(scene, 2) },
  { v5: '4.3.3-2', says: 'QoS 2 out: its identifier, QoS 2, no DUP', check: scene => isFirst(scene, 2) },
  { v5: '4.3.3-3', says: 'QoS 2 out: unacknowledged until PUBREC', check: scene => isRepeated(scene, 2) },
  { v5: '4.3.3-4', says: 'QoS 2 out: PUBREC is answered with PUBREL, with its identifier', check: isReleased },
  { v5: '4.3.3-5', says: 'QoS 2 out: PUBREL is unacknowledged until PUBCOMP', check: releaseIsRepeated },
  { v5: '4.3.3-6', says: 'QoS 2 out: after PUBREL the message is not sent again', check: releaseIsRepeated },
  {
    v5: '4.3.3-7',
    says: 'QoS 2 out: a message that was sent does not expire any more',
    async check(scene) {
      const client = await scene.subscriber(2, scene.lasting())
      client.acknowledges = false
      await client.publish(`${scene.word}/a`, 'x', { qos: 1, properties: { messageExpiryInterval: 10 } })
      await client.publish(`${scene.word}/a`, 'y', { qos: 2, properties: { messageExpiryInterval: 10 } })
      await client.next('publish')
      await client.next('publish')
      scene.clock.shift += 50_000
      const back = await again(scene, client)
      expect(await back.messages(2)).toEqual(['x', 'y'])
    },
  },
  { v5: '4.3.3-8', says: 'QoS 2 in: PUBREC with its identifier', check: scene => isAcknowledged(scene, 2) },
  {
    v5: '4.3.3-9',
    says: 'QoS 2 in: an identifier whose message was refused is free',
    async check(scene) {
      const client = await scene.subscriber()
      client.sendPublish('$SYS/x', 'x', { qos: 2, messageId: 5 })
      expect((await client.next('pubrec')).reasonCode).toBeGreaterThanOrEqual(0x80)
      await client.publish(`${scene.word}/a`, 'y', { qos: 2, messageId: 5 })
      expect(await client.message()).toBe('y')
    },
  },
  { v5: '4.3.3-10', says: 'QoS 2 in: PUBREC as often as it comes, delivered once', check: isNotDoubled },
  { v5: '4.3.3-11', says: 'QoS 2 in: PUBREL is answered with PUBCOMP, with its identifier', check: isCompleted },
  { v5: '4.3.3-12', says: 'QoS 2 in: after PUBCOMP a new message', check: scene => isNew(scene, 2) },
  {
    v5: '4.3.3-13',
    says: 'QoS 2 in: the exchange goes on when the message has expired',
    async check(scene) {
      const client = await scene.client()
      client.sendPublish(scene.word, 'x', { qos: 2, messageId: 5, properties: { messageExpiryInterval: 1 } })
      await client.next('pubrec')
      scene.clock.shift += 5000
      client.send({ cmd: 'pubrel', messageId: 5 })
      expect((await client.next('pubcomp')).messageId).toBe(5)
    },
  },
  {
    v5: '4.4.0-2',
    says: 'a message that the client refused is not sent again',
    async check(scene) {
      await isRefused(scene, 1)
      await isRefused(scene, 2)
    },
  },
]
