// What the client sets limits to, and flow control (5: 3.1.2.11, 3.3.4, 4.9).
import { expect } from 'vitest'
import { packet, type Row, type Scene, text } from './scene.ts'

/** With a window of two, which two messages fill. */
async function full(scene: Scene) {
  const client = await scene.subscriber(2, { properties: { receiveMaximum: 2 } })
  client.acknowledges = false
  const publisher = await scene.client()
  for (let i = 0; i < 5; i++) await publisher.publish(`${scene.word}/a`, `${i}`, { qos: i % 2 ? 1 : 2 })
  const [first, second] = [await client.next('publish'), await client.next('publish')]
  expect(await client.waiting()).toEqual([])
  return { client, publisher, first, second }
}

/** QoS 0 and whatever is no PUBLISH goes on while the window is full. */
async function goesOn(scene: Scene): Promise<void> {
  const { client } = await full(scene)
  expect(await client.subscribe(`${scene.word}2`)).toBe(0)
  expect(await client.publish(`${scene.word}2`, 'at QoS 0', { qos: 1 })).toBe(0)
  expect(await client.message()).toBe('at QoS 0')
  expect(await client.unsubscribe(`${scene.word}2`)).toEqual([0])
  await client.settle()
}

async function opensAgain(scene: Scene): Promise<void> {
  const { client, first, second } = await full(scene)
  client.send({ cmd: 'pubrec', messageId: first.messageId ?? 0 })
  await client.next('pubrel')
  expect(await client.waiting()).toEqual([])
  client.send({ cmd: 'pubcomp', messageId: first.messageId ?? 0 })
  expect((await client.next('publish')).payload.toString()).toBe('2')
  client.send({ cmd: 'puback', messageId: second.messageId ?? 0 })
  expect((await client.next('publish')).payload.toString()).toBe('3')
  expect(await client.waiting()).toEqual([])
}

const aliasesSent = async (scene: Scene, most?: number) => {
  const properties = most === undefined ? {} : { properties: { topicAliasMaximum: most } }
  const client = await scene.subscriber(1, properties)
  for (let i = 0; i < 6; i++) await client.publish(`${scene.word}/${i % 3}`, 'x', { qos: 1 })
  return (await client.waiting()).map(({ properties }) => properties?.topicAlias)
}

/** Bytes: our CONNACK just fits, and a reason string would not. */
const SMALL = 20

export const LIMITS: readonly Row[] = [
  {
    v5: '3.1.2-24',
    says: 'no packet is larger than the client takes',
    async check(scene) {
      const client = await scene.subscriber(2, { properties: { maximumPacketSize: 60 } })
      for (const size of [1, 20, 40, 60, 1000])
        for (const qos of [0, 1, 2] as const) await client.publish(`${scene.word}/a`, 'x'.repeat(size), { qos })
      await client.settle()
      expect(Math.max(...client.frames.map(({ length }) => length))).toBeLessThanOrEqual(60)
      const method = { authenticationMethod: 'SCRAM-SHA-256', authenticationData: Buffer.from('n,,n=x,r=y') }
      const { reasonCode } = await scene.wire().connect({ properties: { maximumPacketSize: 60, ...method } })
      expect(reasonCode).toBe(0x95) // the challenge has more
    },
  },
  {
    v5: '3.1.2-25',
    says: 'what is too large is as if it had been delivered',
    async check(scene) {
      const limits = { receiveMaximum: 1, maximumPacketSize: 100 }
      // What need not be kept passes the queue, and what has to be kept does not.
      const passing = await scene.subscriber(2, { properties: limits })
      const lasting = scene.lasting()
      const kept = await scene.subscriber(2, { ...lasting, properties: { ...lasting.properties, ...limits } })
      for (const qos of [0, 1, 2] as const) {
        await passing.publish(`${scene.word}/a`, 'x'.repeat(200), { qos })
        await passing.publish(`${scene.word}/a`, `${qos}`, { qos })
      }
      for (const client of [passing, kept]) expect(await client.messages(3)).toEqual(['0', '1', '2'])
    },
  },
  {
    v5: '3.1.2-26',
    says: 'topic aliases stay within the client’s maximum',
    async check(scene) {
      expect(await aliasesSent(scene, 2)).toEqual([1, 2, undefined, 1, 2, undefined])
    },
  },
  {
    v5: '3.1.2-27',
    says: 'no topic aliases without a maximum, or with 0',
    async check(scene) {
      expect(await aliasesSent(scene)).toEqual(Array(6).fill(undefined))
      expect(await aliasesSent(scene, 0)).toEqual(Array(6).fill(undefined))
    },
  },
  {
    v5: '3.1.2-28',
    says: 'no response information unasked',
    async check(scene) {
      for (const properties of [{}, { requestResponseInformation: false }, { requestResponseInformation: true }]) {
        const connack = await scene.wire().connect({ ...scene.devices[0], properties })
        const isAsked = 'requestResponseInformation' in properties && properties.requestResponseInformation
        expect(connack.properties?.responseInformation).toBe(isAsked ? 'answers' : undefined)
      }
    },
  },
  {
    v5: '3.1.2-29',
    says: 'no reason string and no user properties in acknowledgements, when the client wants none',
    async check(scene) {
      const client = await scene.client({ properties: { requestProblemInformation: false } })
      client.sendPublish('$SYS/x', 'x', { qos: 1 })
      client.sendPublish('$SYS/x', 'x', { qos: 2 })
      client.send({ cmd: 'pubrec', messageId: 99 })
      client.send({ cmd: 'pubrel', messageId: 99 })
      await client.subscribe('$SYS/#')
      await client.unsubscribe('never')
      const answers = client.packets.filter(({ cmd }) => cmd !== 'publish')
      expect(answers.map(({ cmd }) => cmd).sort()).toEqual(['puback', 'pubcomp', 'pubrec', 'pubrel'])
      for (const answer of answers) expect('properties' in answer ? answer.properties : undefined).toBeUndefined()
      const [suback, unsuback] = client.frames.filter(([header]) => header === 0x90 || header === 0xb0)
      expect([suback?.[4], unsuback?.[4]]).toEqual([0, 0])
    },
  },
  {
    v5: '3.2.2-15',
    says: 'a packet that is larger than we take ends the connection',
    async check(scene) {
      const wire = scene.wire()
      const { properties } = await wire.connect({ clientId: scene.word })
      wire.sendPublish(scene.word, Buffer.alloc(properties?.maximumPacketSize ?? 0))
      await scene.isCut(wire, 0x95)
    },
  },
  ...(['3.2.2-19', '3.2.2-20'] as const).map(v5 => ({
    v5,
    says: `no ${v5 === '3.2.2-19' ? 'reason string' : 'user properties'} in a CONNACK that would be too large`,
    async check(scene: Scene) {
      for (const options of [{}, { username: 'nobody', password: Buffer.from('wrong') }]) {
        const wire = scene.wire()
        const properties = { maximumPacketSize: SMALL }
        const { reasonCode } = await wire.connect({ clientId: scene.word, properties, ...options })
        expect(reasonCode).toBe('username' in options ? 0x87 : 0)
        expect(wire.frames[0]?.length).toBeLessThanOrEqual(SMALL)
      }
    },
  })),
  ...(
    [
      ['3.4.2-2', 'PUBACK', 0x40],
      ['3.4.2-3', 'PUBACK', 0x40],
      ['3.5.2-2', 'PUBREC', 0x50],
      ['3.5.2-3', 'PUBREC', 0x50],
      ['3.6.2-2', 'PUBREL', 0x62],
      ['3.6.2-3', 'PUBREL', 0x62],
      ['3.7.2-2', 'PUBCOMP', 0x70],
      ['3.7.2-3', 'PUBCOMP', 0x70],
      ['3.9.2-1', 'SUBACK', 0x90],
      ['3.9.2-2', 'SUBACK', 0x90],
      ['3.11.2-1', 'UNSUBACK', 0xb0],
      ['3.11.2-2', 'UNSUBACK', 0xb0],
    ] as const
  ).map(([v5, name, header], i) => ({
    v5,
    says: `no ${i % 2 ? 'user properties' : 'reason string'} in a ${name} that would be too large`,
    async check(scene: Scene) {
      const client = await scene.client({ properties: { maximumPacketSize: SMALL } })
      client.sendPublish('$SYS/x', 'x', { qos: 1 })
      client.sendPublish('$SYS/x', 'x', { qos: 2 })
      client.send({ cmd: 'pubrec', messageId: 99 })
      client.send({ cmd: 'pubrel', messageId: 99 })
      await client.subscribe('$share/group/$SYS/#')
      await client.unsubscribe('never')
      await client.settle()
      const [frame, ...others] = client.frames.filter(([first]) => first === header)
      expect(frame?.length).toBeLessThanOrEqual(SMALL)
      expect(others).toEqual([])
    },
  })),
  ...(['3.14.2-3', '3.14.2-4'] as const).map(v5 => ({
    v5,
    says: `no ${v5 === '3.14.2-3' ? 'reason string' : 'user properties'} in a DISCONNECT that would be too large`,
    async check(scene: Scene) {
      const client = await scene.client({ properties: { maximumPacketSize: SMALL } })
      client.sendBytes(packet(0x30, ...text('#'), 0))
      await client.closed()
      expect(client.frames.at(-1)?.[0]).toBe(0xe0)
      expect(client.frames.at(-1)?.length).toBeLessThanOrEqual(SMALL)
    },
  })),
  {
    v5: '3.3.4-7',
    says: 'more messages in flight than we take end the connection',
    async check(scene) {
      const wire = scene.wire()
      const { properties } = await wire.connect({ clientId: scene.word })
      const most = properties?.receiveMaximum ?? 0
      for (let i = 1; i <= most; i++) wire.sendPublish(scene.word, 'x', { qos: 2, messageId: i })
      for (let i = 1; i <= most; i++) await wire.next('pubrec')
      wire.sendPublish(scene.word, 'x', { qos: 2, messageId: most + 1 })
      await scene.isCut(wire, 0x93)
    },
  },
  { v5: '3.3.4-9', says: 'no more messages are in flight than the client takes', check: opensAgain },
  { v5: '3.3.4-10', says: 'a full window delays nothing but PUBLISH', check: goesOn },
  {
    v5: '4.9.0-1',
    says: 'the first messages are no more than the client takes',
    async check(scene) {
      await full(scene)
    },
  },
  { v5: '4.9.0-2', says: 'an empty quota stops QoS 1 and 2 until it is given back', check: opensAgain },
  { v5: '4.9.0-3', says: 'an empty quota stops nothing else', check: goesOn },
]
