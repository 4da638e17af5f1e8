import { expect, test } from 'vitest'
import { randomStream, Xoshiro128 } from '../../../simulator/world/random.ts'

// Source: test vector of the Rust crate rand_xoshiro (xoshiro128starstar.rs), made with the C code of the authors.
const REFERENCE = [11520, 0, 5927040, 70819200, 2031721883, 1637235492, 1287239034, 3734860849, 3729100597, 4258142804]

test('xoshiro128** draws what its authors draw', () => {
  const stream = new Xoshiro128([1, 2, 3, 4])
  expect(REFERENCE.map(() => stream.next())).toEqual(REFERENCE)
})

test('a stream depends on seed and purpose, and on nothing else', () => {
  const draw = (seed: number, purpose: string) => {
    const stream = randomStream(seed, purpose)
    return [stream.next(), stream.next(), stream.next()]
  }
  expect(draw(1, 'clouds')).toEqual(draw(1, 'clouds'))
  expect(draw(1, 'clouds')).not.toEqual(draw(2, 'clouds'))
  expect(draw(1, 'clouds')).not.toEqual(draw(1, 'noise'))
})

test('uniform and gaussian numbers have the moments they should', () => {
  const stream = randomStream(1, 'moments')
  const count = 20_000
  const uniform = Array.from({ length: count }, () => stream.uniform())
  expect(Math.min(...uniform)).toBeGreaterThanOrEqual(0)
  expect(Math.max(...uniform)).toBeLessThan(1)
  expect(mean(uniform)).toBeCloseTo(0.5, 1)
  const gaussian = Array.from({ length: count }, () => stream.gaussian())
  expect(mean(gaussian)).toBeCloseTo(0, 1)
  expect(mean(gaussian.map(value => value ** 2))).toBeCloseTo(1, 1)
})

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length
