// The examples of RFC 8323, byte by byte. Where it draws no bytes, they follow from the fields it tells by 3.2 and 4.2.
import { expect, test } from 'vitest'
import { encodeFrame, encodeWebSocketFrame, type FramedMessage } from '../../src/coap-wire/frame.ts'
import { FrameReader, type MessageReader, WebSocketFrameReader } from '../../src/coap-wire/frame-reader.ts'
import { BASE_CAPABILITIES, ping, pong, readSignal } from '../../src/coap-wire/signalling.ts'

interface Vector {
  readonly source: string
  readonly what: string
  readonly over: 'stream' | 'websocket'
  /** Hex with blanks; what stands in quotes is ASCII. */
  readonly bytes: string
  readonly message: Partial<FramedMessage>
}

const NOTHING = Buffer.alloc(0)
const GET = 0x01
const VALID = 0x43
const CONTENT = 0x45
const hex = (text: string): Buffer => Buffer.from(text, 'hex')
const option = (number: number, value: string) => ({ number, value: Buffer.from(value) })

const VECTORS: readonly Vector[] = [
  {
    source: 'RFC 8323 3.2, figure 7',
    what: 'no options, no payload',
    over: 'stream',
    bytes: '01 43 7f',
    message: { code: VALID, token: hex('7f') },
  },
  {
    source: 'RFC 8323 5.7, figure 10',
    what: 'Ping',
    over: 'stream',
    bytes: '01 e2 42',
    message: ping(hex('42')),
  },
  {
    source: 'RFC 8323 5.7, figure 11',
    what: 'Pong',
    over: 'stream',
    bytes: '01 e3 42',
    message: pong(hex('42'), false),
  },
  {
    source: 'RFC 8323 A, first example',
    what: 'request',
    over: 'websocket',
    bytes: '01 01 53 b7 "sensors" 0b "temperature" 45 "u=Cel"',
    message: {
      code: GET,
      token: hex('53'),
      options: [option(11, 'sensors'), option(11, 'temperature'), option(15, 'u=Cel')],
    },
  },
  {
    source: 'RFC 8323 A, first example',
    what: 'response',
    over: 'websocket',
    bytes: '01 45 53 ff "22.3 Cel"',
    message: { code: CONTENT, token: hex('53'), payload: Buffer.from('22.3 Cel') },
  },
]

function bytesOf(text: string): Buffer {
  const parts = text.match(/"[^"]*"|[0-9a-f]+/g) ?? []
  return Buffer.concat(parts.map(part => (part.startsWith('"') ? Buffer.from(part.slice(1, -1)) : hex(part))))
}

const BOUNDS = { messageBytes: 1152, tokenBytes: 8 }
const WAYS: Record<Vector['over'], { reader: () => MessageReader; encode: (message: FramedMessage) => Buffer }> = {
  stream: { reader: () => new FrameReader(BOUNDS), encode: encodeFrame },
  websocket: { reader: () => new WebSocketFrameReader(BOUNDS), encode: encodeWebSocketFrame },
}

test.each(VECTORS)('$source: $what', ({ over, bytes, message }) => {
  const whole = { code: 0, token: NOTHING, options: [], payload: NOTHING, ...message }
  const reader = WAYS[over].reader()
  reader.push(bytesOf(bytes))
  expect(reader.next()).toEqual(whole)
  expect(reader.next()).toBeNull()
  expect(WAYS[over].encode(whole).toString('hex')).toBe(bytesOf(bytes).toString('hex'))
})

test('RFC 8323 5.7: the Pong is the answer to the Ping', () => {
  const asked = readSignal({ code: 0xe2, token: hex('42'), options: [], payload: NOTHING }, BASE_CAPABILITIES)
  expect(asked).toEqual({ kind: 'ping', token: hex('42'), custody: false })
})
