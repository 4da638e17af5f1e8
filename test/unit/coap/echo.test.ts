import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { EchoGuard } from '../../../src/coap/echo.ts'
import { HandTime } from '../../fixtures/hand-time.ts'

const LIFETIME = 60_000
const random = { bytes: (count: number) => randomBytes(count) }

function guardAtHand() {
  const time = new HandTime()
  return { time, guard: new EchoGuard(random, time, LIFETIME) }
}

test('a value proves the peer it was made for, and no other', () => {
  const { guard } = guardAtHand()
  const value = guard.valueFor('192.0.2.1 5000')
  expect(guard.accepts(value, '192.0.2.1 5000')).toBe(true)
  expect(guard.accepts(value, '192.0.2.1 5001')).toBe(false)
  expect(guard.accepts(value, '192.0.2.2 5000')).toBe(false)
})

test('it is good for its lifetime, and never for more than twice that', () => {
  const { guard, time } = guardAtHand()
  const value = guard.valueFor('peer')
  time.advance(LIFETIME)
  expect(guard.accepts(value, 'peer')).toBe(true)
  time.advance(LIFETIME)
  expect(guard.accepts(value, 'peer')).toBe(false)
})

test('another start has another key', () => {
  const { guard, time } = guardAtHand()
  const other = new EchoGuard(random, time, LIFETIME)
  expect(other.accepts(guard.valueFor('peer'), 'peer')).toBe(false)
})

test.each([0, 1, 7, 9, 40])('a value of %d bytes is none of ours', length => {
  const { guard } = guardAtHand()
  expect(guard.accepts(Buffer.alloc(length), 'peer')).toBe(false)
})

test('no bit of it may differ', () => {
  const { guard } = guardAtHand()
  const value = guard.valueFor('peer')
  for (let bit = 0; bit < value.length * 8; bit++) {
    const forged = Buffer.from(value)
    forged[bit >> 3]! ^= 1 << (bit & 7)
    expect(guard.accepts(forged, 'peer')).toBe(false)
  }
})
