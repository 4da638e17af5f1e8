// What has been seen before (RFC 8613 7.4).

/** RFC 8613 3.2.2: the default. Numbers that are further behind the highest are not told apart from those seen. */
export const WINDOW_SIZE = 32

/** Sequence numbers of requests: each is accepted once. Ask `isFresh` and `accept` after the message has been verified. */
export class ReplayWindow {
  #highest = -1
  /** Bit i stands for `#highest - i`. */
  #seen = 0

  /** With `from`, everything up to that number counts as seen. */
  constructor(from = -1) {
    this.#highest = from
    this.#seen = ~0
  }

  get highest(): number {
    return this.#highest
  }

  isFresh(sequence: number): boolean {
    if (sequence > this.#highest) return true
    const behind = this.#highest - sequence
    return behind < WINDOW_SIZE && ((this.#seen >>> behind) & 1) === 0
  }

  /** False, and nothing changes, for a number that is not fresh. */
  accept(sequence: number): boolean {
    if (!this.isFresh(sequence)) return false
    const ahead = sequence - this.#highest
    if (ahead <= 0) {
      this.#seen |= 1 << -ahead
      return true
    }
    this.#seen = ahead >= WINDOW_SIZE ? 1 : (this.#seen << ahead) | 1
    this.#highest = sequence
    return true
  }
}

/** The notifications of one observation (RFC 8613 7.4.1): only ever newer ones. */
export class NotificationNumber {
  /** One without a partial IV counts as the oldest of all (RFC 8613 4.1.3.5.2). */
  #highest = -1
  #isFirst = true

  /** False for what is not newer than everything before. `partialIv` null: that of the request was used. */
  accept(sequence: number | null): boolean {
    const first = this.#isFirst
    if (sequence === null) {
      if (!first) return false
    } else if (sequence <= this.#highest) return false
    else this.#highest = sequence
    this.#isFirst = false
    return true
  }
}
