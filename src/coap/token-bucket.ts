/** How fast requests may come, and how often those that come faster are told so. */
export interface BucketLimits {
  readonly requestsPerSecond: number
  readonly requestBurst: number
  readonly refusals: number
}

export type Verdict = 'served' | 'refused' | 'ignored'

/** A token bucket that goes below zero: there it refuses aloud, until that is used up as well. */
export class TokenBucket {
  #left: number
  #at: number

  constructor(limits: BucketLimits, now: number) {
    this.#left = limits.requestBurst
    this.#at = now
  }

  /** Takes a token. `now` in milliseconds. */
  take(limits: BucketLimits, now: number): Verdict {
    if (now !== this.#at) this.#refill(limits, now)
    if (this.#left <= -limits.refusals) return 'ignored'
    this.#left -= 1
    return this.#left >= 0 ? 'served' : 'refused'
  }

  #refill({ requestsPerSecond, requestBurst }: BucketLimits, now: number): void {
    const gone = Math.max(0, now - this.#at)
    this.#at = now
    this.#left = Math.min(requestBurst, this.#left + (gone / 1000) * requestsPerSecond)
  }
}
