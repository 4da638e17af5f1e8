import { expect, test } from 'vitest'
import { KeptBytes, RecentExchanges } from '../../../src/coap/recent-exchanges.ts'

const LIFETIME = 247_000
const answer = Buffer.from('answer')

function recentWith(capacity: number) {
  const kept = new KeptBytes()
  const recent = new RecentExchanges(capacity, kept)
  const answered = (id: number, now = 0, bytes = answer) => {
    const exchange = recent.begin(id, now, LIFETIME)
    if (exchange === null) throw new Error(`no room for ${id}`)
    exchange.open = false
    recent.keep(exchange, bytes)
    return exchange
  }
  return { kept, recent, answered }
}

test('a message id is known until its lifetime is over', () => {
  const { recent, answered } = recentWith(64)
  const exchange = answered(7, 1000)
  expect(recent.find(7, 1000 + LIFETIME - 1)).toBe(exchange)
  expect(recent.find(8, 1000)).toBeNull()
  expect(recent.find(7, 1000 + LIFETIME)).toBeNull()
})

test('an id that is used again after that is another exchange', () => {
  const { recent, answered } = recentWith(64)
  const first = answered(7)
  expect(recent.find(7, LIFETIME)).toBeNull()
  const second = answered(7, LIFETIME)
  expect(recent.find(7, LIFETIME)).toBe(second)
  expect(second).not.toBe(first)
})

test('a clock that was set back does not keep it for ever', () => {
  const { recent, answered } = recentWith(64)
  answered(7, 10 * LIFETIME)
  expect(recent.find(7, 0)).toBeNull()
})

test('the oldest answered one makes room', () => {
  const { recent, answered } = recentWith(3)
  for (const id of [1, 2, 3, 4]) answered(id)
  expect([1, 2, 3, 4].map(id => recent.find(id, 0) !== null)).toEqual([false, true, true, true])
  expect(recent.size).toBe(3)
})

test('one whose handler runs stays, however old and however many come after it', () => {
  const { recent, answered } = recentWith(3)
  const running = recent.begin(1, 0, LIFETIME)
  for (let id = 2; id < 200; id++) answered(id)
  expect(recent.find(1, 100 * LIFETIME)).toBe(running)
})

test('when all are in progress there is no room', () => {
  const { recent } = recentWith(3)
  const running = [1, 2, 3].map(id => recent.begin(id, 0, LIFETIME))
  expect(recent.begin(4, 0, LIFETIME)).toBeNull()
  const [, second] = running
  if (second) second.open = false
  expect(recent.begin(4, 0, LIFETIME)).not.toBeNull()
  expect([1, 2, 3, 4].map(id => recent.find(id, 0) !== null)).toEqual([true, false, true, true])
})

test('bytes are counted as long as they are kept', () => {
  const { kept, recent, answered } = recentWith(4)
  const running = recent.begin(99, 0, LIFETIME)
  for (let id = 0; id < 3; id++) answered(id)
  const full = kept.total
  expect(full).toBeGreaterThan(3 * answer.length)
  for (let id = 3; id < 100; id++) answered(id)
  expect(kept.total).toBe(full)
  recent.clear()
  expect(kept.total).toBe(0)
  expect(recent.find(99, 0)).toBe(running)
  expect(recent.find(98, 0)).toBeNull()
})

test('of a peer that is forgotten nothing is counted, also when its handlers answer later', () => {
  const { kept, recent, answered } = recentWith(4)
  answered(1)
  const running = recent.begin(2, 0, LIFETIME)
  if (running === null) throw new Error('no room')
  recent.keep(running, Buffer.alloc(4))
  recent.close()
  expect(kept.total).toBe(0)
  recent.keep(running, answer)
  expect([kept.total, running.answer]).toEqual([0, answer.toString('latin1')])
})
