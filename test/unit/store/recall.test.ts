import { expect, test } from 'vitest'
import { RememberedReads } from '../../../src/store/remembered.ts'
import { ManualClock, temporaryStore } from './temporary-store.ts'

const decode = (value: Buffer) => ({ text: value.toString() })

test('what was read is the same object until it is written', async () => {
  const store = await temporaryStore()
  await store.commit([{ put: 'a', value: 'one' }])
  const first = store.recall('a', decode)
  expect(first).toEqual({ text: 'one' })
  await store.commit([{ put: 'b', value: 'other' }])
  expect(store.recall('a', decode)).toBe(first)
})

test('a write is seen in the turn in which it is accepted', async () => {
  const store = await temporaryStore()
  expect(store.recall('a', decode)).toBeUndefined()
  const made = store.commit([{ put: 'a', value: 'one' }])
  expect(store.recall('a', decode)).toEqual({ text: 'one' })
  const changed = store.commit([{ put: 'a', value: 'two' }])
  expect(store.recall('a', decode)).toEqual({ text: 'two' })
  const gone = store.commit([{ del: 'a' }])
  expect(store.recall('a', decode)).toBeUndefined()
  await Promise.all([made, changed, gone])
  expect(store.recall('a', decode)).toBeUndefined()
})

test('a batch that is refused changes nothing', async () => {
  const store = await temporaryStore()
  await store.commit([{ put: 'a', value: 'one' }])
  const first = store.recall('a', decode)
  expect(() => store.commit([{ put: 'a', value: 'two', if: 1_000_000 }])).toThrow()
  expect(store.recall('a', decode)).toBe(first)
})

test('what expires is absent from then on, swept or not', async () => {
  const clock = new ManualClock()
  const store = await temporaryStore({ clock })
  await store.commit([{ put: 'a', value: 'one', expiresAt: clock.time + 10 }])
  expect(store.recall('a', decode)).toEqual({ text: 'one' })
  clock.time += 10
  expect(store.recall('a', decode)).toBeUndefined()
  expect(await store.sweep()).toBe(1)
  await store.commit([{ put: 'a', value: 'two' }])
  expect(store.recall('a', decode)).toEqual({ text: 'two' })
})

test('what was accepted and never came to disk is not remembered', async () => {
  let broken = false
  const fail = () => {
    if (broken) throw new Error('disk full')
  }
  const store = await temporaryStore({ faults: { beforeWrite: fail } })
  await store.commit([{ put: 'a', value: 'one' }])
  broken = true
  const lost = store.commit([{ put: 'a', value: 'two' }])
  expect(store.recall('a', decode)).toEqual({ text: 'two' })
  await expect(lost).rejects.toThrow('disk full')
  expect(store.recall('a', decode)).toEqual({ text: 'one' })
})

test('a value that cannot be decoded is asked for again', async () => {
  const store = await temporaryStore()
  await store.commit([{ put: 'a', value: '{' }])
  const parse = (value: Buffer) => JSON.parse(value.toString()) as unknown
  expect(() => store.recall('a', parse)).toThrow(SyntaxError)
  expect(() => store.recall('a', parse)).toThrow(SyntaxError)
})

const read = (value: unknown, bytes = 10) => ({ value, bytes, expiresAt: Number.POSITIVE_INFINITY })

test('the room is never exceeded, and what is used stays', () => {
  const reads = new RememberedReads(100)
  reads.set('used', read('used'))
  for (let i = 0; i < 1000; i++) {
    reads.set(`key ${i}`, read(i))
    expect(reads.get('used')?.value).toBe('used')
    expect(reads.bytes).toBeLessThanOrEqual(100)
  }
  expect(reads.get('key 999')?.value).toBe(999)
  expect(reads.get('key 0')).toBeUndefined()
})

test('what is larger than half of the room is not kept, nor what stood there before', () => {
  const reads = new RememberedReads(100)
  reads.set('a', read('small'))
  reads.set('a', read('large', 51))
  expect(reads.get('a')).toBeUndefined()
  expect(reads.bytes).toBe(0)
})

test('forgetting gives the room back, wherever it was', () => {
  const reads = new RememberedReads(100)
  for (const key of ['a', 'b', 'c', 'd', 'e', 'f']) reads.set(key, read(key)) // a to e are the older half now
  reads.forget('a')
  reads.forget('f')
  expect([reads.get('a'), reads.get('f')]).toEqual([undefined, undefined])
  expect(reads.bytes).toBe(40)
  reads.clear()
  expect(reads.bytes).toBe(0)
})
