// DISCONNECT and what is done about errors (3.1.1: 3.14, 4.8; 5: 3.14, 4.13).
import { expect } from 'vitest'
import { packet, type Row, type Scene, text } from './scene.ts'

/** Reason codes of DISCONNECT that a server may send (5: 3.14.2.1). */
const CODES = [
  0, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8b, 0x8d, 0x8e, 0x8f, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a,
  0x9b, 0x9c, 0x9d, 0x9e, 0x9f, 0xa0, 0xa1, 0xa2,
]

/** Faults of every kind, and what the client is told. */
const faults = (scene: Scene): readonly (readonly [number, readonly number[]])[] => [
  [0x81, packet(0x30)],
  [0x81, packet(0x36, ...text('a'), 0, 1, ...scene.properties())],
  [0x81, packet(0xc1)],
  [0x81, [0x30, 0xff, 0xff, 0xff, 0xff, 0x7f]],
  [0x82, packet(0x20, 0, 0)],
  [0x82, packet(0x00)],
  [0x82, packet(0xd0)],
  [0x90, packet(0x30, ...text('#'), ...scene.properties())],
]

async function allEnd(scene: Scene): Promise<void> {
  for (const [reasonCode, bytes] of faults(scene)) await scene.refuses(reasonCode, bytes)
}

/** The frames of a connection that the broker ended, while messages were on their way to it. */
async function lastFrames(scene: Scene): Promise<readonly Buffer[]> {
  const client = await scene.subscriber(0)
  const publisher = await scene.client()
  for (let i = 0; i < 50; i++) publisher.sendPublish(`${scene.word}/a`, 'x')
  client.sendBytes(packet(0xd0))
  for (let i = 0; i < 50; i++) publisher.sendPublish(`${scene.word}/a`, 'x')
  await client.closed()
  return client.frames
}

export const ENDINGS: readonly Row[] = [
  {
    v5: '3.14.0-1',
    says: 'no DISCONNECT before CONNACK',
    async check(scene) {
      const wire = scene.wire()
      const connack = await wire.connect({ clientId: scene.word, username: 'nobody', password: Buffer.from('wrong') })
      expect(connack.reasonCode).toBeGreaterThanOrEqual(0x80)
      await wire.closed()
      expect(wire.frames).toHaveLength(1)
      await scene.refusesToOpen(packet(0xe0))
    },
  },
  {
    v311: '3.14.1-1',
    v5: '3.14.1-1',
    says: 'a DISCONNECT with reserved flags is malformed',
    async check(scene) {
      for (const header of [0xe1, 0xe2, 0xe8]) await scene.refuses(0x81, packet(header))
      const watcher = await scene.subscriber()
      const will = { topic: `${scene.word}/will`, payload: Buffer.from('gone'), qos: 0, retain: false } as const
      const client = await scene.client({ will })
      client.sendBytes(packet(0xe1))
      expect(await watcher.message()).toBe('gone') // it did not leave with DISCONNECT
    },
  },
  {
    v5: '3.14.2-1',
    says: 'the reason codes of DISCONNECT are those of its table',
    async check(scene) {
      for (const [, bytes] of faults(scene)) {
        const client = await scene.client()
        client.sendBytes(bytes)
        expect(CODES).toContain((await client.next('disconnect')).reasonCode)
      }
    },
  },
  {
    v5: '3.14.2-2',
    says: 'the broker’s DISCONNECT has no session expiry interval',
    async check(scene) {
      const first = await scene.client(scene.lasting())
      await scene.client(scene.lasting())
      const { properties } = await first.next('disconnect')
      expect(properties?.sessionExpiryInterval).toBeUndefined()
    },
  },
  {
    v5: '3.14.4-1',
    says: 'nothing follows DISCONNECT',
    async check(scene) {
      const types = (await lastFrames(scene)).map(frame => (frame[0] ?? 0) >> 4)
      expect(types.indexOf(14)).toBe(types.length - 1)
    },
  },
  {
    v5: '3.14.4-2',
    says: 'whoever sends DISCONNECT ends the connection',
    async check(scene) {
      await lastFrames(scene)
    },
  },
  { v311: '4.8.0-1', v5: '4.13.1-1', says: 'a protocol violation ends the connection', check: allEnd },
  {
    v5: '4.13.2-1',
    says: 'a reason code of 0x80 or more ends the connection',
    async check(scene) {
      await allEnd(scene)
      const wire = scene.wire()
      await wire.connect({ clientId: 'not+yours' })
      await wire.closed()
    },
  },
]

/** Enhanced authentication, as far as this broker's clients see it: nobody has a key for any method. */
export const AUTHENTICATION: readonly Row[] = [
  {
    v5: '3.15.1-1',
    says: 'an AUTH with reserved flags is malformed',
    async check(scene) {
      for (const header of [0xf1, 0xf2, 0xf8]) await scene.refuses(0x81, packet(header))
    },
  },
  {
    v5: '4.12.0-1',
    says: 'an authentication method that is not served ends the connection',
    async check(scene) {
      const wire = scene.wire()
      const properties = { authenticationMethod: 'none-such', authenticationData: Buffer.from('x') }
      expect((await wire.connect({ clientId: scene.word, properties })).reasonCode).toBe(0x8c)
      await wire.closed()
    },
  },
  {
    v5: '4.12.0-6',
    says: 'without an authentication method there is neither AUTH nor a method in CONNACK',
    async check(scene) {
      const wire = scene.wire()
      const { properties } = await wire.connect({ clientId: scene.word })
      expect(properties?.authenticationMethod).toBeUndefined()
      await wire.settle()
      expect(wire.frames.map(frame => (frame[0] ?? 0) >> 4)).toEqual([2, 13])
    },
  },
  {
    v5: '4.12.0-7',
    says: 'an AUTH without a method in CONNECT ends the connection',
    check: scene => scene.refuses(0x82, packet(0xf0, 0x19, 0)),
  },
]
