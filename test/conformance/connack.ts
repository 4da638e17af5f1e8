// CONNACK (3.1.1 and 5: 3.2).
import { expect } from 'vitest'
import { rejects, WRONG } from './connect.ts'
import { REJECTED_CLIENT_ID, type Row, text } from './scene.ts'

/** No packet of a client. */
const BAD = Buffer.from([0xf7, 0])
const CLEAN = 2
const WILL = 4

export const CONNACK: readonly Row[] = [
  {
    v311: '3.2.0-1',
    v5: '3.2.0-1',
    says: 'CONNACK comes before anything else',
    async check(scene) {
      const first = await scene.client(scene.lasting())
      await first.subscribe(`${scene.word}/a`, 1)
      await scene.lose(first)
      const publisher = await scene.client()
      await publisher.publish(`${scene.word}/a`, 'x', { qos: 1 })
      const second = scene.wire()
      second.sendConnect(scene.lasting())
      second.sendBytes([0xc0, 0])
      await second.next('publish')
      expect((second.frames[0]?.[0] ?? 0) >> 4).toBe(2)
      const spoiler = scene.wire()
      const connect = { clientId: `${scene.word}-spoiler`, protocolVersion: scene.level }
      spoiler.sendBytes(
        Buffer.concat([spoiler.encode({ cmd: 'connect', protocolId: 'MQTT', clean: true, ...connect }), BAD]),
      )
      await spoiler.closed()
      expect((spoiler.frames[0]?.[0] ?? 0) >> 4).toBe(2)
    },
  },
  {
    v5: '3.2.0-2',
    says: 'there is one CONNACK in a connection',
    async check(scene) {
      const client = await scene.client()
      client.sendConnect({ clientId: scene.word })
      await client.closed()
      expect(client.frames.filter(frame => frame[0] === 0x20)).toHaveLength(1)
    },
  },
  {
    v5: '3.2.2-1',
    says: 'the flags of CONNACK are session present alone',
    async check(scene) {
      for (const flags of [0, 1]) {
        const client = await scene.client(scene.lasting())
        expect(client.frames[0]?.[2]).toBe(flags)
        await client.leave()
      }
    },
  },
  {
    v311: '3.2.2-1',
    v5: '3.2.2-2',
    says: 'a clean start finds no session',
    async check(scene) {
      await (await scene.client(scene.lasting())).leave()
      const connack = await scene.wire().connect({ ...scene.lasting(), clean: true })
      expect([connack.sessionPresent, scene.codeOf(connack)]).toEqual([false, 0])
    },
  },
  {
    v311: '3.2.2-2',
    v5: '3.2.2-3',
    says: 'session present tells whether there is one',
    async check(scene) {
      for (const expected of [false, true]) {
        const wire = scene.wire()
        const connack = await wire.connect(scene.lasting())
        expect([connack.sessionPresent, scene.codeOf(connack)]).toEqual([expected, 0])
        await wire.leave()
      }
    },
  },
  {
    v311: '3.2.2-3',
    says: 'without a stored session there is none present',
    async check(scene) {
      const connack = await scene.wire().connect(scene.lasting())
      expect([connack.sessionPresent, scene.codeOf(connack)]).toEqual([false, 0])
    },
  },
  {
    v311: '3.2.2-4',
    v5: '3.2.2-6',
    says: 'no session is present in a CONNACK that rejects',
    async check(scene) {
      await (await scene.client(scene.lasting())).leave()
      const connack = await scene.wire().connect({ ...scene.lasting(), ...WRONG })
      expect(scene.codeOf(connack)).not.toBe(0)
      expect(connack.sessionPresent).toBe(false)
    },
  },
  {
    v311: '3.2.2-5',
    v5: '3.2.2-7',
    says: 'a CONNACK that rejects ends the connection',
    check: scene => rejects(scene, WRONG, 5, 0x87),
  },
  {
    v311: '3.2.2-6',
    says: 'where no return code applies the connection ends without CONNACK',
    check: scene =>
      scene.refusesToOpen(scene.connectBytes(CLEAN | WILL, [...text('a'), ...text('not/a/#/topic'), ...text('x')])),
  },
  {
    v5: '3.2.2-8',
    says: 'the reason codes of CONNACK are those of its table',
    async check(scene) {
      await rejects(scene, WRONG, 0, 0x87)
      await rejects(scene, { clientId: REJECTED_CLIENT_ID }, 0, 0x85)
      await rejects(scene, { properties: { authenticationMethod: 'none-such' } }, 0, 0x8c)
    },
  },
  {
    v5: '3.2.2-16',
    says: 'an assigned client identifier is no other session’s',
    async check(scene) {
      const assigned = new Set<string | undefined>()
      for (let i = 0; i < 5; i++) {
        const { properties } = await scene.wire().connect({ clientId: '', properties: { sessionExpiryInterval: 60 } })
        assigned.add(properties?.assignedClientIdentifier)
      }
      expect(assigned.size).toBe(5)
      expect(assigned.has(undefined)).toBe(false)
    },
  },
]
