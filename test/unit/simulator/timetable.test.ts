import { describe, expect, test } from 'vitest'
import { deafTimes, LONGEST_RUN, renewalIsDue, SHORTEST_RUN, timetableOf } from '../../../simulator/timetable.ts'

describe.each([SHORTEST_RUN, 25, 60, 600, LONGEST_RUN])('a run of %i s', seconds => {
  const plan = timetableOf(seconds)

  test('keeps its order', () => {
    const { judgedFrom, intrudeAt, revokeAt, readerLeavesAt, killAt } = plan
    const times = [0, intrudeAt, revokeAt, readerLeavesAt, killAt, seconds]
    expect(times).toEqual(times.toSorted((a, b) => a - b))
    expect(judgedFrom).toBe(seconds / 4)
  })

  test('credentials live 20 to 40 s', () => {
    expect(plan.lifetime).toBeGreaterThanOrEqual(20)
    expect(plan.lifetime).toBeLessThanOrEqual(40)
  })
})

test('who enrols at the beginning renews within a run of 25 s; who enrols late need not', () => {
  const plan = timetableOf(25)
  expect(renewalIsDue(plan, 2, plan.lifetime)).toBe(true)
  expect(renewalIsDue(plan, 12, plan.lifetime)).toBe(false)
})

test.each([
  [20, 60],
  [25, 60],
  [60, 60],
  [600, 60],
])(
  'in %i s at %ix an air conditioner is deaf long enough to be noticed, and early enough to be seen obeying',
  (seconds, speed) => {
    const total = seconds * speed
    const [time] = deafTimes([{ from: 0.87, to: 0.915 }], total)
    expect(((time?.to ?? 0) - (time?.from ?? 0)) * total).toBeGreaterThan(110)
    expect((1 - (time?.to ?? 1)) * total).toBeGreaterThanOrEqual(100)
  },
)

test('in a run of an hour the world has its own way', () => {
  expect(deafTimes([{ from: 0.8, to: 0.85 }], 3600)).toEqual([{ from: 0.8, to: 0.85 }])
})
