import type { Clock } from '../model/clock.ts'
import { Failure } from '../model/failure.ts'
import { BoundedMap } from './bounded-map.ts'
import { peerNetwork } from './peer-address.ts'

/** How often somebody may fail. Successes cost nothing. */
export interface AttemptLimits {
  /** Failures in a row from one address (IPv6: one /64) before it has to wait. */
  readonly addressBurst: number
  readonly addressPerMinute: number
  /** Failures in a row with one claim from one address. */
  readonly claimBurst: number
  readonly claimPerMinute: number
  /** How many addresses, claims and earlier successes are remembered. */
  readonly rememberedAddresses: number
  readonly rememberedClaims: number
  readonly knownGood: number
}

interface Bucket {
  /** Failures that are still to spare. */
  left: number
  /** Milliseconds since the epoch of the last refill. */
  at: number
}

/**
 * Token buckets for failed attempts: one for each address, one for each claim and address together. A claim is what the
 * evidence names (a key id, a fingerprint, a token's issuer), not the username, and it only counts where it comes from,
 * so a stranger cannot use up the attempts of a healthy device; and a claim that has succeeded from an address does not
 * wait there for the failures of its neighbours.
 */
export class AttemptLimiter {
  readonly #limits: AttemptLimits
  readonly #clock: Clock
  readonly #addresses: BoundedMap<string, Bucket>
  readonly #claims: BoundedMap<string, Bucket>
  readonly #knownGood: BoundedMap<string, true>

  constructor(limits: AttemptLimits, clock: Clock) {
    this.#limits = limits
    this.#clock = clock
    this.#addresses = new BoundedMap(limits.rememberedAddresses)
    this.#claims = new BoundedMap(limits.rememberedClaims)
    this.#knownGood = new BoundedMap(limits.knownGood)
  }

  /** Throws `authentication-throttled` when this address, or one of these claims from it, has failed too often. */
  check(address: string, claims: readonly string[]): void {
    const network = peerNetwork(address)
    const pairs = claims.map(claim => pairOf(network, claim))
    const { claimBurst, claimPerMinute, addressBurst, addressPerMinute } = this.#limits
    if (pairs.some(pair => this.#left(this.#claims.get(pair), claimBurst, claimPerMinute) < 1))
      throw new Failure(
        'authentication-throttled',
        `Too many failures of one identity from ${network}; it has to wait (${claimPerMinute} a minute)`,
      )
    const trusted = pairs.length > 0 && pairs.every(pair => this.#knownGood.get(pair) === true)
    if (!trusted && this.#left(this.#addresses.get(network), addressBurst, addressPerMinute) < 1)
      throw new Failure(
        'authentication-throttled',
        `Too many failures from ${network}; it has to wait (${addressPerMinute} a minute)`,
      )
  }

  failed(address: string, claims: readonly string[]): void {
    const network = peerNetwork(address)
    const { claimBurst, claimPerMinute, addressBurst, addressPerMinute } = this.#limits
    this.#spend(this.#addresses, network, addressBurst, addressPerMinute)
    for (const claim of claims) this.#spend(this.#claims, pairOf(network, claim), claimBurst, claimPerMinute)
  }

  succeeded(address: string, claims: readonly string[]): void {
    const network = peerNetwork(address)
    for (const claim of claims) {
      const pair = pairOf(network, claim)
      this.#claims.delete(pair)
      if (!this.#knownGood.has(pair)) this.#knownGood.set(pair, true) // `check` has counted it as used
    }
  }

  #left(bucket: Bucket | undefined, burst: number, perMinute: number): number {
    if (bucket === undefined) return burst
    const refill = (Math.max(0, this.#clock.now() - bucket.at) / 60_000) * perMinute
    return Math.min(burst, bucket.left + refill)
  }

  #spend(buckets: BoundedMap<string, Bucket>, key: string, burst: number, perMinute: number): void {
    const left = Math.max(0, this.#left(buckets.get(key), burst, perMinute) - 1)
    buckets.set(key, { left, at: this.#clock.now() })
  }
}

const pairOf = (network: string, claim: string) => `${network} ${claim}`
