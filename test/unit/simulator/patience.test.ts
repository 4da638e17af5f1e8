// When devices try again, and when they renew.
import { describe, expect, test } from 'vitest'
import { Backoff, pause, renewalDelay, shorter } from '../../../simulator/devices/patience.ts'

describe('backoff', () => {
  test('doubles from 0.2 s to 2 s, and begins anew after a success', () => {
    const backoff = new Backoff()
    expect(Array.from({ length: 6 }, () => backoff.next())).toEqual([200, 400, 800, 1_600, 2_000, 2_000])
    backoff.reset()
    expect(backoff.next()).toBe(200)
  })
})

describe('renewal', () => {
  test.each([
    [{ from: 0, until: 30_000 }, 0, 20_000],
    [{ from: 10_000, until: 40_000 }, 15_000, 15_000],
    [{ from: 0, until: 30_000 }, 25_000, 0], // long due
    [{ from: 0, until: 30_000 }, 99_000, 0],
    [{ from: 0, until: null }, 5_000, null],
  ])('of %j at %i is due in %s ms', (lease, now, due) => {
    expect(renewalDelay(lease, now)).toBe(due)
  })

  test.each([
    [{ from: 1, until: 10 }, 5, 5],
    [{ from: 1, until: 10 }, 20, 10],
    [{ from: 1, until: 10 }, null, 10],
    [{ from: 1, until: null }, 20, 20],
  ])('a token of %j under a key until %s ends at %s', (lease, until, end) => {
    expect(shorter(lease, until)).toEqual({ from: 1, until: end })
  })
})

describe('pause', () => {
  test('ends with its signal, before or after it began', async () => {
    const end = new AbortController()
    const waiting = pause(null, end.signal)
    end.abort()
    await waiting
    await pause(1_000_000, end.signal)
  })
})
