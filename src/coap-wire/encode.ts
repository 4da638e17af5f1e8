import { bodyBytes, extend, extensionBytes, nibble, place, writeBody } from './body.ts'
import { HEADER_BYTES, MAX_TOKEN_BYTES, VERSION } from './decode.ts'
import type { CoapMessage } from './message.ts'

/**
 * The datagram of a message (RFC 7252 3), in a buffer of its own. Throws RangeError for what has no encoding: a token longer
 * than 64 bytes, options out of order, an option number or value too large.
 */
export function encode(message: CoapMessage): Buffer {
  const { token } = message
  const bytes = Buffer.allocUnsafe(encodedBytes(message))
  bytes[0] = (VERSION << 6) | (message.type << 4) | nibble(token.length)
  bytes[1] = message.code
  bytes[2] = message.messageId >> 8
  bytes[3] = message.messageId
  writeBody(message, bytes, place(token, bytes, extend(token.length, bytes, HEADER_BYTES)))
  return bytes
}

/** How long the datagram of a message is, in bytes. Throws as `encode` does. */
export function encodedBytes(message: CoapMessage): number {
  const { length } = message.token
  if (length > MAX_TOKEN_BYTES) throw new RangeError(`a token of ${length} bytes`)
  return HEADER_BYTES + extensionBytes(length) + length + bodyBytes(message)
}
