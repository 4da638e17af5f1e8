// How often a device may renew: each renewal costs a write to disk, and a certificate a signature.
import { BoundedMap } from '../auth/bounded-map.ts'
import type { Clock } from '../model/clock.ts'
import type { EnrolmentLimits } from './enrolment-input.ts'

type Limits = Pick<EnrolmentLimits, 'renewalBurst' | 'renewalsPerMinute' | 'renewalsRemembered'>

interface Bucket {
  readonly left: number
  /** Milliseconds since the epoch of the last refill. */
  readonly at: number
}

/** One token bucket for each device. */
export class RenewalRate {
  readonly #limits: Limits
  readonly #clock: Clock
  readonly #buckets: BoundedMap<string, Bucket>

  constructor(limits: Limits, clock: Clock) {
    this.#limits = limits
    this.#clock = clock
    this.#buckets = new BoundedMap(limits.renewalsRemembered)
  }

  /** Counts one more; false when it is one too many. */
  take(device: string): boolean {
    const { renewalBurst, renewalsPerMinute } = this.#limits
    const now = this.#clock.now()
    const { left, at } = this.#buckets.get(device) ?? { left: renewalBurst, at: now }
    const refilled = Math.min(renewalBurst, left + (Math.max(0, now - at) / 60_000) * renewalsPerMinute)
    const permitted = refilled >= 1
    this.#buckets.set(device, { left: permitted ? refilled - 1 : refilled, at: now })
    return permitted
  }
}
