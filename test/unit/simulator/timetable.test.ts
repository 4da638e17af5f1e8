import { describe, expect, test } from 'vitest'
import { deafTimes, LONGEST_RUN, renewalIsDue, SHORTEST_RUN, timetableOf } from '../../../simulator/timetable.ts'

describe.each([
  [SHORTEST_RUN, 60],
  [SHORTEST_RUN, 1],
  [25, 60],
  [60, 60],
  [60, 600],
  [600, 10],
  [LONGEST_RUN, 60],
])('a run of %i s at %ix', (seconds, speed) => {
  const plan = timetableOf(seconds, speed)

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

  test('keys outlast it', () => expect(plan.keyLifetime).toBeGreaterThan(seconds))
})

test('a minute goes by the book', () => {
  expect(timetableOf(60, 60)).toMatchObject({
    intrudeAt: 12,
    revokeAt: 24,
    readerLeavesAt: 33,
    killAt: 39,
    lifetime: 30,
  })
})

test('who enrols at the beginning renews within a run of 25 s; who enrols late need not', () => {
  expect(renewalIsDue(2, 20, 25)).toBe(true)
  expect(renewalIsDue(12, 20, 25)).toBe(false)
})

describe('deafness', () => {
  const EARLY = { room: 'study', from: 0.32, to: 0.366 }
  const LATE = { room: 'kitchen', from: 0.88, to: 0.93 }

  test.each([
    [20, 60],
    [22, 60],
    [25, 60],
    [60, 60],
    [60, 120],
    [600, 60],
  ])('in %i s at %ix it is noticed, cleared in time, and apart from the restart', (seconds, speed) => {
    const plan = timetableOf(seconds, speed)
    const times = deafTimes([EARLY, LATE], plan)
    expect(times.at(-1)?.room).toBe('kitchen')
    for (const { from, to } of times) {
      expect((to - from) * speed, 'simulated seconds').toBeGreaterThan(150)
      expect(to + plan.clearing).toBeLessThanOrEqual(seconds + 0.001)
      const apart = to + plan.clearing <= plan.killAt || from >= plan.killAt + 3.99
      expect(apart).toBe(true)
    }
  })

  test('in a run of an hour of its own the world has its way', () => {
    const times = deafTimes([EARLY, { ...LATE, from: 0.8, to: 0.85 }], timetableOf(600, 60))
    expect(times.map(({ from, to }) => [Math.round(from), Math.round(to)])).toEqual([
      [192, 220],
      [480, 510],
    ])
  })

  test('what a run is too short for is left out', () => {
    expect(deafTimes([EARLY, LATE], timetableOf(20, 10))).toEqual([])
    expect(deafTimes([EARLY, LATE], timetableOf(20, 60)).map(({ room }) => room)).toEqual(['kitchen'])
  })
})
