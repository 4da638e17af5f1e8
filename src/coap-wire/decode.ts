// Bytes to a message (RFC 7252 3). Never throws, copies nothing: token, values and payload are parts of the datagram.
import { readBody } from './body.ts'
import { CODE, codeClass } from './codes.ts'
import type { CoapMessage, CoapOption, MessageType } from './message.ts'

/** Not a message, but enough of one to reject it: CON with RST, the others by silence (RFC 7252 4.2, 4.3). */
export interface Malformed {
  readonly malformed: true
  readonly type: MessageType
  readonly messageId: number
  readonly code: number
}

export const VERSION = 1
export const HEADER_BYTES = 4
/** Longer tokens could be written (RFC 8974 2.1); whoever asks is asked to keep so much of what he sends in mind. */
export const MAX_TOKEN_BYTES = 64
/** The length of a token is one byte more of its own, less this (RFC 8974 2.1). */
export const EXTENDED_BY_ONE = 13

const NOTHING: Buffer = Buffer.alloc(0)
const NO_OPTIONS: readonly CoapOption[] = []

/** Null is to be ignored silently: another version (RFC 7252 3), or too short to have a message id to answer to. */
export function decode(bytes: Buffer): CoapMessage | Malformed | null {
  const size = bytes.length
  if (size < HEADER_BYTES) return null
  const first = bytes[0]!
  if (first >> 6 !== VERSION) return null
  const type = ((first >> 4) & 3) as MessageType
  const code = bytes[1]!
  const messageId = (bytes[2]! << 8) | bytes[3]!
  let tokenBytes = first & 15
  let at = HEADER_BYTES

  if (code === CODE.Empty) {
    // RFC 7252 4.1: an Empty message is its header alone.
    if (size !== HEADER_BYTES || tokenBytes !== 0) return { malformed: true, type, messageId, code }
    return { type, code, messageId, token: NOTHING, options: NO_OPTIONS, payload: NOTHING }
  }
  if (isReservedClass(code)) return { malformed: true, type, messageId, code }
  if (tokenBytes === EXTENDED_BY_ONE && size > HEADER_BYTES) {
    tokenBytes += bytes[HEADER_BYTES]!
    at += 1
  } else if (tokenBytes >= EXTENDED_BY_ONE) return { malformed: true, type, messageId, code }
  at += tokenBytes
  if (tokenBytes > MAX_TOKEN_BYTES || at > size) return { malformed: true, type, messageId, code }
  const token = tokenBytes === 0 ? NOTHING : bytes.subarray(at - tokenBytes, at)

  const body = readBody(bytes, at)
  if (body === null) return { malformed: true, type, messageId, code }
  return { type, code, messageId, token, options: body.options, payload: body.payload }
}

/** Header and token of a datagram, which is all that the answer to one that is too long needs. */
export function headOf(bytes: Buffer): Buffer {
  const length = bytes[0]! & 15
  const extended = length === EXTENDED_BY_ONE ? 1 + (bytes[HEADER_BYTES] ?? 0) : 0
  return bytes.subarray(0, HEADER_BYTES + length + extended)
}

export function isMalformed(decoded: CoapMessage | Malformed): decoded is Malformed {
  return 'malformed' in decoded
}

/** RFC 7252 4.2, 4.3. */
function isReservedClass(code: number): boolean {
  const category = codeClass(code)
  return category === 1 || category === 6 || category === 7
}
