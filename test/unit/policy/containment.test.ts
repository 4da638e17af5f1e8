import { describe, expect, test } from 'vitest'
import { contains, intersects, representatives } from '../../../src/policy/containment.ts'

describe('contains', () => {
  test.each([
    [['#'], '#', true],
    [['#'], '+/a', true],
    [['#'], '$SYS/#', false],
    [['+/#'], '#', true],
    [['+', '+/+/#'], '#', true],
    [['+', '+/+/+/#'], '#', false],
    [['a/#'], 'a', true],
    [['a/#'], 'a/+/#', true],
    [['a/+'], 'a/#', false],
    [['a', 'a/+/#'], 'a/#', true],
    [['a/+/#'], 'a/#', false],
    [['a/b'], 'a/+', false],
    [['+/b', 'a/+'], 'a/b', true],
    [['+/b', 'a/+'], '+/+', false],
    [['$SYS/#'], '$SYS/+/x', true],
    [['+/x'], '$SYS/x', false],
    [['a/+'], 'a/$x', true],
    [['/+'], '/', true],
    [['+'], '/', false],
    [['+/+'], '/', true],
    [[], 'a', false],
  ])('%j contains %s: %s', (permits, filter, expected) => {
    expect(contains(permits, filter)).toBe(expected)
  })

  test('the longest topics there can be', () => {
    const deep = Array<string>(201).fill('a')
    expect(contains(['#'], deep.join('/'))).toBe(true)
    expect(contains([deep.join('/')], `${deep.slice(0, 200).join('/')}/+`)).toBe(false)
    expect(representatives(`${deep.slice(0, 200).join('/')}/#`, 201).map(topic => topic.length)).toEqual([200, 201])
  })
})

describe('intersects', () => {
  test.each([
    ['a/+', '+/b', true],
    ['a/#', 'a', true],
    ['a/#', 'b/#', false],
    ['#', 'x/y/z', true],
    ['#', '$SYS/x', false],
    ['+/x', '$SYS/x', false],
    ['$SYS/#', '$SYS', true],
    ['$SYS/+', '#', false],
    ['+/+', 'a', false],
    ['+/+/#', 'a', false],
    ['+/+/#', 'a/b', true],
    ['a/+/c', 'a/b/+', true],
    ['a/+/c', 'a/b/d', false],
    ['a', 'a', true],
    ['/', '+', false],
    ['a/', 'a/+', true],
  ])('%s and %s: %s', (one, other, expected) => {
    expect(intersects(one, other)).toBe(expected)
    expect(intersects(other, one)).toBe(expected)
  })
})
