import { expect, test } from 'vitest'
import { TokenBucket } from '../../../src/coap/token-bucket.ts'

const limits = { requestsPerSecond: 10, requestBurst: 3, refusals: 2 }
const take = (bucket: TokenBucket, times: number, now: number) =>
  Array.from({ length: times }, () => bucket.take(limits, now))

test('a burst is served, then refused aloud, then ignored', () => {
  const bucket = new TokenBucket(limits, 0)
  expect(take(bucket, 7, 0)).toEqual(['served', 'served', 'served', 'refused', 'refused', 'ignored', 'ignored'])
})

test('whoever waits is served again, at the rate', () => {
  const bucket = new TokenBucket(limits, 0)
  take(bucket, 10, 0)
  expect(take(bucket, 4, 250)).toEqual(['served', 'served', 'ignored', 'ignored'])
  expect(take(bucket, 6, 10_000)).toEqual(['served', 'served', 'served', 'refused', 'refused', 'ignored'])
})

test('whoever is always too fast is served at the rate all the same', () => {
  const bucket = new TokenBucket(limits, 0)
  const verdicts = Array.from({ length: 10_000 }, (_, now) => bucket.take(limits, now))
  const count = (verdict: string) => verdicts.filter(each => each === verdict).length
  expect(count('served')).toBeGreaterThanOrEqual(101)
  expect(count('served')).toBeLessThanOrEqual(103)
  expect(count('refused')).toBeLessThanOrEqual(22)
})

test('a clock that is set back gives nothing and takes nothing', () => {
  const bucket = new TokenBucket(limits, 10_000)
  expect(take(bucket, 4, 0)).toEqual(['served', 'served', 'served', 'refused'])
})
