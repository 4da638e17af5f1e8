// The frame of a message where the transport is reliable: byte streams (RFC 8323 3.2) and WebSockets (RFC 8323 4.2), with
// tokens of any length (RFC 8974 2.1).
import { bodyBytes, extend, extensionBytes, nibble, place, readBody, writeBody } from './body.ts'
import { CODE, codeClass } from './codes.ts'
import type { CoapMessage } from './message.ts'

/** A message without what only datagrams need. */
export type FramedMessage = Pick<CoapMessage, 'code' | 'token' | 'options' | 'payload'>

/** Neither can be answered: the connection is at its end (RFC 8323 5.6). */
export type FrameFault = 'malformed' | 'too-large'

/** RFC 8974 2.1: two bytes of extension. */
export const LONGEST_TOKEN = 0xffff + 269
/** Bytes of the extended length that each value of Len announces (RFC 8323 3.2). */
const LENGTH_BYTES = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 4]
const LONGEST_IN_TWO = 0xffff + 269

const NOTHING: Buffer = Buffer.alloc(0)

/** Bytes of the frame that `encodeFrame` makes. Throws as it does. */
export function frameBytes(message: FramedMessage): number {
  const body = bodyBytes(message)
  return headBytes(message.token.length) + lengthBytes(body) + body
}

/** For a byte stream. Throws RangeError for what has no encoding: options out of order, a number, value or token too large. */
export function encodeFrame(message: FramedMessage): Buffer {
  const body = bodyBytes(message)
  const extra = lengthBytes(body)
  const bytes = Buffer.allocUnsafe(headBytes(message.token.length) + extra + body)
  bytes[0] = (extra === 4 ? 15 : nibble(body)) << 4
  if (extra === 4) bytes.writeUInt32BE(body - LONGEST_IN_TWO - 1, 1)
  else extend(body, bytes, 1)
  return filled(message, bytes, 1 + extra)
}

/** For a WebSocket, whose own frames tell the length: Len is 0 (RFC 8323 4.2). Throws as `encodeFrame` does. */
export function encodeWebSocketFrame(message: FramedMessage): Buffer {
  const bytes = Buffer.allocUnsafe(headBytes(message.token.length) + bodyBytes(message))
  bytes[0] = 0
  return filled(message, bytes, 1)
}

/** Everything from the code on; the lower half of the first byte as well. */
function filled(message: FramedMessage, bytes: Buffer, at: number): Buffer {
  const { code, token } = message
  bytes[0] = bytes[0]! | nibble(token.length)
  bytes[at] = code
  writeBody(message, bytes, place(token, bytes, extend(token.length, bytes, at + 1)))
  return bytes
}

/** First byte, code, and the token with its length. */
function headBytes(token: number): number {
  if (token > LONGEST_TOKEN) throw new RangeError(`a token of ${token} bytes`)
  return 2 + extensionBytes(token) + token
}

const lengthBytes = (body: number): number => (body > LONGEST_IN_TWO ? 4 : extensionBytes(body))

/** Where the parts of a frame lie, counted from its first byte. */
export interface FrameLayout {
  readonly codeAt: number
  readonly tokenAt: number
  readonly bodyAt: number
  readonly end: number
}

/**
 * Reads the head of a frame from `at`, with what has come up to `end`. Null: more must come; `least` is called with how
 * long the frame is at least, as soon as that is known.
 */
export function layoutOf(
  bytes: Buffer,
  at: number,
  end: number,
  least: (size: number) => void,
): FrameLayout | 'malformed' | null {
  if (at === end) return null
  const first = bytes[at]!
  const codeAt = 1 + LENGTH_BYTES[first >> 4]!
  if (end - at < codeAt) return null
  const body = bodyLength(bytes, at, first >> 4)
  const announced = first & 15
  if (announced === 15) return 'malformed' // RFC 8974 2.1: reserved
  least(codeAt + 1 + body)
  const lengthAt = codeAt + 1
  const tokenAt = lengthAt + (announced < 13 ? 0 : announced - 12)
  if (end - at < tokenAt) return null
  const token =
    announced < 13 ? announced : announced === 13 ? bytes[at + lengthAt]! + 13 : bytes.readUInt16BE(at + lengthAt) + 269
  const bodyAt = tokenAt + token
  return { codeAt, tokenAt, bodyAt, end: bodyAt + body }
}

function bodyLength(bytes: Buffer, at: number, announced: number): number {
  if (announced < 13) return announced
  if (announced === 13) return bytes[at + 1]! + 13
  if (announced === 14) return bytes.readUInt16BE(at + 1) + 269
  return bytes.readUInt32BE(at + 1) + LONGEST_IN_TWO + 1
}

/** The message in a frame that is there as a whole, from `at`. Copies nothing. */
export function messageIn(bytes: Buffer, at: number, layout: FrameLayout): FramedMessage | 'malformed' {
  const code = bytes[at + layout.codeAt]!
  // RFC 8323 3.4: an Empty message is ignored, whatever is in it.
  if (code === CODE.Empty) return { code, token: NOTHING, options: [], payload: NOTHING }
  const category = codeClass(code)
  if (category === 1 || category === 6) return 'malformed' // RFC 7252 12.1: reserved
  const body = readBody(bytes.subarray(0, at + layout.end), at + layout.bodyAt)
  if (body === null) return 'malformed'
  const token = bytes.subarray(at + layout.tokenAt, at + layout.bodyAt)
  return { code, token, options: body.options, payload: body.payload }
}
