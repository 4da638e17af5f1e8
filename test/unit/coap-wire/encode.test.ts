import { describe, expect, test } from 'vitest'
import { encode, encodedBytes, RepeatingEncoder } from '../../../src/coap-wire/encode.ts'
import { type CoapMessage, TYPE } from '../../../src/coap-wire/message.ts'

const EMPTY = Buffer.alloc(0)
const bare: CoapMessage = { type: TYPE.CON, code: 1, messageId: 0x1234, token: EMPTY, options: [], payload: EMPTY }
const option = (number: number, bytes: number) => ({ number, value: Buffer.alloc(bytes, 'a') })

describe('messages', () => {
  test.each<[string, Partial<CoapMessage>, string]>([
    ['a bare request', {}, '40011234'],
    ['an empty acknowledgement', { type: TYPE.ACK, code: 0, messageId: 0xfffe }, '6000fffe'],
    ['a token', { token: Buffer.from([1, 2, 3, 4, 5, 6, 7, 8]) }, '480112340102030405060708'],
    ['a payload', { code: 0x45, payload: Buffer.from('hi') }, '40451234ff6869'],
    ['an empty value', { options: [option(11, 0)] }, '40011234b0'],
    ['a delta and a length of 12', { options: [option(12, 12)] }, `40011234cc${'61'.repeat(12)}`],
    ['a delta and a length of 13', { options: [option(13, 13)] }, `40011234dd0000${'61'.repeat(13)}`],
    ['a delta and a length of 268', { options: [option(268, 268)] }, `40011234ddffff${'61'.repeat(268)}`],
    ['a delta and a length of 269', { options: [option(269, 269)] }, `40011234ee00000000${'61'.repeat(269)}`],
    ['the highest number', { options: [option(11, 1), option(11, 1), option(65535, 1)] }, '40011234b1610161e1fee761'],
  ])('%s', (_, parts, expected) => {
    const message = { ...bare, ...parts }
    const bytes = encode(message)
    expect(bytes.toString('hex')).toBe(expected)
    expect(encodedBytes(message)).toBe(bytes.length)
  })
})

test('what is encoded in a row is encoded as each alone', () => {
  const repeating = new RepeatingEncoder()
  const [options, others] = [[option(6, 2), option(12, 0)], [option(4, 8)]]
  const [payload, other] = [Buffer.from('21.5'), Buffer.from('a'.repeat(2000))]
  const token = (bytes: number) => Buffer.alloc(bytes, bytes)
  const row: Partial<CoapMessage>[] = [
    {},
    { token: token(1), options, payload },
    { token: token(8), options, payload, type: TYPE.CON, messageId: 2 },
    { token: token(20), options, payload, code: 0x84 },
    { token: token(2), options, payload: other },
    { token: token(2), options: others, payload: other },
    { token: token(2), options: others },
    { token: token(2), options, payload },
    {},
  ]
  for (const parts of row) {
    const message = { ...bare, ...parts }
    expect(repeating.encode(message)).toEqual(encode(message))
  }
  expect(() => repeating.encode({ ...bare, token: token(65) })).toThrow(RangeError)
  expect(() => repeating.encode({ ...bare, options: [option(65_536, 0)] })).toThrow(RangeError)
  expect(repeating.encode(bare)).toEqual(encode(bare))
})

test('the datagram does not change with what it was made of', () => {
  const payload = Buffer.alloc(100, 'a')
  const bytes = encode({ ...bare, code: 0x45, payload })
  payload.fill('b')
  expect(bytes.subarray(5).toString()).toBe('a'.repeat(100))
})

describe('what has no encoding is refused', () => {
  test.each<[string, Partial<CoapMessage>]>([
    ['a token of 65 bytes', { token: Buffer.alloc(65) }],
    ['options out of order', { options: [option(12, 0), option(11, 0)] }],
    ['option number 65536', { options: [option(65536, 0)] }],
    ['a negative option number', { options: [option(-1, 0)] }],
    ['a value of 65805 bytes', { options: [option(11, 65805)] }],
  ])('%s', (_, parts) => {
    expect(() => encode({ ...bare, ...parts })).toThrow(RangeError)
  })
})
