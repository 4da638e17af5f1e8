import { describe, expect, test } from 'vitest'
import { decode } from '../../../src/coap-wire/decode.ts'
import { TYPE } from '../../../src/coap-wire/message.ts'

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex')
const malformed = (type: number, code: number) => ({ malformed: true, type, code, messageId: 0x1234 })

describe('well-formed', () => {
  test.each<[string, string, object]>([
    ['ping', '40 00 1234', { type: TYPE.CON, code: 0, messageId: 0x1234, options: [] }],
    ['empty acknowledgement', '60 00 1234', { type: TYPE.ACK, code: 0 }],
    ['reset', '70 00 ffff', { type: TYPE.RST, code: 0, messageId: 0xffff }],
    ['request without anything', '50 01 0000', { type: TYPE.NON, code: 1, messageId: 0, token: Buffer.alloc(0) }],
    ['token of 8 bytes', '48 01 1234 0102030405060708', { token: hex('0102030405060708') }],
    ['token of 12 bytes (RFC 8974 2.1)', `4c 01 1234 ${'07'.repeat(12)}`, { token: Buffer.alloc(12, 7) }],
    ['token of 13 bytes', `4d 01 1234 00 ${'07'.repeat(13)}`, { token: Buffer.alloc(13, 7) }],
    [
      'token of 64 bytes',
      `4d 01 1234 33 ${'07'.repeat(64)} ff 00`,
      { token: Buffer.alloc(64, 7), payload: Buffer.alloc(1) },
    ],
    ['payload without options', '40 45 1234 ff 00', { options: [], payload: hex('00') }],
    ['payload that begins with the marker', '40 45 1234 ff ff', { payload: hex('ff') }],
    ['empty option value', '40 01 1234 b0', { options: [{ number: 11, value: Buffer.alloc(0) }] }],
    [
      'repeated option',
      '40 01 1234 b1 61 01 62',
      {
        options: [
          { number: 11, value: hex('61') },
          { number: 11, value: hex('62') },
        ],
      },
    ],
    ['delta of one more byte', '40 01 1234 d1 ef 07', { options: [{ number: 252, value: hex('07') }] }],
    ['delta of two more bytes', '40 01 1234 e1 0017 07', { options: [{ number: 292, value: hex('07') }] }],
    ['highest option number', '40 01 1234 e0 fef2', { options: [{ number: 65535, value: Buffer.alloc(0) }] }],
    [
      'longer value than 12 bytes',
      `40 01 1234 bd 00 ${'61'.repeat(13)}`,
      { options: [{ number: 11, value: Buffer.alloc(13, 'a') }] },
    ],
    [
      'longer value than 268 bytes',
      `40 01 1234 be 0000 ${'61'.repeat(269)}`,
      { options: [{ number: 11, value: Buffer.alloc(269, 'a') }] },
    ],
    ['class 3, which is for responses', '60 60 1234', { code: 0x60 }],
  ])('%s', (_, bytes, expected) => {
    expect(decode(hex(bytes))).toMatchObject(expected)
    expect(decode(hex(bytes))).not.toHaveProperty('malformed')
  })
})

describe('malformed', () => {
  test.each<[string, string, object]>([
    ['token of 65 bytes', `4d 01 1234 34 ${'00'.repeat(80)}`, malformed(0, 1)],
    ['token of 269 bytes', `4e 01 1234 0000 ${'00'.repeat(300)}`, malformed(0, 1)],
    ['token length 15', `4f 01 1234 ${'00'.repeat(300)}`, malformed(0, 1)],
    ['token length of one more byte, which is missing', '4d 01 1234', malformed(0, 1)],
    ['token of 12 bytes, one of which is missing', `4c 01 1234 ${'00'.repeat(11)}`, malformed(0, 1)],
    ['token of 14 bytes, one of which is missing', `4d 01 1234 01 ${'00'.repeat(13)}`, malformed(0, 1)],
    ['token longer than the datagram', '44 01 1234 010203', malformed(0, 1)],
    ['empty message with a token', '41 00 1234 01', malformed(0, 0)],
    ['empty message with a token length alone', '41 00 1234', malformed(0, 0)],
    ['empty message with bytes behind it', '70 00 1234 00', malformed(3, 0)],
    ['class 1', '40 20 1234', malformed(0, 0x20)],
    ['class 6', '50 c0 1234', malformed(1, 0xc0)],
    ['class 7', '40 e1 1234', malformed(0, 0xe1)],
    ['payload marker without payload', '40 01 1234 ff', malformed(0, 1)],
    ['payload marker without payload behind an option', '40 01 1234 b1 61 ff', malformed(0, 1)],
    ['delta 15', '40 01 1234 f1 61', malformed(0, 1)],
    ['length 15', '40 01 1234 bf 61', malformed(0, 1)],
    ['delta of one more byte, which is missing', '40 01 1234 d0', malformed(0, 1)],
    ['delta of two more bytes, one of which is missing', '40 01 1234 e0 01', malformed(0, 1)],
    ['length of one more byte, which is missing', '40 01 1234 0d', malformed(0, 1)],
    ['length of two more bytes, one of which is missing', '40 01 1234 0e 00', malformed(0, 1)],
    ['value longer than the datagram', '40 01 1234 b3 6162', malformed(0, 1)],
    ['value of 65804 bytes that are not there', '40 01 1234 be ffff', malformed(0, 1)],
    ['option number 65536', '40 01 1234 e0 fef3', malformed(0, 1)],
    ['option number 65536 in two steps', '40 01 1234 e0 fef2 10', malformed(0, 1)],
  ])('%s', (_, bytes, expected) => {
    expect(decode(hex(bytes))).toEqual(expected)
  })
})

test.each([
  ['nothing', ''],
  ['a header cut short', '40 01 12'],
  ['version 0', '00 01 1234'],
  ['version 2', '80 01 1234'],
  ['version 3', 'c0 01 1234 ff'],
])('%s is passed over in silence', (_, bytes) => {
  expect(decode(hex(bytes))).toBeNull()
})

test('token, values and payload are parts of the datagram', () => {
  const bytes = hex('41 01 1234 0a b2 6162 ff 6364')
  const message = decode(bytes)
  bytes.fill(0x7a, 4, 5)
  bytes.fill(0x78, 6, 8)
  bytes.fill(0x79, 9)
  expect(message).toMatchObject({
    token: Buffer.from('z'),
    options: [{ number: 11, value: Buffer.from('xx') }],
    payload: Buffer.from('yy'),
  })
})

test('nothing is read beyond the datagram, though its memory goes on', () => {
  const memory = hex('40 01 1234 b3 616263 ff 64')
  for (let end = 0; end < memory.length; end++) {
    const whole = Buffer.from(memory.subarray(0, end))
    expect(decode(memory.subarray(0, end)), `${end} bytes`).toEqual(decode(whole))
  }
})
