import { afterEach, describe, expect, test } from 'vitest'
import type { BusParts } from '../../../src/bus/bus.ts'
import { QUEUE_OVERFLOWS, type QueueOverflow } from '../../../src/bus/queue.ts'
import { silentLog } from '../../../src/model/log.ts'
import { silentMeter } from '../../../src/model/meter.ts'
import { StoredBus } from './stored-bus.ts'
import { principal } from './surroundings.ts'

const FULL = { code: 'queue-full' }
const later = () => new Promise(resolve => setImmediate(resolve))

describe('a full queue', () => {
  let stored: StoredBus
  let counted: Record<string, number>
  let warned: object[]
  afterEach(() => stored.remove())

  async function start(queueOverflow?: QueueOverflow): Promise<void> {
    counted = {}
    warned = []
    const count: BusParts['meter']['count'] = (name, labels, by = 1) => {
      const key = [name.replace(/^latchkey_messages_|_total$/g, ''), ...Object.values(labels ?? {})].join(' ')
      counted[key] = (counted[key] ?? 0) + by
    }
    stored = await StoredBus.open({
      limits: { maximumQueued: 4, queuePatience: 30 },
      meter: { ...silentMeter, count },
      log: { ...silentLog, warn: (fields: object) => warned.push(fields) },
      ...(queueOverflow && { queueOverflow }),
    })
  }

  /** A durable session that is offline and has four messages, 0 to 3. */
  async function fill(id = 'away', topic = 'a', qos: 1 | 2 = 1) {
    const { session, link } = await stored.connect(id, { expiry: 3600 })
    await stored.subscribe(session, topic)
    link.leave()
    for (let i = 0; i < 4; i++) await stored.publish(topic, `${i}`, { qos })
    return session
  }
  const waiting = async (id = 'away') => (await stored.connect(id, { expiry: 3600 })).receiver.payloads
  const entries = async () => (await stored.keys()).filter(key => key.startsWith('bus/queue')).length

  describe('refuse', () => {
    test('is what happens when nothing else is said: the message is not acknowledged', async () => {
      await start()
      await fill()
      await expect(stored.publish('a', '4')).rejects.toMatchObject(FULL)
      await expect(stored.publish('a', '4', { qos: 2 })).rejects.toMatchObject(FULL)
      expect(counted).toMatchObject({ 'refused queue-full': 2 })
      expect(counted).not.toHaveProperty('dropped queue-full')
      expect(await waiting()).toEqual(['0', '1', '2', '3'])
      await stored.publish('a', '4')
    })

    test('nothing has happened: nobody gets the message twice when it is repeated, and it is not retained', async () => {
      await start('refuse')
      const before = await stored.connect('before', { expiry: 3600 })
      await stored.subscribe(before.session, '#')
      await fill()
      const after = await stored.connect('after', { expiry: 3600 })
      await stored.subscribe(after.session, '#')
      const unreliable = await stored.connect('unreliable')
      await stored.subscribe(unreliable.session, '#', 0)
      const { session } = await stored.connect('publisher')
      const fields = { topic: 'a', payload: Buffer.from('4'), qos: 2 as const, retain: true }
      const message = () => stored.bus.arriving(fields, { kind: 'device', id: 'p', session: 'publisher' })
      expect(() => stored.bus.accept(message(), { session, packet: 7 })).toThrow(expect.objectContaining(FULL))
      expect(session.received.size).toBe(0)
      expect(stored.bus.retained.get('a')).toBeUndefined()
      expect(unreliable.receiver.got).toEqual([])
      expect([before, after].map(({ session: { queue } }) => queue.count)).toEqual([0, 0])
      expect(await entries()).toBe(4)
      await waiting()
      await stored.bus.accept(message(), { session, packet: 7 })
      for (const { receiver } of [before, after, unreliable])
        expect(receiver.payloads.filter(payload => payload === '4')).toEqual(['4'])
      expect(stored.bus.retained.get('a')?.payload.toString()).toBe('4')
    })

    test('ends when patience does: then the session gets nothing new, and the publisher is heard', async () => {
      await start('refuse')
      await fill()
      await expect(stored.publish('a', '4')).rejects.toMatchObject(FULL)
      stored.around.clock.time += 29_999
      await expect(stored.publish('a', '4')).rejects.toMatchObject(FULL)
      stored.around.clock.time += 1
      for (const payload of ['4', '5']) await stored.publish('a', payload)
      expect(counted).toMatchObject({ 'refused queue-full': 2, 'dropped queue-full': 2 })
      expect(warned).toEqual([{ session: 'away', owner: 'away', online: false, queued: 4 }])
    })

    test('begins anew only when the queue has been half empty', async () => {
      await start('refuse')
      const { queue } = await fill()
      const acknowledge = () => {
        const entry = queue.peek()
        if (entry === undefined) return
        queue.shift()
        queue.finish(entry)
      }
      await expect(stored.publish('a', '4')).rejects.toMatchObject(FULL)
      stored.around.clock.time += 30_000
      acknowledge()
      for (const payload of ['5', 'dropped']) await stored.publish('a', payload)
      acknowledge()
      acknowledge()
      for (const payload of ['6', '7']) await stored.publish('a', payload)
      await expect(stored.publish('a', '8')).rejects.toMatchObject(FULL)
      expect(await waiting()).toEqual(['3', '5', '6', '7'])
    })

    test('QoS 0 is not affected, and a will, which nobody repeats, reaches all others', async () => {
      await start('refuse')
      const { receiver, session } = await stored.connect('reader')
      await stored.subscribe(session, 'a')
      await fill()
      await stored.publish('a', 'unreliable', { qos: 0 })
      const message = { topic: 'a', payload: Buffer.from('gone'), qos: 2 as const, retain: false }
      const { link } = await stored.connect('dying', { will: { message, delay: 0 } })
      link.leave(true)
      expect(receiver.payloads.slice(4)).toEqual(['unreliable', 'gone'])
      expect(counted).toMatchObject({ 'dropped queue-full': 1 })
    })
  })

  test('drop-oldest: the newest are kept, also on disk', async () => {
    await start('drop-oldest')
    await fill('away', 'a', 2)
    for (let i = 4; i < 7; i++) await stored.publish('a', `${i}`, { qos: 2 })
    expect(counted).toMatchObject({ 'dropped queue-full-oldest': 3 })
    expect(await entries()).toBe(4)
    await stored.restart()
    expect(await waiting()).toEqual(['3', '4', '5', '6'])
  })

  test('drop-oldest: what has left already is not taken away', async () => {
    await start('drop-oldest')
    const { queue } = await fill()
    const first = queue.peek()
    if (first !== undefined) first.sent = true
    await stored.publish('a', '4')
    expect(await waiting()).toEqual(['0', '2', '3', '4'])
  })

  test('drop-new: the oldest are kept', async () => {
    await start('drop-new')
    await fill()
    for (let i = 4; i < 7; i++) await stored.publish('a', `${i}`)
    expect(counted).toMatchObject({ 'dropped queue-full': 3 })
    expect(await waiting()).toEqual(['0', '1', '2', '3'])
  })

  test('disconnect: a slow reader is ended, one who is away does without', async () => {
    await start('disconnect')
    const { receiver, session, link } = await stored.connect('slow', { expiry: 3600 })
    receiver.acknowledges = false
    await stored.subscribe(session, 'a')
    for (let i = 0; i < 4; i++) await stored.publish('a', `${i}`)
    await later()
    expect(link.endedBy).toBeNull()
    await stored.publish('a', '4')
    await later()
    expect([link.endedBy, session.ended]).toEqual(['queue-full', false])
    await stored.publish('a', '5')
    expect(counted).toMatchObject({ 'dropped queue-full': 2 })
  })

  test.each(QUEUE_OVERFLOWS)('%s: whoever keeps no session is ended, and refuses nobody', async policy => {
    await start(policy)
    const { receiver, session, link } = await stored.connect('slow')
    receiver.acknowledges = false
    await stored.subscribe(session, 'a')
    const other = await stored.connect('other')
    await stored.subscribe(other.session, 'a')
    for (let i = 0; i < 6; i++) await stored.publish('a', `${i}`)
    await later()
    expect([link.endedBy, session.ended]).toEqual(['queue-full', true])
    expect(receiver.payloads).toEqual(['0', '1', '2', '3'])
    expect(other.receiver.payloads).toEqual(['0', '1', '2', '3', '4', '5'])
    await stored.publish('a', '6')
    expect(counted).toMatchObject({ 'dropped queue-full': 2 })
  })

  test('whoever came back meanwhile is not ended for the connection before', async () => {
    await start('disconnect')
    const first = await stored.connect('slow', { expiry: 3600 })
    first.receiver.acknowledges = false
    await stored.subscribe(first.session, 'a')
    for (let i = 0; i < 5; i++) await stored.publish('a', `${i}`)
    const endedLater = later()
    const second = await stored.connect('slow', { expiry: 3600 })
    await endedLater
    expect(second.link.endedBy).toBeNull()
  })

  test('what has expired keeps nobody out', async () => {
    await start('refuse')
    const { session, link } = await stored.connect('away', { expiry: 3600 })
    await stored.subscribe(session, 'a')
    link.leave()
    await stored.publish('a', 'lasting')
    const properties = { messageExpiryInterval: 5 }
    for (let i = 0; i < 3; i++) await stored.publish('a', `${i}`, { properties })
    await expect(stored.publish('a', 'next')).rejects.toMatchObject(FULL)
    stored.around.clock.time += 10_000
    await stored.publish('a', 'next')
    expect(await waiting()).toEqual(['lasting', 'next'])
  })

  test('in a shared subscription the one whose queue is full is passed over', async () => {
    await start('refuse')
    const name = '$share/g/a'
    const slow = await stored.connect('slow', { expiry: 3600 })
    slow.receiver.acknowledges = false
    await stored.subscribe(slow.session, name)
    for (let i = 0; i < 4; i++) await stored.publish('a', `${i}`)
    const quick = await stored.connect('quick')
    await stored.subscribe(quick.session, name)
    for (let i = 4; i < 8; i++) await stored.publish('a', `${i}`)
    expect(quick.receiver.payloads).toEqual(['4', '5', '6', '7'])
    quick.link.leave()
    await expect(stored.publish('a', '8')).rejects.toMatchObject(FULL)
  })

  test('a session may have a rule of its own', async () => {
    await start('refuse')
    const queueLimits = { maximumQueued: 2, maximumQueuedBytes: 1000 }
    const { session, link } = await stored.connect('own', {
      expiry: 3600,
      principal: principal('own'),
      queueLimits,
      queueOverflow: 'drop-oldest',
    })
    await stored.subscribe(session, 'a')
    link.leave()
    for (let i = 0; i < 3; i++) await stored.publish('a', `${i}`)
    expect(await waiting('own')).toEqual(['1', '2'])
  })
})
