import { peerNetwork } from '../auth/peer-address.ts'
import type { Clock } from '../model/clock.ts'

export interface FailureLimiterOptions {
  readonly clock: Clock
  /** Failures an address may make at once, and per minute from then on. Default 60. */
  readonly failuresPerMinute?: number
  /** Addresses remembered. Default 10 000; beyond it the one that failed longest ago is forgotten. */
  readonly addresses?: number
}

/** What a full bucket weighs: one minute. */
const MINUTE = 60_000

interface Bucket {
  /** Milliseconds until all failures are forgiven; each one adds its share of the minute. */
  debt: number
  at: number
}

/**
 * A bucket of failures for each address. Only what was refused costs anything, so that a busy, well-behaved caller is
 * never slowed down; bounded, so that an attacker with many addresses cannot fill the memory.
 */
export class FailureLimiter {
  readonly #clock: Clock
  readonly #cost: number
  readonly #addresses: number
  /** In the order of the last failure. */
  readonly #buckets = new Map<string, Bucket>()

  constructor({ clock, failuresPerMinute = 60, addresses = 10_000 }: FailureLimiterOptions) {
    this.#clock = clock
    this.#cost = MINUTE / failuresPerMinute
    this.#addresses = addresses
  }

  /** Seconds this address has to wait; 0 when it may go on. */
  wait(address: string): number {
    const key = peerNetwork(address)
    const bucket = this.#buckets.get(key)
    if (!bucket) return 0
    this.#forgive(bucket)
    if (bucket.debt === 0) this.#buckets.delete(key)
    return Math.max(0, Math.ceil((bucket.debt + this.#cost - MINUTE) / 1000))
  }

  failed(address: string): void {
    const key = peerNetwork(address)
    const bucket = this.#buckets.get(key) ?? { debt: 0, at: this.#clock.now() }
    this.#forgive(bucket)
    bucket.debt = Math.min(MINUTE, bucket.debt + this.#cost)
    this.#buckets.delete(key)
    this.#buckets.set(key, bucket)
    if (this.#buckets.size <= this.#addresses) return
    const [oldest] = this.#buckets.keys()
    if (oldest !== undefined) this.#buckets.delete(oldest)
  }

  get size(): number {
    return this.#buckets.size
  }

  #forgive(bucket: Bucket): void {
    const now = this.#clock.now()
    const passed = Math.max(0, now - bucket.at) // a clock set back forgives nothing
    bucket.debt = Math.max(0, bucket.debt - passed)
    bucket.at = now
  }
}
