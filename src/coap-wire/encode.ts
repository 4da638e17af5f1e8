import { bodyBytes, extend, extensionBytes, nibble, place, writeBody } from './body.ts'
import { HEADER_BYTES, MAX_TOKEN_BYTES, VERSION } from './decode.ts'
import type { CoapMessage, CoapOption } from './message.ts'

const NOTHING: Buffer = Buffer.alloc(0)

/**
 * The datagram of a message (RFC 7252 3), in a buffer of its own. Throws RangeError for what has no encoding: a token longer
 * than 64 bytes, options out of order, an option number or value too large.
 */
export function encode(message: CoapMessage): Buffer {
  const bytes = Buffer.allocUnsafe(encodedBytes(message))
  writeBody(message, bytes, writeHead(message, bytes))
  return bytes
}

/** How long the datagram of a message is, in bytes. Throws as `encode` does. */
export const encodedBytes = (message: CoapMessage): number => headBytes(message) + bodyBytes(message)

/**
 * Encodes messages that differ in head and token alone, as those of a fan-out do: options and payload, which must not change,
 * are encoded once as long as they are the very same.
 */
export class RepeatingEncoder {
  #options: readonly CoapOption[] = []
  #payload: Buffer = NOTHING
  #body: Buffer = NOTHING

  /** As `encode`. */
  encode(message: CoapMessage): Buffer {
    if (message.options !== this.#options || message.payload !== this.#payload) this.#begin(message)
    const body = this.#body
    const bytes = Buffer.allocUnsafe(headBytes(message) + body.length)
    bytes.set(body, writeHead(message, bytes))
    return bytes
  }

  #begin(message: CoapMessage): void {
    const body = Buffer.allocUnsafeSlow(bodyBytes(message))
    writeBody(message, body, 0)
    this.#body = body
    this.#options = message.options
    this.#payload = message.payload
  }
}

/** With token. */
function headBytes({ token: { length } }: CoapMessage): number {
  if (length > MAX_TOKEN_BYTES) throw new RangeError(`a token of ${length} bytes`)
  return HEADER_BYTES + extensionBytes(length) + length
}

/** Returns where to go on. */
function writeHead({ type, token, code, messageId }: CoapMessage, bytes: Buffer): number {
  bytes[0] = (VERSION << 6) | (type << 4) | nibble(token.length)
  bytes[1] = code
  bytes[2] = messageId >> 8
  bytes[3] = messageId
  return place(token, bytes, extend(token.length, bytes, HEADER_BYTES))
}
