/** How fast requests may come, and how often those that come faster are told so. */
export interface BucketLimits {
  readonly requestsPerSecond: number
  readonly requestBurst: number
  /** A second. */
  readonly refusals: number
}

export type Verdict = 'served' | 'refused' | 'ignored'

/** A token bucket for what is served, and a second one for what is refused aloud. */
export class TokenBucket {
  #served: number
  #refused: number
  #at: number

  /** `now` in milliseconds. */
  constructor(limits: BucketLimits, now: number) {
    this.#served = limits.requestBurst
    this.#refused = limits.refusals
    this.#at = now
  }

  take(limits: BucketLimits, now: number): Verdict {
    if (now !== this.#at) this.#refill(limits, now)
    if (this.#served >= 1) {
      this.#served -= 1
      return 'served'
    }
    if (this.#refused < 1) return 'ignored'
    this.#refused -= 1
    return 'refused'
  }

  #refill({ requestsPerSecond, requestBurst, refusals }: BucketLimits, now: number): void {
    const seconds = Math.max(0, now - this.#at) / 1000
    this.#at = now
    this.#served = Math.min(requestBurst, this.#served + seconds * requestsPerSecond)
    this.#refused = Math.min(refusals, this.#refused + seconds * refusals)
  }
}
