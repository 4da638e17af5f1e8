/** How much may pass: `perSecond` in the long run, `burst` at once. 0 a second = as much as comes. */
export interface Rate {
  readonly perSecond: number
  readonly burst: number
}

/** Fills at a rate up to the burst. It may be overdrawn: what has happened already can only be waited for. */
export class TokenBucket {
  #tokens: number
  #at: number

  /** `now` in milliseconds, here and below; a clock that is set back stops nothing. */
  constructor({ perSecond, burst }: Rate, now: number) {
    this.#tokens = perSecond === 0 ? Number.POSITIVE_INFINITY : burst
    this.#at = now
  }

  /** Below 0: overdrawn. */
  left(rate: Rate, now: number): number {
    if (now !== this.#at && this.#tokens !== Number.POSITIVE_INFINITY) {
      const gained = (Math.max(0, now - this.#at) / 1000) * rate.perSecond
      this.#tokens = Math.min(rate.burst, this.#tokens + gained)
    }
    this.#at = now
    return this.#tokens
  }

  /** Returns what is left. */
  spend(rate: Rate, count: number, now: number): number {
    this.#tokens = this.left(rate, now) - count
    return this.#tokens
  }
}
