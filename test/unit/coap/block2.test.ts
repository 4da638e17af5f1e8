import { expect, test } from 'vitest'
import { type Block, blockOf, blockOfAnswer, blockValue, sizeExponentOf } from '../../../src/coap/block2.ts'
import type { Response } from '../../../src/coap/resource.ts'
import { CODE } from '../../../src/coap-wire/codes.ts'
import { OPTION, optionOf, uintOf } from '../../../src/coap-wire/options.ts'

const LARGEST = 6
const payload = Buffer.from(Array.from({ length: 2500 }, (_, i) => i % 251))
const whole: Response = { code: CODE.Content, payload }
const ask = (number: number, sizeExponent = 6): Block => ({ number, sizeExponent, more: false })

function cut(response: Response, asked: Block | null, largest = LARGEST) {
  const { code, options = [], payload: part = Buffer.alloc(0) } = blockOfAnswer(response, asked, largest)
  const block2 = optionOf({ options }, OPTION.Block2)
  const size2 = optionOf({ options }, OPTION.Size2)
  return {
    code,
    numbers: options.map(({ number }) => number),
    payload: part,
    block: block2 && blockOf(block2),
    etag: optionOf({ options }, OPTION.ETag)?.toString('hex'),
    size2: size2 && uintOf(size2),
  }
}

test('an answer that fits stays as it is', () => {
  const small = { code: CODE.Content, payload: payload.subarray(0, 1024) }
  expect(blockOfAnswer(small, null, LARGEST)).toBe(small)
  expect(blockOfAnswer({ code: CODE.Content }, null, LARGEST)).toEqual({ code: CODE.Content })
})

test('a longer one comes as its first block, with its size and an ETag', () => {
  const first = cut(whole, null)
  expect(first.block).toEqual({ number: 0, more: true, sizeExponent: 6 })
  expect(first.payload).toEqual(payload.subarray(0, 1024))
  expect(first.size2).toBe(2500)
  expect(first.etag).toMatch(/^[0-9a-f]{16}$/)
})

test.each([0, 1, 2, 3, 4, 5, 6])('blocks of 2^(%d + 4) bytes make up the whole, under one ETag', sizeExponent => {
  const parts: Buffer[] = []
  const etags = new Set<string | undefined>()
  for (let number = 0, more = true; more; number++) {
    const { block, payload: part, etag } = cut(whole, ask(number, sizeExponent))
    expect(block).toMatchObject({ number, sizeExponent })
    expect(part.length).toBeLessThanOrEqual(2 ** (sizeExponent + 4))
    parts.push(part)
    etags.add(etag)
    more = block?.more ?? false
  }
  expect(Buffer.concat(parts)).toEqual(payload)
  expect(etags.size).toBe(1)
})

test('another representation has another ETag', () => {
  const other = { code: CODE.Content, payload: Buffer.concat([payload, Buffer.from('!')]) }
  expect(cut(other, ask(1)).etag).not.toBe(cut(whole, ask(1)).etag)
})

test('an ETag of the resource stays, and the options stay in order', () => {
  const options = [
    { number: OPTION.ETag, value: Buffer.from('abcd', 'hex') },
    { number: OPTION.ContentFormat, value: Buffer.from([50]) },
    { number: OPTION.Size1, value: Buffer.from([1]) },
  ]
  const first = cut({ ...whole, options }, null)
  expect(first.etag).toBe('abcd')
  expect(first.numbers).toEqual([OPTION.ETag, OPTION.ContentFormat, OPTION.Block2, OPTION.Size2, OPTION.Size1])
})

test('a client that asks gets a block option, also for a single block', () => {
  expect(cut({ code: CODE.Content, payload: Buffer.from('x') }, ask(0))).toMatchObject({
    block: { number: 0, more: false, sizeExponent: 6 },
    payload: Buffer.from('x'),
  })
  expect(cut({ code: CODE.Content }, ask(0)).block).toEqual({ number: 0, more: false, sizeExponent: 6 })
})

test('when we have smaller blocks, the first of them tells their size', () => {
  expect(cut(whole, ask(0, 6), 4).block).toEqual({ number: 0, more: true, sizeExponent: 4 })
  expect(() => cut(whole, ask(1, 6), 4)).toThrow('at most 256 bytes')
})

test.each([3, 1000, 0xfffff])('block %d lies beyond the end', number => {
  expect(() => cut(whole, ask(number))).toThrow('beyond the end')
})

test('an error is never cut', () => {
  const error = { code: CODE.NotFound, payload }
  expect(blockOfAnswer(error, ask(1), LARGEST)).toBe(error)
})

test('block options are read and written alike; the reserved size is refused', () => {
  for (const number of [0, 1, 15, 16, 4095, 4096, 0xfffff])
    for (const more of [false, true]) {
      const block = { number, more, sizeExponent: 2 }
      expect(blockOf(blockValue(block))).toEqual(block)
    }
  expect(() => blockOf(Buffer.from([0x07]))).toThrow('reserved')
})

test.each([
  [1, 0],
  [16, 0],
  [31, 0],
  [32, 1],
  [1024, 6],
  [1_000_000, 6],
])('%d bytes hold blocks of size exponent %d', (bytes, exponent) => {
  expect(sizeExponentOf(bytes)).toBe(exponent)
})
