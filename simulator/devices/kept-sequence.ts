// Sequence numbers of an OSCORE context, of which none is used twice, not even after the device was killed.
import { freshSequence, type OscoreSequence } from '../../src/coap-wire/oscore-client.ts'

/** A number that outlives the process. */
export interface KeptNumber {
  read(): Promise<number>
  /** Resolves when it is on disk. */
  keep(value: number): Promise<void>
}

/** Numbers that are written off in advance, and lost when the device is killed (RFC 8613 B.1.1). */
const STRETCH = 1_000

export class KeptSequence implements OscoreSequence {
  readonly #kept: KeptNumber
  readonly #fresh: OscoreSequence
  #next: number
  /** Up to here, and no further, numbers are written off. */
  #end: number
  #reserving = false

  private constructor(kept: KeptNumber, from: number) {
    this.#kept = kept
    this.#fresh = freshSequence(from)
    this.#next = from
    this.#end = from + STRETCH
  }

  /** Goes on behind all that may have been used. */
  static async open(kept: KeptNumber): Promise<KeptSequence> {
    const from = await kept.read()
    await kept.keep(from + STRETCH)
    return new KeptSequence(kept, from)
  }

  /** Throws when the disk is too slow, or has failed. */
  next(): number {
    if (this.#next >= this.#end) throw new RangeError('no OSCORE sequence number is written off: the disk is behind')
    this.#next += 1
    if (this.#end - this.#next < STRETCH / 2) void this.#reserve()
    return this.#fresh.next()
  }

  async #reserve(): Promise<void> {
    if (this.#reserving) return
    this.#reserving = true
    const end = this.#end + STRETCH
    try {
      await this.#kept.keep(end)
      this.#end = end
    } catch {
      // Tried again with the next number, as long as there is one.
    } finally {
      this.#reserving = false
    }
  }
}
