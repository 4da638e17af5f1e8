import type { Random } from '../model/clock.ts'

const POOL_BYTES = 512

/** Where message ids begin and how retransmissions spread: unguessable, and cheaper by drawing many at once. */
export class MessageDice {
  readonly #random: Random
  #pool: Buffer = Buffer.alloc(0)
  #at = 0

  constructor(random: Random) {
    this.#random = random
  }

  /** 0 to 65535. */
  uint16(): number {
    if (this.#at + 2 > this.#pool.length) {
      this.#pool = this.#random.bytes(POOL_BYTES)
      this.#at = 0
    }
    const n = this.#pool.readUInt16BE(this.#at)
    this.#at += 2
    return n
  }

  /** From `low` to `high`. */
  between(low: number, high: number): number {
    return low + ((high - low) * this.uint16()) / 0xffff
  }
}
