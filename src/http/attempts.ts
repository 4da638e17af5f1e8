// How often somebody may fail over HTTP. Bearer tokens are not counted here: `auth` limits its own attempts.
import { AttemptLimiter, type AttemptLimits } from '../auth/attempt-limiter.ts'
import type { Clock } from '../model/clock.ts'
import { asFailure } from '../model/failure.ts'

export class Attempts {
  /** Public routes that take a secret: by address, and by address and claim together. */
  readonly #strangers: AttemptLimiter
  /** Who is known and asks for what it may not have, again and again: by principal. */
  readonly #principals: AttemptLimiter

  constructor(limits: AttemptLimits, clock: Clock) {
    this.#strangers = new AttemptLimiter(limits, clock)
    this.#principals = new AttemptLimiter(limits, clock)
  }

  /**
   * Does the work unless too much of it has failed lately, from this address or with this claim (whom or what the
   * request speaks of). A claim that was good from here before does not wait for the failures of its neighbours.
   */
  async limited<T>(address: string, claim: string | null, work: () => T | Promise<T>): Promise<T> {
    const claims = claim === null ? [] : [claim]
    this.#strangers.check(address, claims)
    try {
      const result = await work()
      this.#strangers.succeeded(address, claims)
      return result
    } catch (error) {
      if (asFailure(error).row.http < 500) this.#strangers.failed(address, claims)
      throw error
    }
  }

  /** Throws `authentication-throttled` when this principal was refused too often. */
  checkPrincipal(id: string): void {
    this.#principals.check(id, [])
  }

  principalRefused(id: string): void {
    this.#principals.failed(id, [])
  }
}
