// The few CBOR items (RFC 8949 3) that OSCORE hashes and authenticates, in their shortest form as RFC 8613 3.2.1 and 5.4 ask.

const UNSIGNED = 0
const BYTES = 2
const TEXT = 3
const ARRAY = 4

/** `null`. */
export const NULL: Buffer = Buffer.from([0xf6])

/** Up to 2^16 - 1: nothing longer is encoded here. Throws RangeError beyond. */
export const uint = (n: number): Buffer => head(UNSIGNED, n)

export const bytesItem = (bytes: Buffer): Buffer => Buffer.concat([head(BYTES, bytes.length), bytes])

export function text(value: string): Buffer {
  const bytes = Buffer.from(value)
  return Buffer.concat([head(TEXT, bytes.length), bytes])
}

export const array = (...items: readonly Buffer[]): Buffer => Buffer.concat([head(ARRAY, items.length), ...items])

function head(major: number, n: number): Buffer {
  const type = major << 5
  if (n < 24) return Buffer.from([type | n])
  if (n < 0x100) return Buffer.from([type | 24, n])
  if (n < 0x10000) return Buffer.from([type | 25, n >> 8, n & 0xff])
  throw new RangeError(`${n} is too large for what OSCORE encodes`)
}
