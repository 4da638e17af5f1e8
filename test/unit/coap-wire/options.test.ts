import { describe, expect, test } from 'vitest'
import {
  isCritical,
  OPTION,
  OPTION_RULES,
  optionOf,
  optionsOf,
  recogniseOptions,
  uintOf,
  uintValue,
} from '../../../src/coap-wire/options.ts'

const option = (number: number, bytes: number) => ({ number, value: Buffer.alloc(bytes, 'a') })
const ALL: ReadonlySet<number> = new Set(OPTION_RULES.keys())

test('every option has a rule', () => {
  expect([...OPTION_RULES.keys()]).toEqual(Object.values(OPTION))
})

test('critical ones are odd (RFC 7252 5.4.6)', () => {
  expect(Object.entries(OPTION).flatMap(([name, number]) => (isCritical(number) ? [name] : []))).toEqual([
    'IfMatch',
    'UriHost',
    'IfNoneMatch',
    'UriPort',
    'OSCORE',
    'UriPath',
    'UriQuery',
    'Accept',
    'Block2',
    'Block1',
    'ProxyUri',
    'ProxyScheme',
  ])
})

describe('recognised', () => {
  test.each<[string, number, number]>([
    ['If-Match', OPTION.IfMatch, 0],
    ['If-Match', OPTION.IfMatch, 8],
    ['Uri-Host', OPTION.UriHost, 255],
    ['ETag', OPTION.ETag, 1],
    ['If-None-Match', OPTION.IfNoneMatch, 0],
    ['Observe', OPTION.Observe, 3],
    ['Uri-Path', OPTION.UriPath, 0],
    ['Uri-Path', OPTION.UriPath, 255],
    ['Content-Format', OPTION.ContentFormat, 2],
    ['Max-Age', OPTION.MaxAge, 4],
    ['Proxy-Uri', OPTION.ProxyUri, 1034],
    ['Echo', OPTION.Echo, 40],
    ['No-Response', OPTION.NoResponse, 1],
    ['Request-Tag', OPTION.RequestTag, 0],
  ])('%s (%i) of %i bytes', (_, number, bytes) => {
    const options = [option(number, bytes)]
    const recognised = recogniseOptions(options, ALL)
    expect(recognised.options).toBe(options)
    expect(recognised.refused).toBeNull()
  })
})

describe('not recognised: critical ones are refused, the others passed over', () => {
  test.each<[string, number, number, boolean]>([
    ['too long If-Match', OPTION.IfMatch, 9, true],
    ['empty Uri-Host', OPTION.UriHost, 0, true],
    ['too long Uri-Path', OPTION.UriPath, 256, true],
    ['filled If-None-Match', OPTION.IfNoneMatch, 1, true],
    ['too long Accept', OPTION.Accept, 3, true],
    ['too long Block1', OPTION.Block1, 4, true],
    ['empty Proxy-Uri', OPTION.ProxyUri, 0, true],
    ['too long Proxy-Uri', OPTION.ProxyUri, 1035, true],
    ['unknown odd number', 65535, 0, true],
    ['empty ETag', OPTION.ETag, 0, false],
    ['too long ETag', OPTION.ETag, 9, false],
    ['too long Observe', OPTION.Observe, 4, false],
    ['too long Content-Format', OPTION.ContentFormat, 3, false],
    ['empty Echo', OPTION.Echo, 0, false],
    ['too long Echo', OPTION.Echo, 41, false],
    ['empty Hop-Limit', OPTION.HopLimit, 0, false],
    ['unknown even number', 65534, 0, false],
  ])('%s', (_, number, bytes, critical) => {
    expect(recogniseOptions([option(number, bytes)], ALL)).toEqual({ options: [], refused: critical ? number : null })
  })

  test('what is known to the table, but not understood by the receiver', () => {
    const options = [option(OPTION.UriPath, 1), option(OPTION.Accept, 1), option(OPTION.Size1, 1)]
    expect(recogniseOptions(options, new Set([OPTION.UriPath]))).toEqual({
      options: options.slice(0, 1),
      refused: OPTION.Accept,
    })
  })

  test('what a receiver understands beside the table has no bounds', () => {
    const options = [option(2049, 300), option(2049, 0)]
    expect(recogniseOptions(options, new Set([2049]))).toEqual({ options, refused: null })
  })
})

describe('repetition (RFC 7252 5.4.5)', () => {
  test('of what may be repeated', () => {
    const options = [
      option(OPTION.ETag, 1),
      option(OPTION.ETag, 2),
      option(OPTION.UriPath, 0),
      option(OPTION.UriPath, 0),
    ]
    expect(recogniseOptions(options, ALL)).toEqual({ options, refused: null })
  })

  test('of a critical option that stands once', () => {
    const options = [option(OPTION.Accept, 0), option(OPTION.Accept, 0)]
    expect(recogniseOptions(options, ALL)).toEqual({ options: options.slice(0, 1), refused: OPTION.Accept })
  })

  test('of an elective option that stands once: the first counts', () => {
    const options = [option(OPTION.Observe, 0), option(OPTION.Observe, 1), option(OPTION.Observe, 2)]
    expect(recogniseOptions(options, ALL)).toEqual({ options: options.slice(0, 1), refused: null })
  })
})

test('the first critical option that is not recognised is told', () => {
  const options = [option(OPTION.UriPath, 1), option(13, 0), option(14, 0), option(21, 0)]
  expect(recogniseOptions(options, ALL)).toEqual({ options: [options[0], options[2]], refused: 13 })
})

test('values are found by number', () => {
  const options = [option(4, 1), option(11, 2), option(11, 3), option(12, 4)]
  expect(optionOf({ options }, 4)).toBe(options[0]?.value)
  expect(optionOf({ options }, 11)).toBe(options[1]?.value)
  expect(optionOf({ options }, 6)).toBeNull()
  expect(optionOf({ options }, 12)).toBe(options[3]?.value)
  expect(optionOf({ options }, 13)).toBeNull()
  expect(optionsOf({ options }, 11)).toEqual([options[1]?.value, options[2]?.value])
  expect(optionsOf({ options }, 13)).toEqual([])
})

describe('uint (RFC 7252 3.2)', () => {
  test.each<[number, string]>([
    [0, ''],
    [1, '01'],
    [255, 'ff'],
    [256, '0100'],
    [65535, 'ffff'],
    [65536, '010000'],
    [16777216, '01000000'],
    [4294967295, 'ffffffff'],
  ])('%i is %j in its shortest form', (n, bytes) => {
    expect(uintValue(n).toString('hex')).toBe(bytes)
    expect(uintOf(Buffer.from(bytes, 'hex'))).toBe(n)
  })

  test('leading zeros do not matter', () => {
    expect(uintOf(Buffer.from([0, 0, 1, 0]))).toBe(256)
    expect(uintOf(Buffer.from([0]))).toBe(0)
  })

  test.each([-1, 1.5, 4294967296, Number.NaN])('%d is none', n => {
    expect(() => uintValue(n)).toThrow(RangeError)
  })
})
