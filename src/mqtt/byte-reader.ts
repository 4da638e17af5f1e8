import { isUtf8 } from 'node:buffer'
import { Failure } from '../model/failure.ts'

export const malformed = (what: string): Failure =>
  new Failure('malformed-packet', `The client sent a malformed packet (${what}); update its library.`)

/** Reads the data types of MQTT (MQTT 5, 1.5) out of one packet; whatever does not fit is a malformed packet. */
export class ByteReader {
  readonly #bytes: Buffer
  #at: number
  readonly #end: number

  constructor(bytes: Buffer, at: number, end: number) {
    this.#bytes = bytes
    this.#at = at
    this.#end = end
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#end
  }

  /** A reader of the next bytes alone, which are passed over here. */
  part(length: number): ByteReader {
    const from = this.#take(length)
    return new ByteReader(this.#bytes, from, from + length)
  }

  byte(): number {
    return this.#bytes[this.#take(1)] ?? 0
  }

  /** A byte that is 0 or 1. */
  bit(): boolean {
    const value = this.byte()
    if (value > 1) throw malformed('a byte that must be 0 or 1')
    return value === 1
  }

  uint16(): number {
    return this.#bytes.readUInt16BE(this.#take(2))
  }

  uint32(): number {
    return this.#bytes.readUInt32BE(this.#take(4))
  }

  /** Variable Byte Integer (MQTT 5, 1.5.5), in its shortest form [MQTT-1.5.5-1]. */
  variable(): number {
    let value = 0
    for (let shift = 0; shift < 28; shift += 7) {
      const digit = this.byte()
      value |= (digit & 127) << shift
      if (digit < 128) {
        if (digit === 0 && shift > 0) throw malformed('a length that is not in its shortest form')
        return value
      }
    }
    throw malformed('a variable byte integer')
  }

  /** Well-formed UTF-8 [MQTT-1.5.4-1] without U+0000 [MQTT-1.5.4-2]. */
  text(): string {
    const length = this.uint16()
    const from = this.#take(length)
    const bytes = this.#bytes.subarray(from, from + length)
    if (!isUtf8(bytes)) throw malformed('ill-formed UTF-8')
    if (bytes.includes(0)) throw malformed('U+0000 in a string')
    return bytes.toString('utf8')
  }

  /** A copy, so that it does not hold the bytes around it. */
  binary(): Buffer {
    const length = this.uint16()
    const from = this.#take(length)
    return Buffer.from(this.#bytes.subarray(from, from + length))
  }

  /** All that is left, not copied. */
  rest(): Buffer {
    const from = this.#at
    this.#at = this.#end
    return this.#bytes.subarray(from, this.#end)
  }

  /** Throws when something is left. */
  end(): void {
    if (this.#at !== this.#end) throw malformed('bytes after its end')
  }

  #take(length: number): number {
    const from = this.#at
    if (from + length > this.#end) throw malformed('it ends too early')
    this.#at = from + length
    return from
  }
}
