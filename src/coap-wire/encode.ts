import { HEADER_BYTES, MAX_OPTION_NUMBER, MAX_TOKEN_BYTES, PAYLOAD_MARKER, VERSION } from './decode.ts'
import type { CoapMessage } from './message.ts'

/** The longest value that an option can carry (RFC 7252 3.1). */
const MAX_VALUE_BYTES = 0xffff + 269

/**
 * The datagram of a message (RFC 7252 3), in a buffer of its own. Throws RangeError for what has no encoding: a token longer
 * than 8 bytes, options out of order, an option number or value too large.
 */
export function encode(message: CoapMessage): Buffer {
  const { token, options, payload } = message
  const bytes = Buffer.allocUnsafe(encodedBytes(message))
  bytes[0] = (VERSION << 6) | (message.type << 4) | token.length
  bytes[1] = message.code
  bytes[2] = message.messageId >> 8
  bytes[3] = message.messageId
  let at = place(token, bytes, HEADER_BYTES)
  let before = 0
  for (let i = 0; i < options.length; i++) {
    const { number, value } = options[i]!
    const delta = number - before
    before = number
    const length = value.length
    bytes[at++] = (nibble(delta) << 4) | nibble(length)
    at = extend(delta, bytes, at)
    at = extend(length, bytes, at)
    at = place(value, bytes, at)
  }
  if (payload.length > 0) {
    bytes[at++] = PAYLOAD_MARKER
    place(payload, bytes, at)
  }
  return bytes
}

/** How long the datagram of a message is, in bytes. Throws as `encode` does. */
export function encodedBytes({ token, options, payload }: CoapMessage): number {
  if (token.length > MAX_TOKEN_BYTES) throw new RangeError(`a token of ${token.length} bytes`)
  let size = HEADER_BYTES + token.length
  let before = 0
  for (let i = 0; i < options.length; i++) {
    const { number, value } = options[i]!
    if (number < before) throw new RangeError(`option ${number} after option ${before}`)
    if (number > MAX_OPTION_NUMBER) throw new RangeError(`option number ${number}`)
    if (value.length > MAX_VALUE_BYTES) throw new RangeError(`option ${number} of ${value.length} bytes`)
    size += 1 + extensionBytes(number - before) + extensionBytes(value.length) + value.length
    before = number
  }
  return payload.length > 0 ? size + 1 + payload.length : size
}

const nibble = (n: number): number => (n < 13 ? n : n < 269 ? 13 : 14)
const extensionBytes = (n: number): number => (n < 13 ? 0 : n < 269 ? 1 : 2)

/** Writes an extended delta or length, if there is one; returns where to go on. */
function extend(n: number, bytes: Buffer, at: number): number {
  if (n < 13) return at
  if (n < 269) {
    bytes[at] = n - 13
    return at + 1
  }
  bytes[at] = (n - 269) >> 8
  bytes[at + 1] = n - 269
  return at + 2
}

/** Short parts are copied in a loop: below some dozens of bytes the call into the runtime costs more than the bytes. */
function place(part: Buffer, bytes: Buffer, at: number): number {
  const length = part.length
  if (length > 32) bytes.set(part, at)
  else for (let i = 0; i < length; i++) bytes[at + i] = part[i]!
  return at + length
}
