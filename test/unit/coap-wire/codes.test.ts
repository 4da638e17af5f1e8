import { expect, test } from 'vitest'
import { CODE, codeClass, codeOf, codeText, isRequest, isResponse } from '../../../src/coap-wire/codes.ts'
import { FAILURES } from '../../../src/model/failure.ts'

test.each<[keyof typeof CODE, string]>([
  ['Empty', '0.00'],
  ['GET', '0.01'],
  ['iPATCH', '0.07'],
  ['Created', '2.01'],
  ['Deleted', '2.02'],
  ['Valid', '2.03'],
  ['Changed', '2.04'],
  ['Content', '2.05'],
  ['Continue', '2.31'],
  ['BadRequest', '4.00'],
  ['Unauthorized', '4.01'],
  ['BadOption', '4.02'],
  ['Forbidden', '4.03'],
  ['NotFound', '4.04'],
  ['MethodNotAllowed', '4.05'],
  ['NotAcceptable', '4.06'],
  ['RequestEntityIncomplete', '4.08'],
  ['Conflict', '4.09'],
  ['PreconditionFailed', '4.12'],
  ['RequestEntityTooLarge', '4.13'],
  ['UnsupportedContentFormat', '4.15'],
  ['UnprocessableEntity', '4.22'],
  ['TooManyRequests', '4.29'],
  ['InternalServerError', '5.00'],
  ['NotImplemented', '5.01'],
  ['ServiceUnavailable', '5.03'],
  ['GatewayTimeout', '5.04'],
  ['ProxyingNotSupported', '5.05'],
  ['HopLimitReached', '5.08'],
])('%s is %s', (name, text) => {
  expect(codeText(CODE[name])).toBe(text)
  expect(codeOf(text)).toBe(CODE[name])
})

test('every code is its text, and back', () => {
  for (let code = 0; code < 256; code++) expect(codeOf(codeText(code))).toBe(code)
})

test('every failure has a code that is one', () => {
  const codes = Object.values(FAILURES).map(({ coap }) => codeOf(coap))
  expect(codes.length).toBeGreaterThan(0)
  for (const code of codes) expect([4, 5], codeText(code)).toContain(codeClass(code))
})

test.each(['', '4', '4.4', '4.4 ', '4.040', '8.00', '4.32', 'x.yz', '-1.00', '4,04'])('%j is no code', text => {
  expect(() => codeOf(text)).toThrow(RangeError)
})

test('requests and responses are told apart (RFC 7252 12.1)', () => {
  const codes = Array.from({ length: 256 }, (_, code) => code)
  expect(codes.filter(isRequest)).toEqual(codes.slice(0x01, 0x20))
  expect(codes.filter(isResponse)).toEqual(codes.slice(0x40, 0xc0))
})
