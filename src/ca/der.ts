// DER (X.690): writing, for what must be fast (certificate revocation lists), and splitting strictly into elements, because
// the ASN.1 libraries forgive what a request must not get away with. What is inside the elements is theirs to read.

/** Tag, length in the shortest form (X.690 10.1), contents. */
export function element(tag: number, ...contents: readonly Buffer[]): Buffer {
  const length = contents.reduce((sum, part) => sum + part.length, 0)
  return Buffer.concat([Buffer.from([tag]), lengthOf(length), ...contents])
}

export const sequence = (...contents: readonly Buffer[]): Buffer => element(0x30, ...contents)
export const octetString = (contents: Buffer): Buffer => element(0x04, contents)
export const bitString = (contents: Buffer): Buffer => element(0x03, Buffer.from([0]), contents)
export const boolean = (value: boolean): Buffer => element(0x01, Buffer.from([value ? 0xff : 0]))
export const enumerated = (value: number): Buffer => element(0x0a, Buffer.from([value]))
/** `[n] EXPLICIT`, n below 31. */
export const explicit = (n: number, contents: Buffer): Buffer => element(0xa0 | n, contents)
/** `[n] IMPLICIT` over a primitive, n below 31. */
export const implicit = (n: number, contents: Buffer): Buffer => element(0x80 | n, contents)

/** A non-negative INTEGER from hexadecimal digits. */
export function unsignedInteger(hex: string): Buffer {
  let bytes = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex')
  let leading = 0
  while (leading < bytes.length - 1 && bytes[leading] === 0) leading++
  bytes = bytes.subarray(leading)
  const first = bytes[0] ?? 0
  return element(0x02, first >= 0x80 || bytes.length === 0 ? Buffer.concat([Buffer.from([0]), bytes]) : bytes)
}

/** An OBJECT IDENTIFIER from its dotted form. */
export function objectIdentifier(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number)
  const bytes: number[] = []
  for (const arc of [first * 40 + second, ...rest]) {
    const groups = [arc & 0x7f]
    for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128)) groups.unshift((left & 0x7f) | 0x80)
    bytes.push(...groups)
  }
  return element(0x06, Buffer.from(bytes))
}

/** Whole seconds; UTCTime until 2049, GeneralizedTime from 2050 (RFC 5280 4.1.2.5). `at` is ms since the epoch. */
export function time(at: number): Buffer {
  const digits = new Date(at).toISOString().replace(/[-:T]/g, '').slice(0, 14)
  return Number(digits.slice(0, 4)) < 2050
    ? element(0x17, Buffer.from(`${digits.slice(2)}Z`, 'latin1'))
    : element(0x18, Buffer.from(`${digits}Z`, 'latin1'))
}

export interface Element {
  readonly tag: number
  readonly contents: Buffer
  /** Tag, length and contents. */
  readonly whole: Buffer
}

/** More than any certificate request needs. */
const MAXIMUM_DEPTH = 24

/**
 * The elements that fill these bytes exactly, each of definite, shortest length (X.690 10.1), and so on inside every
 * constructed one; null otherwise, and for tags above 30.
 */
export function readElements(bytes: Buffer, depth = 0): Element[] | null {
  if (depth > MAXIMUM_DEPTH) return null
  const elements: Element[] = []
  for (let at = 0; at < bytes.length; ) {
    const element = readElement(bytes.subarray(at))
    if (!element) return null
    if ((element.tag & 0x20) !== 0 && !readElements(element.contents, depth + 1)) return null
    elements.push(element)
    at += element.whole.length
  }
  return elements
}

function readElement(bytes: Buffer): Element | null {
  const [tag, first] = bytes
  if (tag === undefined || first === undefined || (tag & 0x1f) === 0x1f) return null
  const lengthBytes = first < 0x80 ? 0 : first & 0x7f
  const start = 2 + lengthBytes
  // 0x80 would be indefinite; more than three bytes of length are more than we ever take
  if (first === 0x80 || lengthBytes > 3 || bytes.length < start) return null
  const length = lengthBytes === 0 ? first : bytes.readUIntBE(2, lengthBytes)
  const shortest = lengthBytes === 0 || (length >= 0x80 && bytes[2] !== 0)
  if (!shortest || bytes.length < start + length) return null
  return { tag, contents: bytes.subarray(start, start + length), whole: bytes.subarray(0, start + length) }
}

function lengthOf(length: number): Buffer {
  if (length < 0x80) return Buffer.from([length])
  const bytes: number[] = []
  for (let left = length; left > 0; left = Math.floor(left / 256)) bytes.unshift(left % 256)
  return Buffer.from([0x80 | bytes.length, ...bytes])
}
