import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Journal } from '../../../src/bus/journal.ts'
import { queueKey } from '../../../src/bus/keys.ts'
import { Message } from '../../../src/bus/message.ts'
import { Queue, QueueEntry } from '../../../src/bus/queue.ts'
import { putEntry, readEntry } from '../../../src/bus/session-records.ts'
import { silentLog } from '../../../src/model/log.ts'
import { silentMeter } from '../../../src/model/meter.ts'
import { type GroupWrite, LevelStore } from '../../../src/store/level-store.ts'

describe('journal', () => {
  let folder: string
  let store: LevelStore
  let journal: Journal
  let fails = false
  const writes: GroupWrite[] = []
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'latchkey-journal-'))
    writes.length = 0
    fails = false
    const clock = { now: () => Date.now() }
    const faults = {
      beforeWrite: (write: GroupWrite) => {
        writes.push(write)
        if (fails) throw new Error('disk full')
      },
    }
    store = await LevelStore.open({ directory: join(folder, 'db'), clock, meter: silentMeter, log: silentLog, faults })
    journal = new Journal(store, 'write', silentMeter)
  })
  afterEach(async () => {
    await store.close()
    await rm(folder, { recursive: true, force: true })
  })

  const entry = (sequence: number, payload = 'x') => {
    const message = new Message({
      topic: 't',
      payload: Buffer.from(payload),
      qos: 1,
      retain: false,
      expiresAt: null,
      publisher: null,
    })
    return new QueueEntry({ sequence, message, qos: 1, retain: false, identifiers: [7], durable: true, epoch: 1 })
  }

  test('what one moment writes is one batch', async () => {
    await Promise.all(['a', 'b', 'c'].map(key => journal.write([{ put: key, value: key }])))
    expect(writes.map(({ sync }) => sync)).toEqual([false])
    expect(['a', 'b', 'c'].map(key => store.get(key)?.value.toString())).toEqual(['a', 'b', 'c'])
  })

  test('an entry that is finished before its batch is spared; the others come back as they were', async () => {
    const [spared, kept] = [entry(1), entry(2, 'kept')]
    const queueStore = { remove() {}, release: async () => {}, read: () => null }
    const queue = new Queue(queueStore, { maximumQueued: 10, maximumQueuedBytes: 1000 })
    const offline = { id: 'd1', receiver: null, queue }
    const written = journal.write([putEntry(offline, spared), putEntry(offline, kept)])
    expect(kept.isAway).toBe(false)
    spared.finished = true
    await written
    expect([spared.stored, kept.stored]).toEqual([false, true])
    expect([spared.isAway, kept.isAway]).toEqual([false, true])
    expect(store.get(queueKey('d1', 1))).toBeUndefined()
    const found = store.get(queueKey('d1', 2))
    if (found === undefined) throw new Error('the entry is not there')
    const restored = readEntry(2, found)
    expect(restored).toMatchObject({
      sequence: 2,
      qos: 1,
      identifiers: [7],
      stored: true,
      sent: false,
      permittedAt: -1,
    })
    expect(restored.message?.payload.toString()).toBe('kept')
  })

  test('a batch that the store refuses is refused to all who wait for it', async () => {
    fails = true
    const results = await Promise.allSettled([
      journal.write([{ put: 'a', value: '1' }]),
      journal.write([{ put: 'b', value: '2' }]),
    ])
    expect(results).toMatchObject([
      { status: 'rejected', reason: { code: 'store-failed' } },
      { status: 'rejected', reason: { code: 'store-failed' } },
    ])
    journal.note([{ put: 'c', value: '3' }])
    await journal.close()
  })

  test('closing waits for everything noted', async () => {
    journal.note([{ put: 'a', value: '1' }])
    await journal.close()
    expect(store.get('a')?.value.toString()).toBe('1')
  })
})
