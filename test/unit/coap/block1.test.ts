import { expect, test } from 'vitest'
import { Assembly, BERT, checkLength, isPart, offsetOf, operationKey } from '../../../src/coap/block1.ts'
import type { CoapOption } from '../../../src/coap-wire/message.ts'
import { OPTION } from '../../../src/coap-wire/options.ts'

const body = Buffer.from(Array.from({ length: 5000 }, (_, i) => i % 251))
const block = (number: number, more: boolean, sizeExponent = 6) => ({ number, more, sizeExponent })
const option = (number: number, value: string): CoapOption => ({ number, value: Buffer.from(value) })

test.each([0, 1, 2, 3, 4, 5, 6])('blocks of 2^(%d + 4) bytes make up the body', sizeExponent => {
  const size = 2 ** (sizeExponent + 4)
  const assembly = new Assembly()
  for (let at = 0; at < body.length; at += size) expect(assembly.put(at, body.subarray(at, at + size))).toBe(true)
  expect(assembly.whole(body.length)).toEqual(body)
})

test('a block that came before changes nothing, wherever it stands', () => {
  const assembly = new Assembly()
  for (const at of [0, 1024, 1024, 0, 2048]) expect(assembly.put(at, body.subarray(at, at + 1024))).toBe(true)
  expect(assembly.length).toBe(3072)
  expect(assembly.whole(3072)).toEqual(body.subarray(0, 3072))
})

test('a block that differs from what came is a new beginning: nothing behind it counts', () => {
  const other = Buffer.alloc(1024, 'x')
  const assembly = new Assembly()
  for (const at of [0, 1024, 2048]) assembly.put(at, body.subarray(at, at + 1024))
  expect(assembly.put(0, other)).toBe(true)
  expect(assembly.length).toBe(1024)
  expect(assembly.put(2048, body.subarray(2048, 3072))).toBe(false)
  assembly.put(1024, body.subarray(0, 100))
  expect(assembly.whole(1124)).toEqual(Buffer.concat([other, body.subarray(0, 100)]))
})

test('a shorter body than the one before ends where its last block ends', () => {
  const assembly = new Assembly()
  for (const at of [0, 1024, 2048]) assembly.put(at, body.subarray(at, at + 1024))
  assembly.put(0, body.subarray(0, 1024))
  assembly.put(1024, body.subarray(1024, 1500))
  expect(assembly.whole(1500)).toEqual(body.subarray(0, 1500))
})

test('a gap is not bridged', () => {
  const assembly = new Assembly()
  expect(assembly.put(1024, body.subarray(0, 16))).toBe(false)
  assembly.put(0, body.subarray(0, 1024))
  expect(assembly.put(1040, body.subarray(0, 16))).toBe(false)
  expect(assembly.length).toBe(1024)
})

test('it owns its bytes, and takes at most twice as many and one page', () => {
  const assembly = new Assembly()
  const received = Buffer.from(body.subarray(0, 16))
  assembly.put(0, received)
  received.fill(0)
  expect(assembly.whole(16)).toEqual(body.subarray(0, 16))
  for (let at = 16; at < 4992; at += 16) {
    assembly.put(at, body.subarray(at, at + 16))
    expect(assembly.bytes).toBeLessThanOrEqual(Math.max(4096, 2 * assembly.length))
  }
})

test.each<[number, ReturnType<typeof block>, boolean]>([
  [1024, block(0, true), true],
  [1023, block(0, true), false],
  [1025, block(0, true), false],
  [0, block(0, true), false],
  [0, block(1, false), true],
  [1024, block(1, false), true],
  [1025, block(1, false), false],
  [16, block(3, true, 0), true],
  [3072, block(0, true, BERT), true],
  [3000, block(0, true, BERT), false],
  [0, block(0, true, BERT), false],
  [3000, block(3, false, BERT), true],
])('%d bytes in a block %j: %j', (length, of, fits) => {
  const check = () => checkLength(of, Buffer.alloc(length))
  if (fits) check()
  else expect(check).toThrow('has')
})

test('number and size say where a block begins; a later or incomplete one is a part', () => {
  expect([offsetOf(block(3, true, 0)), offsetOf(block(2, false)), offsetOf(block(3, true, BERT))]).toEqual([
    48, 2048, 3072,
  ])
  expect([block(0, true), block(1, false), block(0, false)].map(isPart)).toEqual([true, true, false])
})

const PUT = 3
const OPERATION = [option(OPTION.UriPath, 'a'), option(OPTION.UriQuery, 'q=1'), option(OPTION.RequestTag, 't')]

test.each<[string, readonly CoapOption[], boolean]>([
  ['the same', OPERATION, true],
  ['another block', [...OPERATION, option(OPTION.Block1, '1')], true],
  ['another size announced', [...OPERATION, option(OPTION.Size1, '1')], true],
  ['an Echo', [...OPERATION, option(OPTION.Echo, '12345678')], true],
  ['No-Response', [...OPERATION, option(OPTION.NoResponse, '2')], true],
  ['another Request-Tag', [...OPERATION.slice(0, 2), option(OPTION.RequestTag, 'u')], false],
  ['two Request-Tags', [...OPERATION, option(OPTION.RequestTag, 't')], false],
  ['no Request-Tag', OPERATION.slice(0, 2), false],
  ['another path', [option(OPTION.UriPath, 'b'), ...OPERATION.slice(1)], false],
  ['another query', [...OPERATION, option(OPTION.UriQuery, 'r')], false],
  ['another format', [...OPERATION, option(OPTION.ContentFormat, '2')], false],
  ['a precondition', [option(OPTION.IfNoneMatch, ''), ...OPERATION], false],
  ['levels that read alike', [option(OPTION.UriPath, ''), ...OPERATION], false],
])('%s is part of the operation: %j, %j', (_, options, same) => {
  expect(operationKey(PUT, options) === operationKey(PUT, OPERATION)).toBe(same)
})

test('another method is another operation, and no secret can be read in its key', () => {
  expect(operationKey(2, OPERATION)).not.toBe(operationKey(PUT, OPERATION))
  expect(operationKey(PUT, [option(OPTION.UriQuery, 'token=secret')])).toMatch(/^[\w-]{43}$/)
})
