import { encode as encodeCbor } from 'cbor2'
import { describe, expect, test } from 'vitest'
import { decodeTopicMessage, encodeTopicMessage } from '../../../src/coap-wire/topic-message.ts'

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex')

describe('messages', () => {
  test.each<[string, string, number | null, Buffer, string]>([
    ['small parts', 'a/b', 0, Buffer.from('x'), '83 63 612f62 00 41 78'],
    ['no content format, no payload', 'a', null, Buffer.alloc(0), '83 61 61 f6 40'],
    ['a content format of one more byte', 'a', 50, Buffer.alloc(0), '83 61 61 1832 40'],
    ['a content format of two more bytes', 'a', 11542, Buffer.alloc(0), '83 61 61 192d16 40'],
    ['a topic beyond ASCII', 'ä', null, Buffer.alloc(0), '83 62 c3a4 f6 40'],
  ])('%s', (_, topic, contentFormat, payload, expected) => {
    const bytes = encodeTopicMessage(topic, contentFormat, payload)
    expect(bytes.toString('hex')).toBe(expected.replaceAll(' ', ''))
    expect(decodeTopicMessage(bytes)).toEqual({ topic, contentFormat, payload })
  })

  test.each([0, 23, 24, 255, 256, 65535, 65536])('lengths of %i bytes, as another encoder writes them', length => {
    const topic = 't'.repeat(length)
    const payload = Buffer.alloc(length, 7)
    for (const contentFormat of [null, Math.min(length, 65535)]) {
      const bytes = encodeTopicMessage(topic, contentFormat, payload)
      expect(bytes.equals(encodeCbor([topic, contentFormat, new Uint8Array(payload)]))).toBe(true)
      expect(decodeTopicMessage(bytes)).toEqual({ topic, contentFormat, payload })
    }
  })
})

describe('anything else is none', () => {
  test.each<[string, string]>([
    ['nothing', ''],
    ['an array of two', '82 61 61 f6'],
    ['an array of four', '84 61 61 f6 40 00'],
    ['an array without its items', '83'],
    ['an array cut short', '83 61 61 f6'],
    ['bytes behind it', '83 61 61 f6 40 00'],
    ['a number for a topic', '83 01 f6 40'],
    ['bytes for a topic', '83 41 61 f6 40'],
    ['ill-formed UTF-8', '83 61 ff f6 40'],
    ['a negative content format', '83 61 61 20 40'],
    ['a content format of 17 bits', '83 61 61 1a00010000 40'],
    ['a broken content format', '83 61 61 f93e00 40'],
    ['undefined for a content format', '83 61 61 f7 40'],
    ['text for a payload', '83 61 61 f6 61 61'],
    ['an array for a payload', '83 61 61 f6 80'],
    ['a map for a payload', '83 61 61 f6 a0'],
    ['a payload that is promised, not there', '83 61 61 f6 5affffffff'],
    ['a payload of 2^64 - 1 bytes', '83 61 61 f6 5bffffffffffffffff'],
    ['tags within tags', `83 61 61 f6 ${'c1'.repeat(5000)} 40`],
    ['arrays within arrays', `83 61 61 f6 ${'81'.repeat(5000)} 40`],
  ])('%s', (_, bytes) => {
    expect(decodeTopicMessage(hex(bytes))).toBeNull()
  })
})
