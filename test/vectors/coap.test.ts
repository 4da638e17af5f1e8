// The examples of the RFCs, byte by byte. Where an RFC draws no bytes, they follow from its fields by RFC 7252 3.
import { expect, test } from 'vitest'
import { decode } from '../../src/coap-wire/decode.ts'
import { encode } from '../../src/coap-wire/encode.ts'
import { readLinks, targetOf, writeLinks } from '../../src/coap-wire/link-format.ts'
import { type CoapMessage, TYPE } from '../../src/coap-wire/message.ts'

interface Vector {
  readonly source: string
  readonly what: string
  /** Hex with blanks; what stands in quotes is ASCII. */
  readonly bytes: string
  readonly message: Partial<CoapMessage>
}

const GET = 0x01
const CONTENT = 0x45
const NOT_FOUND = 0x84
const EMPTY = Buffer.alloc(0)

const hex = (text: string): Buffer => Buffer.from(text, 'hex')
const option = (number: number, value: string | number[]) => ({ number, value: Buffer.from(value as string) })
const temperature = { code: GET, options: [option(11, 'temperature')] }

function bytesOf(text: string): Buffer {
  const parts = text.match(/"[^"]*"|[0-9a-f]+/g) ?? []
  return Buffer.concat(parts.map(part => (part.startsWith('"') ? Buffer.from(part.slice(1, -1)) : hex(part))))
}

/** A notification of RFC 7641 A.1; its figures give header, token and options, Max-Age 15 throughout. */
const reading = (header: Partial<CoapMessage>, observe: number, payload: string): Partial<CoapMessage> => ({
  ...header,
  code: CONTENT,
  options: [option(6, [observe]), option(14, [15])],
  payload: Buffer.from(payload),
})

const VECTORS: readonly Vector[] = [
  {
    source: 'RFC 7252 A, figure 16',
    what: 'confirmable request',
    bytes: '40 01 7d34 bb "temperature"',
    message: { ...temperature, messageId: 0x7d34 },
  },
  {
    source: 'RFC 7252 A, figure 16',
    what: 'piggybacked response',
    bytes: '60 45 7d34 ff "22.3 C"',
    message: { type: TYPE.ACK, code: CONTENT, messageId: 0x7d34, payload: Buffer.from('22.3 C') },
  },
  {
    source: 'RFC 7252 A, figure 17',
    what: 'confirmable request with a token',
    bytes: '41 01 7d35 20 bb "temperature"',
    message: { ...temperature, messageId: 0x7d35, token: hex('20') },
  },
  {
    source: 'RFC 7252 A, figure 17',
    what: 'piggybacked response with a token',
    bytes: '61 45 7d35 20 ff "22.3 C"',
    message: {
      type: TYPE.ACK,
      code: CONTENT,
      messageId: 0x7d35,
      token: hex('20'),
      payload: Buffer.from('22.3 C'),
    },
  },
  {
    source: 'RFC 7252 A, figure 18',
    what: 'retransmitted request',
    bytes: '41 01 7d36 31 bb "temperature"',
    message: { ...temperature, messageId: 0x7d36, token: hex('31') },
  },
  {
    source: 'RFC 7252 A, figure 19',
    what: 'retransmitted response',
    bytes: '61 45 7d37 42 ff "22.3 C"',
    message: {
      type: TYPE.ACK,
      code: CONTENT,
      messageId: 0x7d37,
      token: hex('42'),
      payload: Buffer.from('22.3 C'),
    },
  },
  {
    source: 'RFC 7252 A, figure 20',
    what: 'empty acknowledgement of a request',
    bytes: '60 00 7d38',
    message: { type: TYPE.ACK, code: 0, messageId: 0x7d38 },
  },
  {
    source: 'RFC 7252 A, figure 20',
    what: 'separate response',
    bytes: '41 45 ad7b 53 ff "22.3 C"',
    message: { code: CONTENT, messageId: 0xad7b, token: hex('53'), payload: Buffer.from('22.3 C') },
  },
  {
    source: 'RFC 7252 A, figure 20',
    what: 'empty acknowledgement of a response',
    bytes: '60 00 ad7b',
    message: { type: TYPE.ACK, code: 0, messageId: 0xad7b },
  },
  {
    source: 'RFC 7252 A, figure 21',
    what: 'reset of an unexpected response',
    bytes: '70 00 ad7c',
    message: { type: TYPE.RST, code: 0, messageId: 0xad7c },
  },
  {
    source: 'RFC 7252 A, figure 22',
    what: 'non-confirmable request',
    bytes: '51 01 7d40 75 bb "temperature"',
    message: { ...temperature, type: TYPE.NON, messageId: 0x7d40, token: hex('75') },
  },
  {
    source: 'RFC 7252 A, figure 22',
    what: 'non-confirmable response',
    bytes: '51 45 ad7d 75 ff "22.3 C"',
    message: {
      type: TYPE.NON,
      code: CONTENT,
      messageId: 0xad7d,
      token: hex('75'),
      payload: Buffer.from('22.3 C'),
    },
  },
  {
    source: 'RFC 7252 A, figure 23',
    what: 'not found',
    bytes: '51 84 952a 86',
    message: { type: TYPE.NON, code: NOT_FOUND, messageId: 0x952a, token: hex('86') },
  },
  {
    source: 'RFC 7641 A.1, figure 3',
    what: 'registration',
    bytes: '41011633 4a 60 5b "temperature"',
    message: { code: GET, messageId: 0x1633, token: hex('4a'), options: [option(6, ''), option(11, 'temperature')] },
  },
  {
    source: 'RFC 7641 A.1, figure 3',
    what: 'answer to the registration',
    bytes: '61451633 4a 61 09 81 0f ff "18.5 Cel"',
    message: reading({ type: TYPE.ACK, messageId: 0x1633, token: hex('4a') }, 9, '18.5 Cel'),
  },
  {
    source: 'RFC 7641 A.1, figure 3',
    what: 'notification',
    bytes: '51457b50 4a 61 10 81 0f ff "19.2 Cel"',
    message: reading({ type: TYPE.NON, messageId: 0x7b50, token: hex('4a') }, 16, '19.2 Cel'),
  },
  {
    source: 'RFC 7641 A.1, figure 4',
    what: 'notification that gets lost',
    bytes: '51457b51 4a 61 19 81 0f ff "19.7 Cel"',
    message: reading({ type: TYPE.NON, messageId: 0x7b51, token: hex('4a') }, 25, '19.7 Cel'),
  },
  {
    source: 'RFC 7641 A.1, figure 4',
    what: 'registration anew, with another token',
    bytes: '41011634 b2 60 5b "temperature"',
    message: { code: GET, messageId: 0x1634, token: hex('b2'), options: [option(6, ''), option(11, 'temperature')] },
  },
  {
    source: 'RFC 7641 A.1, figure 4',
    what: 'answer with an ETag',
    bytes: '61451634 b2 45 78797a7a79 21 2c 81 0f ff "19.7 Cel"',
    message: {
      type: TYPE.ACK,
      code: CONTENT,
      messageId: 0x1634,
      token: hex('b2'),
      options: [{ number: 4, value: hex('78797a7a79') }, option(6, [44]), option(14, [15])],
      payload: Buffer.from('19.7 Cel'),
    },
  },
]

const BARE = { type: TYPE.CON, token: EMPTY, options: [], payload: EMPTY }

test.each(VECTORS)('$source: $what', ({ bytes, message }) => {
  expect(decode(bytesOf(bytes))).toEqual({ ...BARE, ...message })
  expect(encode({ ...BARE, ...message } as CoapMessage).toString('hex')).toBe(bytesOf(bytes).toString('hex'))
})

test('RFC 7252 A gives the lengths of figures 16 and 17', () => {
  expect(VECTORS.slice(0, 4).map(({ bytes }) => bytesOf(bytes).length)).toEqual([16, 11, 17, 12])
})

test.each([
  { levels: ['.well-known', 'core'], target: '/.well-known/core' },
  { levels: ['\u3053\u3093\u306b\u3061\u306f'], target: '/%E3%81%93%E3%82%93%E3%81%AB%E3%81%A1%E3%81%AF' },
  { levels: ['', '/', '', ''], target: '//%2F//' },
])('RFC 7252 B: Uri-Path options become $target', ({ levels, target }) => {
  expect(targetOf(levels)).toBe(target)
})

test('RFC 6690 5: links are read and written as the example has them', () => {
  const text = [
    '</sensors>;ct=40;title="Sensor Index"',
    '</sensors/temp>;rt="temperature-c";if="sensor"',
    '</sensors/light>;rt="light-lux";if="sensor"',
    '<http://www.example.com/sensors/t123>;anchor="/sensors/temp";rel="describedby"',
    '</t>;anchor="/sensors/temp";rel="alternate"',
  ].join(',')
  const links = readLinks(text)
  expect(links?.map(({ target }) => target)).toEqual([
    '/sensors',
    '/sensors/temp',
    '/sensors/light',
    'http://www.example.com/sensors/t123',
    '/t',
  ])
  expect(links?.[0]?.attributes).toEqual(
    new Map([
      ['ct', '40'],
      ['title', 'Sensor Index'],
    ]),
  )
  const numbered = links?.map(({ target, attributes }) => ({
    target,
    attributes: new Map(Array.from(attributes, ([name, value]) => [name, name === 'ct' ? Number(value) : value])),
  }))
  expect(writeLinks(numbered ?? [])).toBe(text)
})
