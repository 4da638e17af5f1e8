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
export const MAX_TOKEN_BYTES = 8

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
  const tokenBytes = first & 15

  if (code === CODE.Empty) {
    // RFC 7252 4.1: an Empty message is its header alone.
    if (size !== HEADER_BYTES || tokenBytes !== 0) return { malformed: true, type, messageId, code }
    return { type, code, messageId, token: NOTHING, options: NO_OPTIONS, payload: NOTHING }
  }
  if (isReservedClass(code)) return { malformed: true, type, messageId, code }
  const at = HEADER_BYTES + tokenBytes
  // RFC 7252 3: lengths 9-15 are reserved.
  if (tokenBytes > MAX_TOKEN_BYTES || at > size) return { malformed: true, type, messageId, code }
  const token = tokenBytes === 0 ? NOTHING : bytes.subarray(HEADER_BYTES, at)

  const body = readBody(bytes, at)
  if (body === null) return { malformed: true, type, messageId, code }
  return { type, code, messageId, token, options: body.options, payload: body.payload }
}

export function isMalformed(decoded: CoapMessage | Malformed): decoded is Malformed {
  return 'malformed' in decoded
}

/** RFC 7252 4.2, 4.3. */
function isReservedClass(code: number): boolean {
  const category = codeClass(code)
  return category === 1 || category === 6 || category === 7
}
