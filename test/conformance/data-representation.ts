// Data types, fixed headers and packet identifiers (3.1.1 and 5: 1.5, 2.1 to 2.3).
import { expect } from 'vitest'
import { ILL_FORMED, packet, type Row, type Scene, text } from './scene.ts'

const publish = (scene: Scene, topic: readonly number[], qos = 0) =>
  packet(0x30 | (qos << 1), topic.length >> 8, topic.length & 255, ...topic, ...scene.properties())

export const DATA_REPRESENTATION: readonly Row[] = [
  {
    v311: '1.5.3-1',
    v5: '1.5.4-1',
    says: 'text that is no UTF-8, or encodes a surrogate, ends the connection',
    async check(scene) {
      await scene.refuses(0x81, publish(scene, ILL_FORMED))
      await scene.refuses(0x81, publish(scene, [0xed, 0xa0, 0x80]))
      await scene.refuses(0x81, publish(scene, [0xc0, 0x80]))
    },
  },
  {
    v311: '1.5.3-2',
    v5: '1.5.4-2',
    says: 'U+0000 in a text ends the connection',
    async check(scene) {
      await scene.refuses(0x81, publish(scene, [97, 0, 98]))
      await scene.refusesToOpen(scene.connectBytes(0x82, [...text(scene.word), ...text('a\0b')]))
    },
  },
  {
    v311: '1.5.3-3',
    v5: '1.5.4-3',
    says: 'U+FEFF is a character like others, also at the start',
    async check(scene) {
      const client = await scene.client()
      const topic = `\ufeff${scene.word}`
      await client.subscribe(topic)
      await client.publish(scene.word, 'without')
      await client.publish(topic, 'with')
      expect(await client.message()).toBe('with')
      expect(client.frames.at(-1)?.includes(Buffer.from(topic))).toBe(true)
    },
  },
  {
    v5: '1.5.5-1',
    says: 'a length that is longer than it need be ends the connection',
    check: scene => scene.refuses(0x81, packet(0x30, ...text('a'), 0x80, 0)),
  },
  {
    v5: '1.5.7-1',
    says: 'name and value of a user property are UTF-8',
    async check(scene) {
      const user = (...bytes: number[]) => packet(0x30, ...text('a'), bytes.length + 1, 0x26, ...bytes)
      await scene.refuses(0x81, user(0, 2, ...ILL_FORMED, ...text('b')))
      await scene.refuses(0x81, user(...text('b'), 0, 2, ...ILL_FORMED))
    },
  },
  {
    v311: '2.2.2-1',
    v5: '2.1.3-1',
    says: 'the flags of what the broker sends are those of the table',
    async check(scene) {
      const client = await scene.subscriber()
      await client.publish(`${scene.word}/a`, 'x', { qos: 1 })
      await client.publish(`${scene.word}/a`, 'x', { qos: 2 })
      await client.next('pubrel')
      await client.unsubscribe(scene.word)
      await client.settle()
      const headers = new Set(client.frames.map(frame => frame[0] ?? 0).filter(header => header >> 4 !== 3))
      expect([...headers].sort((a, b) => a - b)).toEqual([0x20, 0x40, 0x50, 0x62, 0x70, 0x90, 0xb0, 0xd0])
    },
  },
  {
    v311: '2.2.2-2',
    says: 'reserved flags that are set end the connection',
    async check(scene) {
      for (const header of [0x41, 0x51, 0x60, 0x71, 0x80, 0xa0]) await scene.refuses(0x81, packet(header, 0, 1))
      for (const header of [0xc1, 0xe1]) await scene.refuses(0x81, packet(header))
    },
  },
  {
    v311: '2.3.1-1',
    v5: '2.2.1-3',
    says: 'the packet identifier 0 ends the connection',
    async check(scene) {
      await scene.refuses(0x81, packet(0x32, ...text('a'), 0, 0, ...scene.properties()))
      await scene.refuses(0x81, packet(0x34, ...text('a'), 0, 0, ...scene.properties()))
      await scene.refuses(0x81, packet(0x82, 0, 0, ...scene.properties(), ...text('a'), 0))
      await scene.refuses(0x81, packet(0xa2, 0, 0, ...scene.properties(), ...text('a')))
    },
  },
  {
    v311: '2.3.1-4',
    v5: '2.2.1-4',
    says: 'the broker’s own packet identifiers are not 0 and not in use',
    async check(scene) {
      const client = await scene.subscriber()
      client.acknowledges = false
      const publisher = await scene.client()
      for (let i = 0; i < 20; i++) await publisher.publish(`${scene.word}/a`, 'x', { qos: i % 2 ? 1 : 2 })
      const ids = new Set<number>()
      for (let i = 0; i < 20; i++) ids.add((await client.next('publish')).messageId ?? 0)
      expect(ids.size).toBe(20)
      expect(ids.has(0)).toBe(false)
    },
  },
  {
    v311: '2.3.1-5',
    v5: '2.2.1-2',
    says: 'a QoS 0 message has no packet identifier',
    async check(scene) {
      const client = await scene.subscriber()
      const topic = `${scene.word}/a`
      const message = packet(0x30, ...text(topic), ...scene.properties(), ...Buffer.from('message'))
      await client.subscribe(topic, 0)
      await client.unsubscribe(`${scene.word}/#`)
      // At QoS 0 the bytes of the publisher are passed on, at QoS 1 the packet is made anew.
      for (const qos of [0, 1] as const) {
        await client.publish(topic, 'message', { qos, dup: qos > 0 })
        await client.next('publish')
        expect([...(client.frames.findLast(([header]) => (header ?? 0) >> 4 === 3) ?? [])]).toEqual(message)
      }
    },
  },
  {
    v311: '2.3.1-6',
    v5: '2.2.1-5',
    says: 'acknowledgements carry the packet identifier of their message',
    async check(scene) {
      for (const options of [{}, scene.lasting()]) {
        const client = await scene.client(options)
        client.sendPublish(scene.word, 'x', { qos: 1, messageId: 0x1234 })
        expect((await client.next('puback')).messageId).toBe(0x1234)
        client.sendPublish(scene.word, 'x', { qos: 2, messageId: 0xffff })
        expect((await client.next('pubrec')).messageId).toBe(0xffff)
        client.send({ cmd: 'pubrel', messageId: 0xffff })
        expect((await client.next('pubcomp')).messageId).toBe(0xffff)
      }
    },
  },
  {
    v311: '2.3.1-7',
    v5: '2.2.1-6',
    says: 'SUBACK and UNSUBACK carry the packet identifier of what they answer',
    async check(scene) {
      const client = await scene.client()
      client.send({ cmd: 'subscribe', messageId: 0xfedc, subscriptions: [{ topic: scene.word, qos: 0 }] })
      expect((await client.next('suback')).messageId).toBe(0xfedc)
      client.send({ cmd: 'unsubscribe', messageId: 0x0100, unsubscriptions: [scene.word] })
      expect((await client.next('unsuback')).messageId).toBe(0x0100)
    },
  },
  {
    v5: '2.2.2-1',
    says: 'no properties are a property length of 0',
    async check(scene) {
      const client = await scene.client()
      client.sendBytes(packet(0x82, 0, 7, 0, ...text(scene.word), 0))
      await client.next('suback')
      expect([...(client.frames.at(-1) ?? [])]).toEqual([0x90, 4, 0, 7, 0, 0])
      await client.publish(scene.word, 'x', { qos: 1, dup: true })
      await client.next('publish')
      const publish = packet(0x30, ...text(scene.word), 0, 120)
      expect(client.frames.filter(([header]) => header === 0x30).map(frame => [...frame])).toEqual([publish])
      client.sendBytes(packet(0xa2, 0, 8, 0, ...text(scene.word)))
      await client.next('unsuback')
      expect([...(client.frames.at(-1) ?? [])]).toEqual([0xb0, 4, 0, 8, 0, 0])
    },
  },
]
