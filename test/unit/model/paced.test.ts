import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Paced } from '../../../src/model/paced.ts'

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setImmediate', 'setTimeout'] })
})
afterEach(() => {
  vi.useRealTimers()
})

function counted(): { times: () => number; paced: Paced } {
  let times = 0
  return { times: () => times, paced: new Paced(() => times++, 5) }
}

test('what is asked for is done once, at the end of the turn', () => {
  const { times, paced } = counted()
  paced.ask()
  paced.ask()
  expect(times()).toBe(0)
  vi.advanceTimersByTime(0)
  expect(times()).toBe(1)
})

test('asked for in every turn, it is done as often as it may be', () => {
  const { times, paced } = counted()
  for (let millisecond = 0; millisecond < 100; millisecond++) {
    paced.ask()
    vi.advanceTimersByTime(1)
  }
  expect(times()).toBeLessThanOrEqual(1 + 100 / 5)
  expect(times()).toBeGreaterThanOrEqual(18)
})

test('after a rest nobody waits', () => {
  const { times, paced } = counted()
  paced.ask()
  vi.advanceTimersByTime(50)
  paced.ask()
  vi.advanceTimersByTime(0)
  expect(times()).toBe(2)
})

test('work that fails does not end it', () => {
  let left = 1
  const paced = new Paced(() => {
    if (left-- > 0) throw new Error('once')
  }, 5)
  paced.ask()
  expect(() => vi.advanceTimersByTime(0)).toThrow('once')
  paced.ask()
  vi.advanceTimersByTime(5)
  expect(left).toBe(-1)
})
