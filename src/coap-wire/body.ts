// Options and payload (RFC 7252 3.1): the part of a message that is the same over every transport.
import type { CoapOption } from './message.ts'

export interface MessageBody {
  readonly options: readonly CoapOption[]
  readonly payload: Buffer
}

export const PAYLOAD_MARKER = 0xff
/** Option numbers are 16-bit (RFC 7252 12.2). */
export const MAX_OPTION_NUMBER = 0xffff
/** The longest value that an option can carry (RFC 7252 3.1). */
const MAX_VALUE_BYTES = 0xffff + 269

const NOTHING: Buffer = Buffer.alloc(0)
const NO_OPTIONS: readonly CoapOption[] = []

/** What stands from `at` to the end; null when it is malformed. Copies nothing: values and payload are parts of `bytes`. */
export function readBody(bytes: Buffer, at: number): MessageBody | null {
  const size = bytes.length
  let options: CoapOption[] | undefined
  let payload = NOTHING
  let number = 0
  while (at < size) {
    const head = bytes[at++]!
    if (head === PAYLOAD_MARKER) {
      // RFC 7252 3: a marker followed by nothing is a format error.
      if (at === size) return null
      payload = bytes.subarray(at)
      break
    }
    let delta = head >> 4
    let length = head & 15
    if (delta > 12) {
      if (delta === 15) return null
      const extended = extension(bytes, at, delta)
      if (extended < 0) return null
      at += delta - 12
      delta = extended
    }
    if (length > 12) {
      if (length === 15) return null
      const extended = extension(bytes, at, length)
      if (extended < 0) return null
      at += length - 12
      length = extended
    }
    number += delta
    const end = at + length
    if (number > MAX_OPTION_NUMBER || end > size) return null
    const option = { number, value: length === 0 ? NOTHING : bytes.subarray(at, end) }
    if (options === undefined) options = [option]
    else options.push(option)
    at = end
  }
  return { options: options ?? NO_OPTIONS, payload }
}

/** Extended delta or length (RFC 7252 3.1): nibble 13 adds a byte, 14 adds two. -1 when the bytes end before. */
function extension(bytes: Buffer, at: number, nibble: number): number {
  if (nibble === 13) return at < bytes.length ? bytes[at]! + 13 : -1
  return at + 1 < bytes.length ? ((bytes[at]! << 8) | bytes[at + 1]!) + 269 : -1
}

/** How long a body is, in bytes. Throws RangeError for options out of order, a number or a value too large. */
export function bodyBytes({ options, payload }: MessageBody): number {
  let size = 0
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

/** Writes a body whose length `bodyBytes` has told, from `at`. */
export function writeBody({ options, payload }: MessageBody, bytes: Buffer, at: number): void {
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
}

/** 13 and 14 announce one and two bytes more: of option deltas and lengths, and of frames and tokens. */
export const nibble = (n: number): number => (n < 13 ? n : n < 269 ? 13 : 14)
export const extensionBytes = (n: number): number => (n < 13 ? 0 : n < 269 ? 1 : 2)

/** Writes an extended delta or length, if there is one; returns where to go on. */
export function extend(n: number, bytes: Buffer, at: number): number {
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
export function place(part: Buffer, bytes: Buffer, at: number): number {
  const length = part.length
  if (length > 32) bytes.set(part, at)
  else for (let i = 0; i < length; i++) bytes[at + i] = part[i]!
  return at + length
}
