import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ExpiryQueue } from '../../../src/access/expiry-queue.ts'

test('gives out what has ended, first ends first', () => {
  const queue = new ExpiryQueue<string>()
  for (const [item, at] of [
    ['c', 30],
    ['a', 10],
    ['b', 20],
    ['d', 40],
  ] as const)
    queue.set(item, at)
  queue.set('d', 5)
  queue.set('b', null)
  expect([queue.size, queue.next]).toEqual([3, 5])
  expect(queue.takeDue(30)).toEqual(['d', 'a', 'c'])
  expect([queue.size, queue.next]).toEqual([0, null])
})

test('does as a sorted list does', () => {
  const step = fc.oneof(fc.record({ set: fc.nat(12), at: fc.option(fc.nat(50)) }), fc.record({ take: fc.nat(50) }))
  const agrees = fc.property(fc.array(step, { maxLength: 60 }), steps => {
    const queue = new ExpiryQueue<number>()
    const list = new Map<number, number>()
    for (const each of steps) {
      if ('set' in each) {
        queue.set(each.set, each.at)
        if (each.at === null) list.delete(each.set)
        else list.set(each.set, each.at)
      } else {
        const due = [...list].filter(([, at]) => at <= each.take)
        for (const [item] of due) list.delete(item)
        expect(queue.takeDue(each.take).sort()).toEqual(due.map(([item]) => item).sort())
      }
      expect(queue.size).toBe(list.size)
      expect(queue.next).toBe(list.size === 0 ? null : Math.min(...list.values()))
    }
  })
  fc.assert(agrees, { seed: 20_260_107, numRuns: 500 })
})
