import { describe, expect, test } from 'vitest'
import { Failure } from '../../../src/model/failure.ts'
import type { GroupWrite } from '../../../src/store/level-store.ts'
import { Conflict, type StoreEvent } from '../../../src/store/store.ts'
import { collect, ManualClock, temporaryDirectory, temporaryStore } from './temporary-store.ts'

const text = (value: Buffer | null | undefined) => value?.toString()
const keys = async (entries: AsyncIterable<{ key: string }>) => (await collect(entries)).map(entry => entry.key)

describe('reading', () => {
  test('a batch is read as soon as it is accepted, and after it is durable, and after reopening', async () => {
    const directory = await temporaryDirectory()
    const store = await temporaryStore({ directory })
    const done = store.commit([
      { put: 'a', value: 'one' },
      { put: 'b', value: Buffer.from([0, 255]) },
    ])
    expect(text(store.get('a')?.value)).toBe('one')
    const revision = await done
    expect(store.get('a')).toEqual({ key: 'a', value: Buffer.from('one'), revision })
    await store.close()
    const again = await temporaryStore({ directory })
    expect(again.get('a')).toEqual({ key: 'a', value: Buffer.from('one'), revision })
    expect(again.get('b')?.value).toEqual(Buffer.from([0, 255]))
    expect(again.get('c')).toBeUndefined()
  })

  test('a deletion is seen at once and stays', async () => {
    const store = await temporaryStore()
    await store.commit([{ put: 'a', value: 'one' }])
    const done = store.commit([{ del: 'a' }])
    expect(store.get('a')).toBeUndefined()
    await done
    expect(store.get('a')).toBeUndefined()
  })

  test('a later batch hides an earlier one that is still on its way to the disk', async () => {
    const store = await temporaryStore()
    const first = store.commit([{ put: 'a', value: '1' }])
    await new Promise(resolve => setImmediate(resolve))
    const second = store.commit([{ put: 'a', value: '2' }])
    expect(text(store.get('a')?.value)).toBe('2')
    await first
    expect(text(store.get('a')?.value)).toBe('2')
    await second
    expect(text(store.get('a')?.value)).toBe('2')
  })

  test('the store keeps a copy: the buffer given may be used again', async () => {
    const store = await temporaryStore()
    const value = Buffer.from('before')
    const done = store.commit([{ put: 'a', value }])
    value.fill('x')
    expect(text(store.get('a')?.value)).toBe('before')
    await done
    expect(text(store.get('a')?.value)).toBe('before')
  })

  test('names of object members are keys like any other', async () => {
    const store = await temporaryStore()
    expect(store.get('constructor')).toBeUndefined()
    await store.commit([{ put: '__proto__', value: 'p' }])
    expect(text(store.get('__proto__')?.value)).toBe('p')
  })
})

describe('revisions and compare-and-set', () => {
  test('revisions rise with every batch, also over a reopening', async () => {
    const directory = await temporaryDirectory()
    const store = await temporaryStore({ directory })
    const first = await store.commit([{ put: 'a', value: '1' }])
    const second = await store.commit([{ put: 'b', value: '1' }])
    expect(first).toBeGreaterThan(0)
    expect(second).toBeGreaterThan(first)
    await store.close()
    const again = await temporaryStore({ directory })
    expect(await again.commit([{ put: 'c', value: '1' }])).toBeGreaterThan(second)
  })

  test('0 means that the key must not exist', async () => {
    const store = await temporaryStore()
    const done = store.commit([{ put: 'a', value: '1', if: 0 }])
    expect(() => store.commit([{ put: 'a', value: '2', if: 0 }])).toThrow(Conflict)
    await done
    expect(() => store.commit([{ put: 'a', value: '2', if: 0 }])).toThrow(Conflict)
    expect(text(store.get('a')?.value)).toBe('1')
  })

  test('a conflict in one operation leaves all of the batch undone', async () => {
    const store = await temporaryStore()
    const revision = await store.commit([{ put: 'a', value: '1' }])
    const attempts = [
      [
        { put: 'b', value: 'x' },
        { put: 'a', value: '2', if: revision + 1 },
      ],
      [
        { put: 'b', value: 'x' },
        { del: 'a', if: 0 },
      ],
      [
        { put: 'b', value: 'x' },
        { check: 'a', if: 0 },
      ],
    ]
    for (const operations of attempts) {
      expect(() => store.commit(operations)).toThrow(new Conflict('a'))
      expect(store.get('b')).toBeUndefined()
    }
    await store.commit([
      { check: 'a', if: revision },
      { put: 'b', value: 'y' },
    ])
    expect(text(store.get('b')?.value)).toBe('y')
    expect(store.get('a')?.revision).toBe(revision)
  })

  test('of many who race for one key exactly one wins', async () => {
    const store = await temporaryStore()
    const revision = await store.commit([{ put: 'token', value: 'unspent' }])
    let won = 0
    await Promise.all(
      Array.from({ length: 50 }, async (_, i) => {
        try {
          const done = store.commit([{ put: 'token', value: `spent by ${i}`, if: revision }])
          won++
          await done
        } catch (error) {
          expect(error).toBeInstanceOf(Conflict)
        }
      }),
    )
    expect(won).toBe(1)
  })

  test('keys of the store itself and impossible times are refused before anything is accepted', async () => {
    const store = await temporaryStore()
    const bad = [
      { put: '', value: '' },
      { put: '!store', value: '' },
      { del: '!revision' },
      { put: 'a', value: '', expiresAt: 1.5 },
      { put: 'a', value: '', expiresAt: Number.NaN },
      { put: 'a', value: '', expiresAt: 2 ** 48 },
      { put: 'a', value: new Uint8Array(1) as Buffer },
    ]
    for (const operation of bad) {
      expect(() => store.commit([{ put: 'b', value: '' }, operation])).toThrow()
      expect(store.get('b')).toBeUndefined()
    }
  })
})

describe('listing', () => {
  test('in key order, by prefix, from a key on, backwards, a limited number', async () => {
    const store = await temporaryStore()
    const names = ['d/1', 'd/2', 'd/3', 'd', 'd0', 'e/1', 'c/9', 'd/ü', 'd/\u{1f511}', 'd/\uffff']
    await store.commit(names.map(put => ({ put, value: put })))
    expect(await keys(store.list('d/'))).toEqual(['d/1', 'd/2', 'd/3', 'd/ü', 'd/\uffff', 'd/\u{1f511}'])
    expect(await keys(store.list('d/', { after: 'd/2', limit: 2 }))).toEqual(['d/3', 'd/ü'])
    expect(await keys(store.list('d/', { reverse: true, limit: 2 }))).toEqual(['d/\u{1f511}', 'd/\uffff'])
    expect(await keys(store.list('d/', { reverse: true, after: 'd/3' }))).toEqual(['d/2', 'd/1'])
    expect(await keys(store.list('d/', { after: 'a' }))).toHaveLength(6)
    expect(await keys(store.list('d/', { after: 'z' }))).toEqual([])
    expect(await keys(store.list('d/', { reverse: true, after: 'z' }))).toHaveLength(6)
    expect(await keys(store.list('d/', { reverse: true, after: 'a' }))).toEqual([])
    expect(await keys(store.list('d/', { limit: 0 }))).toEqual([])
    expect(await keys(store.list(''))).toHaveLength(names.length)
  })

  test('more than one chunk, left early', async () => {
    const store = await temporaryStore()
    const operations = Array.from({ length: 2_500 }, (_, i) => ({ put: `k/${String(i).padStart(5, '0')}`, value: 'x' }))
    await store.commit(operations, 'write')
    expect(await keys(store.list('k/'))).toEqual(operations.map(operation => operation.put))
    for await (const entry of store.list('k/')) {
      if (entry.key === 'k/01200') break
    }
    expect(await keys(store.list('k/', { limit: 1_500 }))).toHaveLength(1_500)
  })
})

describe('expiry', () => {
  test('an entry reads as absent from its time on, counts as absent in compare-and-set, and is swept', async () => {
    const clock = new ManualClock()
    const directory = await temporaryDirectory()
    const store = await temporaryStore({ directory, clock })
    const expiresAt = clock.time + 1_000
    await store.commit([
      { put: 'a', value: '1', expiresAt },
      { put: 'b', value: '1', expiresAt: expiresAt + 1 },
      { put: 'c', value: '1' },
    ])
    clock.time = expiresAt - 1
    expect(await keys(store.list(''))).toEqual(['a', 'b', 'c'])
    expect(await store.sweep()).toBe(0)
    clock.time = expiresAt
    expect(store.get('a')).toBeUndefined()
    expect(await keys(store.list(''))).toEqual(['b', 'c'])
    const seen: StoreEvent[] = []
    store.watch('', event => seen.push(event))
    expect(await store.sweep()).toBe(1)
    expect(seen).toEqual([{ type: 'del', key: 'a', value: null, revision: expect.any(Number) }])
    clock.time = 0 // also with a clock that went back: it is really gone
    expect(await keys(store.list(''))).toEqual(['b', 'c'])
    await store.commit([{ put: 'a', value: 'new', if: 0 }])
  })

  test('what was written again with a later end or none is not swept with its old end', async () => {
    const clock = new ManualClock()
    const store = await temporaryStore({ clock })
    for (const key of ['longer', 'for-ever', 'deleted', 'revived']) {
      await store.commit([{ put: key, value: '1', expiresAt: clock.time + 10 }])
    }
    await store.commit([
      { put: 'longer', value: '2', expiresAt: clock.time + 1_000 },
      { put: 'for-ever', value: '2' },
      { del: 'deleted' },
    ])
    clock.time += 10
    await store.commit([{ put: 'revived', value: '2', if: 0, expiresAt: clock.time + 1_000 }])
    expect(await store.sweep()).toBe(0)
    expect(await keys(store.list(''))).toEqual(['for-ever', 'longer', 'revived'])
    clock.time += 1_000
    expect(await store.sweep()).toBe(2)
    expect(await keys(store.list(''))).toEqual(['for-ever'])
  })

  test('a sweep larger than one step', async () => {
    const clock = new ManualClock()
    const store = await temporaryStore({ clock })
    await store.commit(
      Array.from({ length: 1_700 }, (_, i) => ({ put: `t/${i}`, value: '', expiresAt: clock.time + (i % 7) })),
    )
    clock.time += 10
    expect(await Promise.all([store.sweep(), store.sweep()])).toEqual([1_700, 1_700]) // one sweep, asked for twice
    expect(await store.sweep()).toBe(0)
  })

  test('the timer sweeps', async () => {
    const clock = new ManualClock()
    const store = await temporaryStore({ clock, sweepInterval: 5 })
    await store.commit([{ put: 'a', value: '', expiresAt: clock.time }])
    await new Promise<void>(resolve => {
      store.watch('a', event => event.type === 'del' && resolve())
    })
  })
})

describe('group commit', () => {
  test('everything accepted in one turn, or during a write, shares one write; one fsync member syncs it', async () => {
    const writes: GroupWrite[] = []
    const store = await temporaryStore({ faults: { beforeWrite: write => writes.push(write) } })
    await store.commit([{ put: 'first', value: '' }], 'write') // carries the store's own revision counter
    writes.length = 0
    const put = (key: string, durability: 'fsync' | 'write') => store.commit([{ put: key, value: '' }], durability)
    await Promise.all([put('a', 'write'), put('b', 'write'), put('c', 'write')])
    await Promise.all([put('d', 'write'), put('e', 'fsync'), put('f', 'write')])
    const during = put('g', 'write')
    await new Promise(resolve => setImmediate(resolve))
    await Promise.all([during, put('h', 'fsync'), put('i', 'write')])
    expect(writes.map(({ operations, sync }) => [operations, sync])).toEqual([
      [3, false],
      [3, true],
      [1, false],
      [2, true],
    ])
  })

  test('fsync is the default', async () => {
    const writes: GroupWrite[] = []
    const store = await temporaryStore({ faults: { beforeWrite: write => writes.push(write) } })
    await store.commit([{ put: 'a', value: '' }])
    expect(writes[0]?.sync).toBe(true)
  })

  test('a window gathers what comes within it', async () => {
    const writes: GroupWrite[] = []
    const store = await temporaryStore({ groupWindow: 50, faults: { beforeWrite: write => writes.push(write) } })
    const first = store.commit([{ put: 'a', value: '' }])
    await new Promise(resolve => setTimeout(resolve, 2))
    const second = store.commit([{ put: 'b', value: '' }])
    await Promise.all([first, second])
    expect(writes).toHaveLength(1)
  })

  test('promises resolve in the order of acceptance, with rising revisions', async () => {
    const store = await temporaryStore()
    const order: number[] = []
    const revisions = await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        store.commit(i % 3 === 0 ? [] : [{ put: `k${i}`, value: '' }]).then(revision => {
          order.push(i)
          return revision
        }),
      ),
    )
    expect(order).toEqual(Array.from({ length: 20 }, (_, i) => i))
    expect(revisions).toEqual([...revisions].sort((a, b) => a - b))
    expect(new Set(revisions).size).toBe(20)
  })

  test('flush waits for what was accepted before it', async () => {
    const store = await temporaryStore()
    await store.flush()
    let durable = 0
    const count = () => durable++
    void store.commit([{ put: 'a', value: '' }], 'write').then(count)
    await new Promise(resolve => setImmediate(resolve))
    void store.commit([{ put: 'b', value: '' }], 'write').then(count)
    await store.flush()
    expect(durable).toBe(2)
    expect(await keys(store.list(''))).toEqual(['a', 'b'])
  })
})

describe('watching', () => {
  test('events come in order, after durability, before the promise resolves, for the prefix only', async () => {
    const store = await temporaryStore()
    const seen: string[] = []
    const stop = store.watch('d/', event => {
      seen.push(`${event.type} ${event.key} ${text(event.value)}`)
    })
    store.watch('d/', () => {
      throw new Error('a listener that fails')
    })
    const done = store.commit([
      { put: 'd/1', value: 'x' },
      { put: 'e/1', value: 'x' },
      { put: 'd/2', value: 'y' },
    ])
    const deleted = store.commit([{ del: 'd/1' }])
    expect(seen).toEqual([])
    await Promise.all([done, deleted])
    expect(seen).toEqual(['put d/1 x', 'put d/2 y', 'del d/1 undefined'])
    stop()
    await store.commit([{ put: 'd/3', value: 'z' }])
    expect(seen).toHaveLength(3)
  })
})

describe('failing', () => {
  test('a failed write rejects everything accepted, hides it, and refuses further commits until reopened', async () => {
    const directory = await temporaryDirectory()
    let fail = false
    const counted: string[] = []
    const store = await temporaryStore({
      directory,
      meter: { count: name => counted.push(name), gauge() {}, observe() {} },
      faults: {
        beforeWrite() {
          if (fail) throw new Error('ENOSPC: no space left on device')
        },
      },
    })
    const revision = await store.commit([{ put: 'a', value: 'kept' }])
    fail = true
    const writing = store.commit([{ put: 'a', value: 'lost' }])
    await new Promise(resolve => process.nextTick(resolve))
    const gathered = store.commit([{ put: 'b', value: 'lost' }])
    const flushed = store.flush()
    for (const promise of [writing, gathered, flushed]) {
      await expect(promise).rejects.toMatchObject({ code: 'store-failed', message: expect.stringContaining('ENOSPC') })
    }
    expect(store.get('a')).toEqual({ key: 'a', value: Buffer.from('kept'), revision })
    expect(store.get('b')).toBeUndefined()
    fail = false
    await expect(store.commit([{ put: 'c', value: '' }])).rejects.toBeInstanceOf(Failure)
    await expect(store.commit([{ put: 'c', value: '', if: 99 }])).rejects.toMatchObject({ code: 'store-failed' })
    await expect(store.flush()).rejects.toMatchObject({ code: 'store-failed' })
    expect(await store.sweep()).toBe(0)
    expect(counted.filter(name => name === 'latchkey_store_failures_total')).toHaveLength(1)
    await store.close()
    const again = await temporaryStore({ directory })
    expect(text(again.get('a')?.value)).toBe('kept')
    expect(await again.commit([{ put: 'c', value: '' }])).toBeGreaterThan(revision)
  })

  test('after closing nothing is accepted, and what was accepted is on disk', async () => {
    const directory = await temporaryDirectory()
    const store = await temporaryStore({ directory })
    const last = store.commit([{ put: 'a', value: '1' }], 'write')
    const closing = store.close()
    await expect(store.commit([{ put: 'b', value: '1' }])).rejects.toMatchObject({ code: 'shutting-down' })
    await Promise.all([last, closing, store.close()])
    expect(() => store.get('a')).toThrow(Failure)
    await expect(collect(store.list(''))).rejects.toMatchObject({ code: 'shutting-down' })
    const again = await temporaryStore({ directory })
    expect(text(again.get('a')?.value)).toBe('1')
    expect(again.get('b')).toBeUndefined()
  })
})
