// Which of two notifications is newer (RFC 7641 3.4).
import { expect, test } from 'vitest'
import { NotificationOrder } from '../../../simulator/devices/coap-exchange.ts'

test.each([
  ['a larger number', 5, 6, 0, true],
  ['the same again', 5, 5, 0, false],
  ['an older one', 5, 4, 0, false],
  ['the number wrapped', 2 ** 24 - 1, 0, 0, true],
  ['an older one from before it wrapped', 0, 2 ** 24 - 1, 0, false],
  ['just too far ahead', 0, 2 ** 23, 0, false],
  ['anything after 128 s', 5, 4, 128_001, true],
  ['128 s are not yet enough', 5, 4, 128_000, false],
])('%s', (_, first, second, after, fresh) => {
  const order = new NotificationOrder()
  expect(order.isFresh(first, 1_000)).toBe(true)
  expect(order.isFresh(second, 1_000 + after)).toBe(fresh)
})

test('a stale one does not count as the last', () => {
  const order = new NotificationOrder()
  expect([10, 8, 9, 11].map(value => order.isFresh(value, 0))).toEqual([true, false, false, true])
})
