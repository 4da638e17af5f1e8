import { expect, test } from 'vitest'
import { TimerWheel } from '../../../src/coap/timer-wheel.ts'
import { HandTime } from '../../fixtures/hand-time.ts'

function wheelAtHand() {
  const time = new HandTime()
  const start = time.now()
  const ran: string[] = []
  const wheel = new TimerWheel(time, time)
  const set = (name: string, milliseconds: number) =>
    wheel.after(milliseconds, () => ran.push(`${name} ${time.now() - start}`))
  return { time, wheel, ran, set }
}

test.each([0, 1, 49, 50, 51, 2000, 2999, 93_000, 247_000])(
  'a timeout of %d ms is never early, and soon there',
  wait => {
    const { time, ran, set } = wheelAtHand()
    set('it', wait)
    time.advance(Math.max(0, wait - 1))
    expect(ran).toEqual([])
    time.advance(102)
    expect(ran).toHaveLength(1)
  },
)

test('each runs at its own time, whatever the order in which they were set', () => {
  const { time, ran, set } = wheelAtHand()
  set('late', 60_000)
  set('soon', 100)
  set('between', 30_000)
  time.advance(61_000)
  expect(ran.map(line => line.split(' ')[0])).toEqual(['soon', 'between', 'late'])
})

test('the process has one timer for all of them, and none when nothing waits', () => {
  const { time, wheel, set } = wheelAtHand()
  expect(time.timers).toBe(0)
  const timeouts = Array.from({ length: 1000 }, (_, i) => set(`${i}`, i * 10))
  expect(time.timers).toBe(1)
  expect(wheel.size).toBe(1000)
  for (const timeout of timeouts) timeout.cancel()
  expect([time.timers, wheel.size]).toEqual([0, 0])
  set('again', 100)
  time.advance(10_000)
  expect([time.timers, wheel.size]).toEqual([0, 0])
})

test('what is cancelled does not run, also when one that runs with it cancels it', () => {
  const { time, wheel, ran, set } = wheelAtHand()
  const victim = { cancel: () => {} }
  wheel.after(100, () => victim.cancel())
  victim.cancel = set('victim', 100).cancel.bind(set('other', 5000))
  const first = set('first', 100)
  first.cancel()
  first.cancel()
  time.advance(10_000)
  expect(ran.map(line => line.split(' ')[0])).toEqual(['victim'])
})

test('one that runs sets the next, and one timer is enough for that', () => {
  const { time, wheel, ran } = wheelAtHand()
  let left = 5
  const again = () => {
    ran.push(`${left}`)
    left -= 1
    if (left > 0) wheel.after(1000, again).cancel()
    if (left > 0) wheel.after(1000, again)
    expect(time.timers).toBeLessThanOrEqual(1)
  }
  wheel.after(1000, again)
  time.advance(10_000)
  expect(ran).toEqual(['5', '4', '3', '2', '1'])
  expect(time.timers).toBe(0)
})

test.each([
  ['ahead', 3_600_000],
  ['back', -3_600_000],
])('a clock that is set %s is not time that has passed', (_, jump) => {
  const { time, ran, set } = wheelAtHand()
  set('it', 10_000)
  time.advance(1000)
  time.set(time.now() + jump)
  time.advance(7000)
  expect(ran).toEqual([])
  time.advance(3000)
  expect(ran).toHaveLength(1)
})

test('after its end nothing runs and nothing waits', () => {
  const { time, wheel, ran, set } = wheelAtHand()
  set('before', 100)
  wheel.close()
  set('after', 100).cancel()
  time.advance(1000)
  expect([ran, time.timers]).toEqual([[], 0])
})
