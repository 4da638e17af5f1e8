import { array, assert, constantFrom, property } from 'fast-check'
import { describe, expect, test } from 'vitest'
import { FilterTree } from '../../../src/bus/filter-tree.ts'
import { TopicTree } from '../../../src/bus/topic-tree.ts'
import { isTopicFilter, isTopicName, matches } from '../../../src/model/topic.ts'

const level = constantFrom('', 'a', 'b', '$s', '__proto__', '+', '#')
const levels = array(level, { minLength: 1, maxLength: 4 }).map(parts => parts.join('/'))
const topics = array(levels.filter(isTopicName), { maxLength: 8 })
const filters = array(levels.filter(isTopicFilter), { maxLength: 8 })

describe('topic tree', () => {
  test('finds exactly what the filter matches', () => {
    assert(
      property(topics, filters, (names, asked) => {
        const tree = new TopicTree<{ topic: string }>()
        for (const topic of names) tree.set(topic, { topic })
        for (const filter of asked) {
          const found = [...tree.match(filter)].map(({ topic }) => topic).sort()
          expect(found).toEqual([...new Set(names)].filter(topic => matches(filter, topic)).sort())
        }
      }),
    )
  })

  test('forgets what is deleted, and the branches that led there', () => {
    assert(
      property(topics, topics, (names, gone) => {
        const tree = new TopicTree<{ topic: string }>()
        for (const topic of names) tree.set(topic, { topic })
        for (const topic of new Set(gone))
          expect(tree.delete(topic)?.topic).toBe(names.includes(topic) ? topic : undefined)
        const left = [...new Set(names)].filter(topic => !gone.includes(topic))
        expect(tree.size).toBe(left.length)
        for (const topic of left) expect(tree.get(topic)?.topic).toBe(topic)
        for (const topic of left) tree.delete(topic)
        expect([...tree.match('#')]).toEqual([])
        expect(tree.size).toBe(0)
      }),
    )
  })
})

describe('a long walk', () => {
  test('comes in steps, and misses nothing', () => {
    const tree = new TopicTree<{ topic: string }>()
    for (let i = 0; i < 10_000; i++) tree.set(`a/${i}/x`, { topic: `a/${i}/x` })
    const found = [...tree.matchInSteps('a/+/x')]
    expect(found.filter(value => value === null).length).toBeGreaterThan(5)
    expect(found.filter(value => value !== null)).toHaveLength(10_000)
    expect([...tree.matchInSteps('a/+/y')].every(value => value === null)).toBe(true)
    expect([...tree.match('a/+/x')]).toHaveLength(10_000)
    expect([...tree.matchInSteps('a/77/x')]).toEqual([{ topic: 'a/77/x' }])
  })
})

describe('filter tree', () => {
  test('finds exactly the filters that match the topic', () => {
    assert(
      property(filters, filters, topics, (added, removed, asked) => {
        const tree = new FilterTree<string>()
        for (const filter of added) tree.add(filter, filter)
        for (const filter of removed) tree.remove(filter, filter)
        const left = [...new Set(added)].filter(filter => !removed.includes(filter))
        for (const topic of asked)
          expect(tree.match(topic).sort()).toEqual(left.filter(filter => matches(filter, topic)).sort())
      }),
    )
  })

  test('holds a hundred thousand values of one filter', () => {
    const tree = new FilterTree<number>()
    for (let i = 0; i < 100_000; i++) tree.add('#', i)
    expect(tree.match('a')).toHaveLength(100_000)
    for (let i = 0; i < 99_999; i++) tree.remove('#', i)
    expect(tree.match('a')).toEqual([99_999])
  })
})
