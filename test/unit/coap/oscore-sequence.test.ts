import fc from 'fast-check'
import { expect, test } from 'vitest'
import { SenderSequence, STATE_PREFIX } from '../../../src/coap/oscore-sequence.ts'
import { Conflict, type Entry, type Operation, type Store } from '../../../src/store/store.ts'
import { temporaryStore } from '../store/temporary-store.ts'

type Parts = ConstructorParameters<typeof SenderSequence>[1]
const parts = (store: Parts['store'], more: Partial<Parts> = {}): Parts => ({
  store,
  stretch: 10,
  last: 1000,
  expiresAt: undefined,
  ...more,
})

/** Takes what there is, waiting for more when it must. */
async function take(sequence: SenderSequence, count: number): Promise<number[]> {
  const taken: number[] = []
  while (taken.length < count && !sequence.isExhausted) {
    const number = sequence.take()
    if (number === null) await sequence.reserve()
    else taken.push(number)
  }
  return taken
}

test('numbers ascend from 0, and beyond what was written down at once', async () => {
  const sequence = new SenderSequence('c1', parts(await temporaryStore()))
  expect(await sequence.open()).toBe('unused')
  expect(await take(sequence, 35)).toEqual(Array.from({ length: 35 }, (_, i) => i))
})

test('whoever comes after begins where nobody can have been', async () => {
  const store = await temporaryStore()
  const first = new SenderSequence('c1', parts(store))
  await first.open()
  const used = await take(first, 13)
  const second = new SenderSequence('c1', parts(store))
  expect(await second.open()).toBe('used')
  const [next] = await take(second, 1)
  expect(next).toBeGreaterThan(Math.max(...used))
  expect(await new SenderSequence('c2', parts(store)).open()).toBe('unused')
})

test('no number is given twice, however often somebody is forgotten in the middle of it', async () => {
  const lives = fc.array(fc.integer({ min: 0, max: 40 }), { minLength: 1, maxLength: 8 })
  await fc.assert(
    fc.asyncProperty(lives, fc.integer({ min: 1, max: 16 }), async (counts, stretch) => {
      const store = memoryStore()
      const given = new Set<number>()
      const before: SenderSequence[] = []
      for (const count of counts) {
        const sequence = new SenderSequence('c', parts(store, { stretch }))
        await sequence.open()
        const taken = await take(sequence, count)
        // Those who were forgotten go on with what they have.
        for (const old of before) for (let number = old.take(); number !== null; number = old.take()) taken.push(number)
        for (const number of taken) {
          expect(given).not.toContain(number)
          given.add(number)
        }
        before.push(sequence)
      }
    }),
    { numRuns: 50 },
  )
})

test('whoever was forgotten reserves no more', async () => {
  const store = await temporaryStore()
  const first = new SenderSequence('c1', parts(store))
  await first.open()
  await new SenderSequence('c1', parts(store)).open()
  await expect(first.reserve()).rejects.toBeInstanceOf(Conflict)
})

test('the last number ends it, also after a restart, and a lower bound takes nothing back', async () => {
  const store = await temporaryStore()
  const sequence = new SenderSequence('c1', parts(store, { last: 24 }))
  await sequence.open()
  expect(await take(sequence, 100)).toHaveLength(25)
  expect(sequence.isExhausted).toBe(true)
  expect(sequence.take()).toBeNull()
  for (const last of [24, 5]) {
    const again = new SenderSequence('c1', parts(store, { last }))
    expect(await again.open()).toBe('used')
    expect(again.isExhausted).toBe(true)
  }
  const wider = new SenderSequence('c1', parts(store, { last: 30 }))
  await wider.open()
  expect(await take(wider, 100)).toEqual([25, 26, 27, 28, 29, 30])
})

test('nothing is given that could not be written down', async () => {
  const store: Parts['store'] = {
    get: () => undefined,
    commit: () => Promise.reject(new Error('the disk is full')),
  }
  const sequence = new SenderSequence('c1', parts(store))
  await expect(sequence.open()).rejects.toThrow('the disk is full')
  expect(sequence.take()).toBeNull()
})

test('what is written goes with its context', async () => {
  const store = await temporaryStore()
  const expiresAt = Date.now() + 3_600_000
  await new SenderSequence('c1', parts(store, { expiresAt })).open()
  expect(store.get(`${STATE_PREFIX}c1`)?.value.toString()).toBe('{"reserved":10}')
})

/** Of one key at a time. */
function memoryStore(): Pick<Store, 'get' | 'commit'> {
  const entries = new Map<string, Entry>()
  let revision = 0
  return {
    get: key => entries.get(key),
    commit(operations: readonly Operation[]) {
      for (const operation of operations) {
        if (!('put' in operation)) throw new Error('only puts are expected')
        if ((entries.get(operation.put)?.revision ?? 0) !== (operation.if ?? 0))
          return Promise.reject(new Conflict(operation.put))
      }
      revision += 1
      for (const operation of operations)
        if ('put' in operation)
          entries.set(operation.put, { key: operation.put, value: Buffer.from(operation.value), revision })
      return Promise.resolve(revision)
    },
  }
}
