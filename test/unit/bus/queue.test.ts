import { beforeEach, describe, expect, test } from 'vitest'
import { Backlog } from '../../../src/bus/backlog.ts'
import { Message } from '../../../src/bus/message.ts'
import { Queue, type QueueEntry } from '../../../src/bus/queue.ts'

const message = (payload: string) =>
  new Message({ topic: 't', payload: Buffer.from(payload), qos: 1, retain: false, expiresAt: null, publisher: null })
const delivery = (qos: 1 | 2 = 1) => ({ qos, retain: false, identifiers: [] })

describe('queue', () => {
  let removed: number[]
  let queue: Queue
  beforeEach(() => {
    removed = []
    const store = { remove: (sequence: number) => removed.push(sequence), release: async () => {}, read: () => null }
    queue = new Queue(store, { maximumQueued: 3, maximumQueuedBytes: 100 })
  })

  const add = (payload: string, qos: 1 | 2 = 1): QueueEntry => {
    const entry = queue.reserve(message(payload), delivery(qos), true, 1)
    queue.add(entry)
    return entry
  }
  const take = (): QueueEntry => {
    const entry = queue.peek()
    if (entry === undefined) throw new Error('nothing waits')
    queue.shift()
    return entry
  }

  test('entries leave in the order in which they were added', () => {
    const [a, b] = [add('a'), add('b')]
    expect([take(), take()]).toEqual([a, b])
    expect(queue.isEmpty).toBe(true)
    expect(queue.count).toBe(2)
    queue.finish(a)
    queue.finish(a)
    expect(queue.count).toBe(1)
  })

  test('is full by count or by bytes, until something is finished', () => {
    const [a] = [add('a'), add('b'), add('c')]
    expect(queue.isFull).toBe(true)
    take()
    expect(queue.isFull).toBe(true)
    if (a) queue.finish(a)
    expect(queue.isFull).toBe(false)
    add('x'.repeat(100))
    expect(queue.isFull).toBe(true)
    expect(queue.bytes).toBe(2 * 2 + 101)
  })

  test('properties count', () => {
    const fields = {
      topic: 't',
      payload: Buffer.from('x'),
      qos: 1,
      retain: false,
      expiresAt: null,
      publisher: null,
    } as const
    const userProperties = [
      ['a', 'bc'],
      ['a', ''],
    ] as const
    const properties = { contentType: '1234', responseTopic: '12', correlationData: Buffer.alloc(7), userProperties }
    expect(new Message({ ...fields, properties }).size).toBe(2 + 13 + 4 + 2 * 32)
    const large = new Message({ ...fields, properties: { userProperties: [['name', 'x'.repeat(100)]] } })
    queue.add(queue.reserve(large, delivery(), true, 1))
    expect(queue.isFull).toBe(true)
  })

  test('is full since somebody asked, until it is half empty by count and by bytes', () => {
    for (const payload of ['a', 'b', 'x'.repeat(100)]) add(payload)
    const [a, b] = [take(), take()]
    expect([queue.fullFor(1000), queue.fullFor(1500), queue.isKnownFull]).toEqual([0, 500, true])
    queue.finish(a)
    expect(queue.fullFor(2000)).toBe(1000)
    queue.finish(b) // one of three, and more than half of the bytes
    expect(queue.isKnownFull).toBe(true)
    expect(queue.fullFor(900)).toBe(0) // the clock was set back
    queue.finish(take())
    expect(queue.isKnownFull).toBe(false)
  })

  test('what was not finished goes back to the front, in its old order', () => {
    const [a, b, c] = [add('a'), add('b'), add('c')]
    take()
    take()
    queue.putBack([b, a])
    expect([take(), take(), take()]).toEqual([a, b, c])
  })

  test('what lies in the store is removed when it is finished', () => {
    const [a, b] = [add('a'), add('b')]
    b.stored = true
    take()
    take()
    queue.finish(a)
    queue.finish(b)
    expect(removed).toEqual([b.sequence])
    expect(b.message).toBeNull()
  })

  test('a restored queue goes on behind its highest sequence', () => {
    const old = add('old')
    const store = { remove() {}, release: async () => {}, read: () => null }
    const restored = new Queue(store, { maximumQueued: 3, maximumQueuedBytes: 100 })
    old.stored = true
    restored.restore(old)
    expect(restored.count).toBe(1)
    expect(restored.nextSequence()).toBe(old.sequence + 1)
  })

  test('what has left before a restart leaves as a repetition, and no later entry takes its place', () => {
    const entries = ['a', 'b', 'c'].map(payload => add(payload, 2))
    expect(queue.sentUpTo).toBe(0)
    const [a, b] = [take(), take()]
    a.sent = b.sent = true
    queue.putBack([b, a])
    expect(queue.sentUpTo).toBe(b.sequence)
    for (const [upTo, sent, next] of [
      [0, [false, false, false], 4],
      [2, [true, true, false], 4],
      [9, [true, true, true], 10],
      [Number.POSITIVE_INFINITY, [true, true, true], 4],
    ] as const) {
      const store = { remove() {}, release: async () => {}, read: () => null }
      const restored = new Queue(store, { maximumQueued: 3, maximumQueuedBytes: 100 })
      for (const entry of entries) {
        entry.sent = false
        restored.restore(entry)
      }
      restored.resume(upTo)
      expect(entries.map(entry => entry.sent)).toEqual(sent)
      expect(restored.nextSequence()).toBe(next)
    }
  })

  test('somebody else at the receiving end: everything that waits is decided again', () => {
    const [a, b] = [add('a'), add('b')]
    expect([a.permittedAt, b.permittedAt]).toEqual([1, 1])
    queue.forgetPermits()
    expect([a.permittedAt, b.permittedAt]).toEqual([-1, -1])
  })

  test('an abandoned queue lets go of everything and names what lies in the store', () => {
    const [a, b] = [add('a'), add('b')]
    const reserved = queue.reserve(message('c'), delivery(2), true, 1)
    b.stored = reserved.stored = true
    let told = 0
    a.onFinished = () => told++
    expect(queue.abandon().sort()).toEqual([b.sequence, reserved.sequence])
    expect([a.finished, b.finished, reserved.finished, told, queue.count, queue.isEmpty]).toEqual([
      true,
      true,
      true,
      1,
      0,
      true,
    ])
  })

  test('a released exchange keeps its place without its message', async () => {
    const entry = add('a', 2)
    expect(queue.release(entry)).toBeNull()
    expect(entry).toMatchObject({ released: true, message: null })
    const stored = add('b', 2)
    stored.stored = true
    const releases = [queue.release(stored), queue.release(stored)]
    for (const release of releases) await expect(release).resolves.toBeUndefined()
    expect(queue.release(stored)).toBeNull()
  })
})

describe('backlog', () => {
  test('goes on where it stopped, one step after the other', () => {
    const backlog = new Backlog()
    const log: string[] = []
    let room = 1
    const step = (name: string, times: number) => () => {
      for (; times > 0 && room > 0; times--, room--) log.push(name)
      return times === 0
    }
    backlog.add(step('a', 2))
    backlog.add(step('b', 1))
    expect(log).toEqual(['a'])
    room = 2
    backlog.goOn()
    expect(log).toEqual(['a', 'a', 'b'])
    expect(backlog.isEmpty).toBe(true)
  })

  test('a step may ask to go on', () => {
    const backlog = new Backlog()
    let steps = 0
    backlog.add(() => {
      backlog.goOn()
      return ++steps === 1
    })
    expect(steps).toBe(1)
  })
})
