// Bytes to a message (RFC 7252 3). Never throws, copies nothing: token, values and payload are parts of the datagram.
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
/** Option numbers are 16-bit (RFC 7252 12.2). */
export const MAX_OPTION_NUMBER = 0xffff
export const PAYLOAD_MARKER = 0xff

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
  let at = HEADER_BYTES + tokenBytes
  // RFC 7252 3: lengths 9-15 are reserved.
  if (tokenBytes > MAX_TOKEN_BYTES || at > size) return { malformed: true, type, messageId, code }
  const token = tokenBytes === 0 ? NOTHING : bytes.subarray(HEADER_BYTES, at)

  let options: CoapOption[] | undefined
  let payload = NOTHING
  let number = 0
  while (at < size) {
    const head = bytes[at++]!
    if (head === PAYLOAD_MARKER) {
      // RFC 7252 3: a marker followed by nothing is a format error.
      if (at === size) return { malformed: true, type, messageId, code }
      payload = bytes.subarray(at)
      break
    }
    let delta = head >> 4
    let length = head & 15
    if (delta > 12) {
      if (delta === 15) return { malformed: true, type, messageId, code }
      const extended = extension(bytes, at, delta)
      if (extended < 0) return { malformed: true, type, messageId, code }
      at += delta - 12
      delta = extended
    }
    if (length > 12) {
      if (length === 15) return { malformed: true, type, messageId, code }
      const extended = extension(bytes, at, length)
      if (extended < 0) return { malformed: true, type, messageId, code }
      at += length - 12
      length = extended
    }
    number += delta
    const end = at + length
    if (number > MAX_OPTION_NUMBER || end > size) return { malformed: true, type, messageId, code }
    const option = { number, value: length === 0 ? NOTHING : bytes.subarray(at, end) }
    if (options === undefined) options = [option]
    else options.push(option)
    at = end
  }
  return { type, code, messageId, token, options: options ?? NO_OPTIONS, payload }
}

export function isMalformed(decoded: CoapMessage | Malformed): decoded is Malformed {
  return 'malformed' in decoded
}

/** Extended delta or length (RFC 7252 3.1): nibble 13 adds a byte, 14 adds two. -1 when the datagram ends before. */
function extension(bytes: Buffer, at: number, nibble: number): number {
  if (nibble === 13) return at < bytes.length ? bytes[at]! + 13 : -1
  return at + 1 < bytes.length ? ((bytes[at]! << 8) | bytes[at + 1]!) + 269 : -1
}

/** RFC 7252 4.2, 4.3. */
function isReservedClass(code: number): boolean {
  const category = codeClass(code)
  return category === 1 || category === 6 || category === 7
}
