import { expect, test } from 'vitest'
import { systemRandom } from '../../src/system-random.ts'

test('as many bytes as are asked for', () => {
  const random = systemRandom()
  for (const count of [0, 1, 9, 16, 17, 32, 5000]) expect(random.bytes(count)).toHaveLength(count)
})

test('nothing comes twice, over several pools', () => {
  const random = systemRandom()
  const given = Array.from({ length: 2000 }, () => random.bytes(9).toString('hex'))
  expect(new Set(given).size).toBe(given.length)
})

test('what was given out does not change any more, nor does writing to it change what follows', () => {
  const random = systemRandom()
  const first = random.bytes(16)
  const before = first.toString('hex')
  const following = random.bytes(16)
  expect(first.toString('hex')).toBe(before)
  expect(first.buffer === following.buffer && first.byteOffset === following.byteOffset).toBe(false)
  first.fill(0)
  expect(random.bytes(16).equals(Buffer.alloc(16))).toBe(false)
})
