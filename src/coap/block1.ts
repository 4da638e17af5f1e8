// A body that comes in blocks (RFC 7959 2.5), and what makes two blocks parts of the same.
import { hash } from 'node:crypto'
import type { CoapOption } from '../coap-wire/message.ts'
import { OPTION } from '../coap-wire/options.ts'
import { Failure } from '../model/failure.ts'
import { type Block, blockBytes } from './block2.ts'

/** Bytes of the smallest buffer a body grows in. */
const FIRST_CAPACITY = 4096
const NOTHING: Buffer = Buffer.alloc(0)

/** Not a body by itself: there was one before it, or another follows. */
export const isPart = ({ number, more }: Block): boolean => more || number > 0

/** Where a block begins in the body. */
export const offsetOf = ({ number, sizeExponent }: Block): number => number * blockBytes(sizeExponent)

/**
 * Throws `invalid-input` unless a block that others follow is exactly as long as its size says (RFC 7959 2.2), or with
 * BERT a multiple of 1024 (RFC 8323 6), and the last one no longer.
 */
export function checkLength({ more, sizeExponent }: Block, { length }: Buffer): void {
  const size = blockBytes(sizeExponent)
  const fits =
    sizeExponent === BERT ? !more || (length > 0 && length % size === 0) : more ? length === size : length <= size
  if (!fits) throw new Failure('invalid-input', `a block of ${size} bytes has ${length}`)
}

/** The size exponent of blocks of several times 1024 bytes, on reliable transports alone (RFC 8323 6). */
export const BERT = 7

/**
 * What stays the same from block to block of one operation: method, Request-Tag, and all options that are part of the
 * cache key (RFC 7252 5.4.6, RFC 9175 3.3), but neither token nor payload. A hash, because the query may hold a secret.
 */
export function operationKey(method: number, options: readonly CoapOption[]): string {
  const parts: Buffer[] = [Buffer.from([method])]
  for (const { number, value } of options) {
    if (isNoCacheKey(number) || VARYING.has(number)) continue
    const head = Buffer.allocUnsafe(4)
    head.writeUInt16BE(number, 0)
    head.writeUInt16BE(value.length, 2)
    parts.push(head, value)
  }
  return hash('sha256', Buffer.concat(parts), 'base64url')
}

/** Of the block, not of the operation; and what is said of the answer alone. */
const VARYING: ReadonlySet<number> = new Set([OPTION.Observe, OPTION.Block2, OPTION.Block1, OPTION.NoResponse])

/** RFC 7252 5.4.6 */
const isNoCacheKey = (number: number): boolean => (number & 0x1e) === 0x1c

/** The blocks that have come, from the first on without a gap. */
export class Assembly {
  #bytes: Buffer = NOTHING
  #length = 0

  /** Bytes of memory. */
  get bytes(): number {
    return this.#bytes.length
  }

  /** Bytes that have come. */
  get length(): number {
    return this.#length
  }

  /**
   * Takes a block in. One that came before changes nothing; where it differs from what came, the client has begun anew, and
   * what stands behind it counts no more. False when there is a gap before it.
   */
  put(offset: number, block: Buffer): boolean {
    if (offset > this.#length) return false
    const end = offset + block.length
    if (end <= this.#length && block.equals(this.#bytes.subarray(offset, end))) return true
    if (end > this.#bytes.length) this.#grow(end)
    block.copy(this.#bytes, offset)
    this.#length = end
    return true
  }

  /** The first so many bytes, for keeps. */
  whole(length: number): Buffer {
    return this.#bytes.subarray(0, length)
  }

  #grow(least: number): void {
    const larger = Buffer.allocUnsafeSlow(Math.max(FIRST_CAPACITY, 2 * this.#bytes.length, least))
    this.#bytes.copy(larger, 0, 0, this.#length)
    this.#bytes = larger
  }
}
