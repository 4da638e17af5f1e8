// Echo (RFC 9175 2): whoever gives back what was sent to an address can read there.
import { createHmac, timingSafeEqual } from 'node:crypto'
import type { Clock, Random } from '../model/clock.ts'

/** RFC 9175 5: at least 64 bits where guessing must not pay. */
const VALUE_BYTES = 8

/** Makes and recognises Echo values without remembering any: each is a MAC over the peer and a stretch of time. */
export class EchoGuard {
  readonly #key: Buffer
  readonly #clock: Clock
  readonly #stretch: number

  /** `lifetime`: milliseconds a value is good for; it may be twice that. */
  constructor(random: Random, clock: Clock, lifetime: number) {
    this.#key = random.bytes(32)
    this.#clock = clock
    this.#stretch = lifetime
  }

  /** `peer` names address, port and whatever else keeps endpoints apart. */
  valueFor(peer: string): Buffer {
    return this.#mac(peer, this.#present())
  }

  accepts(value: Buffer, peer: string): boolean {
    if (value.length !== VALUE_BYTES) return false
    const now = this.#present()
    return timingSafeEqual(value, this.#mac(peer, now)) || timingSafeEqual(value, this.#mac(peer, now - 1))
  }

  #present(): number {
    return Math.floor(this.#clock.now() / this.#stretch)
  }

  #mac(peer: string, stretch: number): Buffer {
    return createHmac('sha256', this.#key).update(`${stretch} ${peer}`).digest().subarray(0, VALUE_BYTES)
  }
}
