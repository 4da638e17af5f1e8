import { describe, expect, test } from 'vitest'
import { isTopicFilter, isTopicName, MAX_LEVELS, matches, parseFilter } from '../../../src/model/topic.ts'

describe('topic names [MQTT-4.7.1-1] [MQTT-4.7.3-1] [MQTT-4.7.3-2]', () => {
  test.each(['a', 'a/b', '/', '/a', 'a/', 'a//b', 'ä/ö', '$SYS/x', ' '])('%j is a name', topic => {
    expect(isTopicName(topic)).toBe(true)
  })
  test.each(['', '+', '#', 'a/+', 'a/#', 'a+b', 'a\0b', `${'a/'.repeat(MAX_LEVELS)}a`, 'x'.repeat(65_536)])(
    '%j is none',
    topic => {
      expect(isTopicName(topic)).toBe(false)
    },
  )
})

describe('topic filters [MQTT-4.7.1-2] [MQTT-4.7.1-3]', () => {
  test.each(['#', '+', 'a/#', '+/+', '/+', '+/', 'a/+/b', '/#'])('%j is a filter', filter => {
    expect(isTopicFilter(filter)).toBe(true)
  })
  test.each(['', 'a#', '#/a', 'a/#/b', 'a+', '+a', '++', 'a/b+', '##', 'a\0'])('%j is none', filter => {
    expect(isTopicFilter(filter)).toBe(false)
  })
  test('a shared subscription is split [MQTT-4.8.2-1] [MQTT-4.8.2-2]', () => {
    expect(parseFilter('$share/g/a/+')).toEqual({ filter: 'a/+', group: 'g' })
    expect(parseFilter('a/+')).toEqual({ filter: 'a/+', group: null })
    for (const bad of [
      '$share',
      '$share/',
      '$share/g',
      '$share//a',
      '$share/g/',
      '$share/+/a',
      '$share/g#/a',
      '$share/g/a+',
    ]) {
      expect(parseFilter(bad), bad).toBeNull()
    }
  })
})

test.each([
  ['#', 'a', true],
  ['#', 'a/b/c', true],
  ['a/#', 'a', true],
  ['a/#', 'a/b', true],
  ['a/#', 'ab', false],
  ['+', 'a', true],
  ['+', '/a', false],
  ['/+', '/a', true],
  ['+/+', '/a', true],
  ['a/+', 'a', false],
  ['a/+', 'a/', true],
  ['a/+/c', 'a/b/c', true],
  ['a/+/c', 'a/b/d', false],
  ['#', '$SYS/a', false],
  ['+/a', '$SYS/a', false],
  ['$SYS/#', '$SYS/a', true],
  ['$SYS/+', '$SYS/a', true],
])('%s matches %s: %s [MQTT-4.7.2-1]', (filter, topic, expected) => {
  expect(matches(filter, topic)).toBe(expected)
})
