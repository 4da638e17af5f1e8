import { describe, expect, test } from 'vitest'
import { contentFormatOf, mimeOf } from '../../../src/coap-wire/content-formats.ts'

test.each<[number, string]>([
  [0, 'text/plain;charset=utf-8'],
  [16, 'application/cose;cose-type="cose-encrypt0"'],
  [40, 'application/link-format'],
  [41, 'application/xml'],
  [42, 'application/octet-stream'],
  [47, 'application/exi'],
  [50, 'application/json'],
  [60, 'application/cbor'],
  [110, 'application/senml+json'],
  [112, 'application/senml+cbor'],
  [11542, 'application/vnd.oma.lwm2m+tlv'],
])('%i is %s', (number, mime) => {
  expect(mimeOf(number)).toBe(mime)
  expect(contentFormatOf(mime)).toBe(number)
})

test('every number comes back from its media type', () => {
  const known = Array.from({ length: 0x10000 }, (_, number) => number).filter(number => mimeOf(number) !== null)
  expect(known.length).toBeGreaterThan(40)
  for (const number of known) expect(contentFormatOf(mimeOf(number) ?? '')).toBe(number)
})

describe('media types in other clothes', () => {
  test.each<[string, number]>([
    ['Application/JSON', 50],
    ['  application/json ', 50],
    ['text/plain; charset=utf-8', 0],
    ['text/plain ;\tCharset=UTF-8', 0],
    ['text/plain;charset="utf-8"', 0],
    ['text/plain', 0],
    ['application/cose; cose-type=cose-sign1', 18],
  ])('%j', (mime, number) => {
    expect(contentFormatOf(mime)).toBe(number)
  })
})

describe('no row', () => {
  test.each([
    '',
    ';',
    'application/unheard-of',
    'text/plain;charset=iso-8859-1',
    'application/json;charset=utf-8',
    'constructor',
    '__proto__',
    `application/json${' '.repeat(65_000)}`,
  ])('%.40j', mime => {
    expect(contentFormatOf(mime)).toBeNull()
  })

  test.each([1, 65535, -1])('%i', number => {
    expect(mimeOf(number)).toBeNull()
  })
})
