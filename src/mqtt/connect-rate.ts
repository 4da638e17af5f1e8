// How many CONNECT packets are worked on: beyond it clients are told 0x9F before anything of theirs is looked at.
import { BoundedMap } from '../auth/bounded-map.ts'
import { peerNetwork } from '../auth/peer-address.ts'
import type { Clock } from '../model/clock.ts'
import { type Rate, TokenBucket } from './token-bucket.ts'

export interface ConnectRateLimits {
  /** CONNECT packets a second over all listeners; 0 = as many as come. */
  readonly connectRate: number
  /** Of them at once, after a rest. */
  readonly connectBurst: number
  /** CONNECT packets a second from one address (IPv6: one /64); 0 = as many as come. */
  readonly connectRatePerAddress: number
  readonly connectBurstPerAddress: number
  /** How many addresses are remembered for this. */
  readonly connectAddresses: number
}

/** What one core can do, and a fleet of ten thousand behind one address back within half a minute. */
export const CONNECT_RATE_LIMITS: ConnectRateLimits = {
  connectRate: 1_000,
  connectBurst: 2_000,
  connectRatePerAddress: 500,
  connectBurstPerAddress: 1_000,
  connectAddresses: 20_000,
}

/** null: it is worked on. */
export type ConnectRefusal = 'address' | 'total' | null

interface Network {
  readonly bucket: TokenBucket
  /** Which second `taken` counts. */
  second: number
  taken: number
}

/**
 * A token bucket for each address and one for all. Where that one is empty, whoever has not had its share of this second
 * is let in even so: a storm from some addresses does not keep the others out.
 */
export class ConnectRate {
  readonly #clock: Clock
  readonly #total: Rate
  readonly #perAddress: Rate
  readonly #all: TokenBucket
  readonly #networks: BoundedMap<string, Network>
  #second = 0
  /** Addresses that have asked in this second. */
  #asking = 0

  constructor(limits: ConnectRateLimits, clock: Clock) {
    this.#clock = clock
    this.#total = { perSecond: limits.connectRate, burst: limits.connectBurst }
    this.#perAddress = { perSecond: limits.connectRatePerAddress, burst: limits.connectBurstPerAddress }
    this.#all = new TokenBucket(this.#total, clock.now())
    this.#networks = new BoundedMap(limits.connectAddresses)
  }

  /** Counts a CONNECT from this address, unless it is refused. */
  judge(address: string): ConnectRefusal {
    const now = this.#clock.now()
    const network = this.#networkOf(peerNetwork(address), now)
    if (network.bucket.left(this.#perAddress, now) < 1) return 'address'
    const share = this.#total.perSecond / this.#asking
    if (this.#all.left(this.#total, now) < 1 && network.taken >= share) return 'total'
    network.taken++
    network.bucket.spend(this.#perAddress, 1, now)
    this.#all.spend(this.#total, 1, now)
    return null
  }

  #networkOf(name: string, now: number): Network {
    const network = this.#networks.get(name) ?? {
      bucket: new TokenBucket(this.#perAddress, now),
      second: Number.NEGATIVE_INFINITY,
      taken: 0,
    }
    this.#networks.set(name, network)
    const second = Math.floor(now / 1000)
    if (this.#second !== second) this.#asking = 0
    this.#second = second
    if (network.second !== second) {
      network.second = second
      network.taken = 0
      this.#asking++
    }
    return network
  }
}
