// Queues of sessions that are offline lie in the store; in memory there is only what it takes to find them.
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { BusParts } from '../../../src/bus/bus.ts'
import { queueKey } from '../../../src/bus/keys.ts'
import type { QueueEntry } from '../../../src/bus/queue.ts'
import type { Session } from '../../../src/bus/session.ts'
import { silentMeter } from '../../../src/model/meter.ts'
import { StoredBus } from './stored-bus.ts'

const DURABLE = { expiry: 3600 }
const LARGE = 'x'.repeat(1000)

describe('the queue of a session that is offline', () => {
  let stored: StoredBus
  let dropped: object[]
  beforeEach(async () => {
    dropped = []
    const count: BusParts['meter']['count'] = (name, labels = {}) => {
      if (name === 'latchkey_messages_dropped_total') dropped.push(labels)
    }
    stored = await StoredBus.open({ meter: { ...silentMeter, count } })
  })
  afterEach(() => stored.remove())

  async function away(): Promise<Session> {
    const { session, link } = await stored.connect('d1', DURABLE)
    await stored.subscribe(session, 'a/#')
    link.leave()
    return session
  }
  const comeBack = () => stored.connect('d1', DURABLE)
  const taken = ({ queue }: Session): QueueEntry[] => {
    const entries: QueueEntry[] = []
    for (let entry = queue.peek(); entry !== undefined; entry = queue.peek()) {
      queue.shift()
      entries.push(entry)
    }
    return entries
  }

  test('is not in memory, and comes back in order', async () => {
    const session = await away()
    for (let i = 0; i < 20; i++) await stored.publish('a/x', `${i} ${LARGE}`, { qos: i % 2 ? 1 : 2 })
    expect([session.queue.count, session.queue.bytesInMemory]).toEqual([20, 0])
    expect(session.queue.bytes).toBeGreaterThan(20_000)
    const { receiver } = await comeBack()
    expect(receiver.got.map(({ payload, qos }) => [Number.parseInt(payload, 10), qos])).toEqual(
      Array.from({ length: 20 }, (_, i) => [i, i % 2 ? 1 : 2]),
    )
    expect([session.queue.count, session.queue.bytes, session.queue.bytesInMemory]).toEqual([0, 0, 0])
  })

  test('comes back as it was, after a restart too', async () => {
    const properties = {
      contentType: 'text/plain',
      correlationData: Buffer.from([0, 1]),
      userProperties: [['a', 'b'] as const],
      messageExpiryInterval: 60,
    }
    for (const restarts of [false, true]) {
      await away()
      await stored.publish('a/x', 'x', { qos: 2, properties })
      if (restarts) await stored.restart()
      const session = stored.bus.sessions.get('d1')
      expect([session?.queue.count, session?.queue.bytesInMemory]).toEqual([1, 0])
      stored.around.clock.time += 10_000
      const [entry] = session ? taken(session) : []
      expect(entry).toMatchObject({ qos: 2, retain: false, sent: false, stored: true })
      const { message } = entry ?? {}
      const { messageExpiryInterval: _, ...kept } = properties
      expect(message?.properties).toEqual(kept)
      expect([message?.topic, message?.payload.toString(), message?.qos]).toEqual(['a/x', 'x', 2])
      expect(message?.secondsLeft(stored.around.clock.now())).toBe(50)
      if (entry) session?.queue.finish(entry)
    }
  })

  test('what a reader did not acknowledge leaves the memory when it does, and comes first and as a repetition', async () => {
    const { session, receiver, link } = await stored.connect('d1', DURABLE)
    receiver.acknowledges = false
    await stored.subscribe(session, 'a/#')
    session.receiver = {
      ...receiver,
      lane: null,
      congested: false,
      share() {},
      send() {},
      pass: () => false,
      queued() {},
    }
    for (const payload of ['0', '1', '2']) await stored.publish('a/x', payload)
    const inFlight = session.queue.peek()
    if (inFlight === undefined) throw new Error('nothing waits')
    session.queue.shift()
    inFlight.sent = true
    expect(session.queue.bytesInMemory).toBeGreaterThan(0)
    session.queue.putBack([inFlight])
    link.leave()
    expect(session.queue.bytesInMemory).toBe(0)
    await stored.publish('a/x', '3')
    expect(taken(session).map(({ message, sent }) => [message?.payload.toString(), sent])).toEqual([
      ['0', true],
      ['1', false],
      ['2', false],
      ['3', false],
    ])
  })

  test('whoever comes back while it is written misses nothing and gets nothing twice', async () => {
    await away()
    const publishing = Array.from({ length: 50 }, (_, i) => stored.publish('a/x', `${i}`, { qos: i % 2 ? 1 : 2 }))
    await publishing[10]
    const { receiver } = await comeBack()
    await Promise.all(publishing)
    receiver.queued()
    const numbers = receiver.payloads.map(Number)
    for (const remainder of [0, 1])
      expect(numbers.filter(number => number % 2 === remainder)).toEqual(
        Array.from({ length: 25 }, (_, i) => 2 * i + remainder),
      )
  })

  test('what expired there never leaves', async () => {
    const session = await away()
    await stored.publish('a/x', 'short', { properties: { messageExpiryInterval: 5 } })
    await stored.publish('a/x', 'long')
    stored.around.clock.time += 10_000
    session.queue.dropExpired(stored.around.clock.now())
    expect([session.queue.count, session.queue.bytesInMemory]).toEqual([1, 0])
    expect((await comeBack()).receiver.payloads).toEqual(['long'])
  })

  test('what cannot be read any more is left out and counted', async () => {
    const session = await away()
    for (const payload of ['0', '1', '2', '3']) await stored.publish('a/x', payload)
    const keys = [queueKey('d1', 1), queueKey('d1', 3)] as const
    await stored.store.commit([{ del: keys[0] }, { put: keys[1], value: Buffer.from('spoilt') }])
    expect((await comeBack()).receiver.payloads).toEqual(['1', '3'])
    expect(dropped).toEqual([{ reason: 'unreadable' }, { reason: 'unreadable' }])
    expect([session.queue.count, session.queue.bytes, session.queue.bytesInMemory]).toEqual([0, 0, 0])
  })
})
