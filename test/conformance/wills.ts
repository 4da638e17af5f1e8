// Wills (3.1.1 and 5: 3.1.2.5 to 3.1.2.7, 3.14.4) and the keep-alive (3.1.2.10).
import { expect } from 'vitest'
import type { MqttWire } from '../wire/mqtt-wire.ts'
import { type ConnectOptions, packet, type Row, type Scene, text } from './scene.ts'

type Will = NonNullable<NonNullable<ConnectOptions>['will']>

const CLEAN = 2
const WILL = 4
const RETAIN = 0x20

const will = (scene: Scene, more: Partial<Will> = {}): { will: Will } => ({
  will: { topic: `${scene.word}/will`, payload: Buffer.from('gone'), qos: 0, retain: false, ...more },
})

/** Without its own properties or payload, however the flags are set. */
const noWill = (says: string, ...flags: number[]) => ({
  says,
  async check(scene: Scene) {
    for (const some of flags) await scene.refusesToOpen(scene.connectBytes(CLEAN | some, text(scene.word)))
  },
})

const QOS_WITHOUT_WILL = 'without a will there is no will QoS'
const RETAIN_WITHOUT_WILL = 'without a will there is no will retain'

/** Somebody else's will comes next: the broker has noticed every connection that broke before. */
async function nothingBefore(scene: Scene, watcher: MqttWire): Promise<void> {
  ;(await scene.client(will(scene, { payload: Buffer.from('last') }))).destroy()
  expect(await watcher.message()).toBe('last')
}

async function isSentOnce(scene: Scene): Promise<void> {
  const watcher = await scene.subscriber()
  const client = await scene.client({ ...scene.lasting(), ...will(scene) })
  client.destroy()
  expect(await watcher.message()).toBe('gone')
  await scene.lose(await scene.client(scene.lasting()))
  await nothingBefore(scene, watcher)
}

/** Nor when its session ends. */
async function isGone(scene: Scene): Promise<void> {
  const watcher = await scene.subscriber()
  const client = await scene.client({ ...scene.lasting(), ...will(scene) })
  client.destroy()
  expect(await watcher.message()).toBe('gone')
  await scene.client({ clientId: scene.word, clean: true })
  expect(await watcher.waiting()).toEqual([])
}

async function isDropped(scene: Scene): Promise<void> {
  const watcher = await scene.subscriber()
  await (await scene.client({ ...scene.lasting(), ...will(scene) })).leave()
  await (await scene.client(scene.lasting())).leave()
  expect(await watcher.waiting()).toEqual([])
}

/** Somebody who subscribes after the will was sent. */
async function lateReader(scene: Scene, retain: boolean) {
  const watcher = await scene.subscriber()
  ;(await scene.client(will(scene, { retain, qos: 1 }))).destroy()
  await watcher.message()
  return (await scene.subscriber()).waiting()
}

export const WILLS: readonly Row[] = [
  { v311: '3.1.2-8', v5: '3.1.2-8', says: 'a will is sent when the connection breaks', check: isSentOnce },
  {
    v5: '3.1.2-7',
    says: 'a will is kept with the session',
    async check(scene) {
      const watcher = await scene.subscriber()
      const { will: plain } = will(scene)
      const delayed = { ...plain, properties: { willDelayInterval: 100 } }
      await scene.lose(await scene.client({ ...scene.lasting(), will: delayed }))
      expect(await watcher.waiting()).toEqual([])
      await scene.client({ clientId: scene.word, clean: true }) // the session ends, and so does the waiting
      expect(await watcher.message()).toBe('gone')
    },
  },
  {
    v311: '3.1.2-9',
    v5: '3.1.2-9',
    ...noWill('with the will flag come the fields of the will', WILL, WILL | RETAIN, WILL | 0x10),
  },
  {
    v311: '3.1.2-10',
    v5: '3.1.2-10',
    says: 'a will is gone when it was sent, or the client left with DISCONNECT',
    async check(scene) {
      await isSentOnce(scene)
      await isGone(scene)
      await isDropped(scene)
    },
  },
  {
    v311: '3.1.2-11',
    says: 'without the will flag there are neither fields nor flags of a will',
    async check(scene) {
      const fields = [...text('a'), ...text(`${scene.word}/will`), ...text('gone')]
      await scene.refusesToOpen(scene.connectBytes(CLEAN, fields))
      for (const flags of [0x08, 0x10, RETAIN]) await scene.refusesToOpen(scene.connectBytes(CLEAN | flags, text('a')))
    },
  },
  {
    v311: '3.1.2-12',
    says: 'without a will none is sent',
    async check(scene) {
      const watcher = await scene.subscriber()
      await scene.lose(await scene.client({ clientId: `${scene.word}/gone` }))
      await nothingBefore(scene, watcher)
    },
  },
  { v311: '3.1.2-13', v5: '3.1.2-11', ...noWill(QOS_WITHOUT_WILL, 0x08, 0x10, 0x18) },
  {
    v311: '3.1.2-14',
    v5: '3.1.2-12',
    says: 'a will has QoS 0, 1 or 2, and not 3',
    async check(scene) {
      const fields = [...text('a'), ...scene.properties(), ...text('b'), ...text('c')]
      await scene.refusesToOpen(scene.connectBytes(CLEAN | WILL | 0x18, fields))
      const watcher = await scene.subscriber()
      for (const qos of [0, 1, 2] as const) {
        ;(await scene.client(will(scene, { qos }))).destroy()
        expect((await watcher.next('publish')).qos).toBe(qos)
      }
    },
  },
  { v311: '3.1.2-15', v5: '3.1.2-13', ...noWill(RETAIN_WITHOUT_WILL, RETAIN) },
  {
    v311: '3.1.2-16',
    v5: '3.1.2-14',
    says: 'a will without retain is not retained',
    async check(scene) {
      expect(await lateReader(scene, false)).toEqual([])
    },
  },
  {
    v311: '3.1.2-17',
    v5: '3.1.2-15',
    says: 'a will with retain is retained',
    async check(scene) {
      expect(await lateReader(scene, true)).toHaveLength(1)
    },
  },
  {
    v311: '3.14.4-3',
    v5: '3.14.4-3',
    says: 'DISCONNECT (0) drops the will',
    check: isDropped,
  },
  {
    v5: '3.1.3-9',
    says: 'no will is sent when the client is back before its delay is over',
    async check(scene) {
      const watcher = await scene.subscriber()
      const { will: plain } = will(scene)
      const delayed = { ...plain, properties: { willDelayInterval: 1 } }
      await scene.lose(await scene.client({ ...scene.lasting(), will: delayed }))
      // Its next will waits until this connection breaks.
      await scene.client({ ...scene.lasting(), ...will(scene, { topic: `${scene.word}/next` }) })
      const later = { ...delayed, topic: `${scene.word}/later` }
      await scene.lose(await scene.client({ ...scene.lasting(`${scene.word}2`), will: later }))
      expect((await watcher.next('publish')).topic).toBe(later.topic)
      expect(await watcher.waiting()).toEqual([])
    },
  },
  {
    v5: '3.1.3-10',
    says: 'the user properties of a will keep their order',
    async check(scene) {
      const watcher = await scene.subscriber()
      const users = ['b', 'a', 'b'].flatMap((name, i) => [0x26, ...text(name), ...text(`${i}`)])
      const fields = [...text('a'), users.length, ...users, ...text(`${scene.word}/will`), ...text('gone')]
      const wire = scene.wire()
      wire.sendBytes(scene.connectBytes(CLEAN | WILL, fields))
      await wire.next('connack')
      wire.destroy()
      await watcher.next('publish')
      expect(watcher.frames.at(-1)?.includes(Buffer.from(users))).toBe(true)
    },
  },
]

/** Milliseconds: more than one and a half times 18 seconds, less than that of 20, and no more than a clock may go at once. */
const SILENCE = 28_000

export const KEEP_ALIVE: readonly Row[] = [
  {
    v311: '3.1.2-24',
    v5: '3.1.2-22',
    says: 'whoever is silent for one and a half times its keep-alive is cut off, as if the network had failed',
    async check(scene) {
      const watcher = await scene.subscriber()
      const patient = await scene.client({ keepalive: 20 })
      const silent = await scene.client({ keepalive: 18, ...will(scene) })
      scene.clock.shift += SILENCE
      await scene.isCut(silent, 0x8d)
      expect(await watcher.message()).toBe('gone')
      await patient.settle()
    },
  },
  {
    v5: '3.2.2-22',
    says: 'a keep-alive that is not replaced is the client’s',
    async check(scene) {
      const wire = scene.wire()
      const { properties } = await wire.connect({ clientId: scene.word, keepalive: 18 })
      expect(properties?.serverKeepAlive).toBeUndefined()
      scene.clock.shift += SILENCE
      await scene.isCut(wire, 0x8d)
    },
  },
  {
    v311: '3.12.4-1',
    v5: '3.12.4-1',
    says: 'PINGREQ is answered with PINGRESP',
    async check(scene) {
      const client = await scene.client()
      client.sendBytes(packet(0xc0))
      await client.next('pingresp')
      expect([...(client.frames.at(-1) ?? [])]).toEqual([0xd0, 0])
    },
  },
]
