import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { Alarm } from '../../../src/bus/alarm.ts'

describe('alarm', () => {
  beforeEach(() => {
    vi.useFakeTimers({ now: 1_000_000 })
  })
  afterEach(() => {
    vi.useRealTimers()
  })
  const clock = { now: () => Date.now() }

  test.each([0, 500, 60_000, 40 * 86_400_000])('rings once, %i ms from now', async milliseconds => {
    const ring = vi.fn()
    new Alarm(clock.now() + milliseconds, clock, ring)
    if (milliseconds > 0) {
      await vi.advanceTimersByTimeAsync(milliseconds - 1)
      expect(ring).not.toHaveBeenCalled()
    }
    await vi.advanceTimersByTimeAsync(2)
    expect(ring).toHaveBeenCalledTimes(1)
    await vi.advanceTimersByTimeAsync(100 * 86_400_000)
    expect(ring).toHaveBeenCalledTimes(1)
  })

  test('a time that has passed rings in the next turn', async () => {
    const ring = vi.fn()
    new Alarm(clock.now() - 5000, clock, ring)
    expect(ring).not.toHaveBeenCalled()
    await vi.advanceTimersByTimeAsync(1)
    expect(ring).toHaveBeenCalledTimes(1)
  })

  test('waits on when the clock was set back meanwhile', async () => {
    const ring = vi.fn()
    let shift = 0
    new Alarm(clock.now() + 1000, { now: () => clock.now() + shift }, ring)
    shift = -5000
    await vi.advanceTimersByTimeAsync(1000)
    expect(ring).not.toHaveBeenCalled()
    await vi.advanceTimersByTimeAsync(5000)
    expect(ring).toHaveBeenCalledTimes(1)
  })

  test('is silent once cancelled', async () => {
    const ring = vi.fn()
    new Alarm(clock.now() + 1000, clock, ring).cancel()
    await vi.advanceTimersByTimeAsync(5000)
    expect(ring).not.toHaveBeenCalled()
  })
})
