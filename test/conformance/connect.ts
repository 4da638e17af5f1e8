// CONNECT: protocol, flags, payload, response (3.1.1 and 5: 3.1, without wills, sessions and keep-alive).
import { expect } from 'vitest'
import { ILL_FORMED, packet, REJECTED_CLIENT_ID, type Row, type Scene, text } from './scene.ts'

const CLEAN = 2
const WILL = 4
const PASSWORD = 0x40
const USERNAME = 0x80

/** Credentials that are nobody's. */
export const WRONG = { username: 'nobody', password: Buffer.from('wrong') }

/** A field that the flags do not announce is one too many, one that is announced and missing one too few. */
const fields = (flags: number, ...payload: number[]) => ({
  check: (scene: Scene) => scene.refusesToOpen(scene.connectBytes(CLEAN | flags, [...text(scene.word), ...payload])),
})

async function takesOver(scene: Scene): Promise<void> {
  const first = await scene.client({ clientId: scene.word })
  const second = await scene.client({ clientId: scene.word })
  await scene.isCut(first, 0x8e)
  await second.settle()
}

export async function rejects(scene: Scene, options: object, v311: number, v5: number): Promise<void> {
  const wire = scene.wire()
  const connack = await wire.connect({ clientId: scene.word, ...options })
  expect(scene.codeOf(connack)).toBe(scene.level === 5 ? v5 : v311)
  await wire.closed()
}

export const CONNECT: readonly Row[] = [
  {
    v311: '3.1.0-1',
    v5: '3.1.0-1',
    says: 'whoever does not begin with CONNECT is cut off',
    async check(scene) {
      await scene.refusesToOpen(packet(0xc0))
      await scene.refusesToOpen(packet(0x30, ...text('a'), ...scene.properties()))
      await scene.refusesToOpen(packet(0x82, 0, 1, ...scene.properties(), ...text('a'), 0))
    },
  },
  {
    v311: '3.1.0-2',
    v5: '3.1.0-2',
    says: 'a second CONNECT ends the connection',
    async check(scene) {
      const client = await scene.client()
      client.sendConnect({ clientId: scene.word })
      await scene.isCut(client, 0x82)
    },
  },
  {
    v311: '3.1.2-1',
    v5: '3.1.2-1',
    says: 'another protocol name is not served',
    async check(scene) {
      for (const name of ['mqtt', 'MQTT ', 'HTTP', ''])
        await scene.refusesToOpen(
          packet(0x10, ...text(name), scene.level, CLEAN, 0, 0, ...scene.properties(), 0, 1, 97),
        )
    },
  },
  {
    v311: '3.1.2-2',
    v5: '3.1.2-2',
    says: 'another protocol level is told so and cut off',
    async check(scene) {
      for (const level of [0, 2, 6, 0x84]) {
        const wire = scene.wire()
        wire.sendBytes(packet(0x10, ...text('MQTT'), level, CLEAN, 0, 0, ...text(scene.word)))
        await wire.closed()
        expect(wire.frames.map(frame => [...frame])).toEqual([[0x20, 2, 0, 1]])
      }
    },
  },
  {
    v311: '3.1.2-3',
    v5: '3.1.2-3',
    says: 'the reserved flag ends the connection',
    check: scene => scene.refusesToOpen(scene.connectBytes(CLEAN | 1, text(scene.word))),
  },
  { v311: '3.1.2-18', v5: '3.1.2-16', says: 'no username without its flag', ...fields(0, ...text('user')) },
  { v311: '3.1.2-19', v5: '3.1.2-17', says: 'a username with its flag', ...fields(USERNAME) },
  {
    v311: '3.1.2-20',
    v5: '3.1.2-18',
    says: 'no password without its flag',
    ...fields(USERNAME, ...text('user'), ...text('secret')),
  },
  {
    v311: '3.1.2-21',
    v5: '3.1.2-19',
    says: 'a password with its flag',
    ...fields(USERNAME | PASSWORD, ...text('user')),
  },
  { v311: '3.1.2-22', says: 'no password flag without the username flag', ...fields(PASSWORD, ...text('secret')) },
  {
    v311: '3.1.3-1',
    v5: '3.1.3-1',
    says: 'the payload is client identifier, will topic, will message, username, password',
    async check(scene) {
      const watcher = await scene.subscriber()
      const wire = scene.wire()
      const will = [...scene.properties(), ...text(`${scene.word}/will`), ...text('message')]
      wire.sendBytes(scene.connectBytes(CLEAN | WILL, [...text(`${scene.word}-first`), ...will]))
      await wire.next('connack')
      wire.destroy()
      const { topic, payload } = await watcher.next('publish')
      expect([topic, payload.toString()]).toEqual([`${scene.word}/will`, 'message'])
      const credentials = [...text('nobody'), ...text('secret')]
      const other = scene.wire()
      other.sendBytes(scene.connectBytes(CLEAN | WILL | USERNAME | PASSWORD, [...text('a'), ...will, ...credentials]))
      expect(scene.codeOf(await other.next('connack'))).not.toBe(0)
    },
  },
  {
    v311: '3.1.3-2',
    v5: '3.1.3-2',
    says: 'a session belongs to its client identifier',
    async check(scene) {
      await (await scene.client(scene.lasting())).leave()
      expect((await scene.wire().connect(scene.lasting(`${scene.word}2`))).sessionPresent).toBe(false)
      expect((await scene.wire().connect(scene.lasting())).sessionPresent).toBe(true)
    },
  },
  {
    v311: '3.1.3-3',
    v5: '3.1.3-3',
    says: 'a CONNECT without a client identifier is not valid',
    check: scene => scene.refusesToOpen(scene.connectBytes(CLEAN, [])),
  },
  {
    v311: '3.1.3-4',
    v5: '3.1.3-4',
    says: 'the client identifier is UTF-8',
    check: scene => scene.refusesToOpen(scene.connectBytes(CLEAN, [0, 2, ...ILL_FORMED])),
  },
  {
    v311: '3.1.3-5',
    v5: '3.1.3-5',
    says: 'letters and digits, 1 to 23 of them, are a client identifier',
    async check(scene) {
      const ids = ['0', 'Z', '0123456789abcdefghijklm', 'nopqrstuvwxyzABCDEFGHIJ', 'KLMNOPQRSTUVWXYZ']
      for (const clientId of ids) await (await scene.client({ clientId })).leave()
    },
  },
  {
    v311: '3.1.3-6',
    v5: '3.1.3-6',
    says: 'an empty client identifier is replaced by one that nobody else has',
    async check(scene) {
      const clients = [await scene.client({ clientId: '' }), await scene.client({ clientId: '' })]
      for (const client of clients) expect(await client.subscribe(`${scene.word}/a`)).toBe(0)
    },
  },
  {
    v5: '3.1.3-7',
    says: 'the client is told the identifier that it was assigned',
    async check(scene) {
      const { properties } = await scene.wire().connect({ clientId: '', properties: { sessionExpiryInterval: 60 } })
      const clientId = properties?.assignedClientIdentifier ?? ''
      expect(clientId).not.toBe('')
      expect((await scene.wire().connect({ clientId, clean: false })).sessionPresent).toBe(true)
    },
  },
  {
    v311: '3.1.3-8',
    says: 'an empty client identifier whose session is to last is rejected',
    async check(scene) {
      const wire = scene.wire()
      wire.sendBytes(scene.connectBytes(0, text('')))
      await wire.closed()
      expect(wire.frames.map(frame => [...frame])).toEqual([[0x20, 2, 0, 2]])
    },
  },
  {
    v311: '3.1.3-9',
    v5: '3.1.3-8',
    says: 'a client identifier that is rejected is told so',
    check: scene => rejects(scene, { clientId: REJECTED_CLIENT_ID }, 2, 0x85),
  },
  {
    v311: '3.1.3-10',
    v5: '3.1.3-11',
    says: 'the will topic is UTF-8',
    check: scene =>
      scene.refusesToOpen(
        scene.connectBytes(CLEAN | WILL, [...text('a'), ...scene.properties(), 0, 2, ...ILL_FORMED, ...text('x')]),
      ),
  },
  {
    v311: '3.1.3-11',
    v5: '3.1.3-12',
    says: 'the username is UTF-8',
    check: scene => scene.refusesToOpen(scene.connectBytes(CLEAN | USERNAME, [...text('a'), 0, 2, ...ILL_FORMED])),
  },
  {
    v311: '3.1.4-1',
    v5: '3.1.4-1',
    says: 'a CONNECT of another form is cut off, without CONNACK',
    async check(scene) {
      await scene.refusesToOpen(packet(0x10, ...text('MQTT'), scene.level))
      await scene.refusesToOpen(scene.connectBytes(CLEAN, [...text('a'), 0]))
      await scene.refusesToOpen(scene.connectBytes(CLEAN, [0, 9, 97]))
    },
  },
  {
    v5: '3.1.4-2',
    says: 'whoever is not who it says is cut off',
    check: scene => rejects(scene, WRONG, 0, 0x87),
  },
  { v311: '3.1.4-2', v5: '3.1.4-3', says: 'a second connection of a client ends the first', check: takesOver },
  {
    v311: '3.1.4-3',
    v5: '3.1.4-4',
    says: 'a clean start is processed',
    async check(scene) {
      const first = await scene.client(scene.lasting())
      await first.subscribe(`${scene.word}/a`, 1)
      await first.leave()
      const second = await scene.client({ clientId: scene.word, clean: true })
      await second.publish(`${scene.word}/a`, 'x', { qos: 1 })
      expect(await second.waiting()).toEqual([])
    },
  },
  {
    v311: '3.1.4-4',
    v5: '3.1.4-5',
    says: 'a CONNECT that is accepted is answered with CONNACK 0',
    async check(scene) {
      expect(scene.codeOf(await scene.wire().connect({ clientId: scene.word }))).toBe(0)
      await (await scene.client(scene.lasting())).leave()
      expect(scene.codeOf(await scene.wire().connect(scene.lasting()))).toBe(0)
    },
  },
  {
    v311: '3.1.4-5',
    v5: '3.1.4-6',
    says: 'nothing is processed that follows a CONNECT which is rejected',
    async check(scene) {
      const watcher = await scene.subscriber()
      const wire = scene.wire()
      const { level: protocolVersion, word } = scene
      const connect = { cmd: 'connect', protocolId: 'MQTT', protocolVersion, clean: true, keepalive: 0 } as const
      const publish = packet(0x30, ...text(`${word}/after`), ...scene.properties(), 120)
      const will = { topic: `${word}/will`, payload: Buffer.from('x'), qos: 0, retain: false } as const
      wire.sendBytes(Buffer.concat([wire.encode({ ...connect, clientId: word, will, ...WRONG }), Buffer.from(publish)]))
      await wire.closed()
      expect(await watcher.waiting()).toEqual([])
    },
  },
]
