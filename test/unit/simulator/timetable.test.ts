import { describe, expect, test } from 'vitest'
import { LONGEST_RUN, renewalIsDue, SHORTEST_RUN, timetableOf } from '../../../simulator/timetable.ts'

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
