import { peerNetwork } from '../auth/peer-address.ts'
import type { Clock } from '../model/clock.ts'
import type { Meter } from '../model/meter.ts'

/** Bounds on connections, shared by all listeners of a protocol. */
export interface AdmissionLimits {
  /** Connections open at once. */
  readonly maximumConnections: number
  /** Of them, from one address (IPv6: one /64). */
  readonly maximumConnectionsPerAddress: number
  /** Connections that nobody has authenticated yet. */
  readonly maximumWaiting: number
  readonly maximumWaitingPerAddress: number
  /** Milliseconds after which a connection that still waits gives way to a newcomer when there is no room left. */
  readonly waitingGrace: number
}

export const ADMISSION_LIMITS: AdmissionLimits = {
  maximumConnections: 50_000,
  maximumConnectionsPerAddress: 10_000,
  maximumWaiting: 5_000,
  maximumWaitingPerAddress: 1_000,
  waitingGrace: 2_000,
}

/** Whose connections they are, as metrics name them. */
export type Protocol = 'mqtt' | 'coap'

/** One connection from accept to close. */
export interface Visit {
  /** The peer's turn has come: what it waited before was for us, and does not count. */
  begun(): void
  /** The peer proved who it is: it no longer counts as waiting. */
  admitted(): void
  /** The connection has closed. */
  left(): void
}

/** Who is inside, by address. */
interface Network {
  readonly name: string
  open: number
  /** In order of arrival. */
  readonly waiting: Set<Visitor>
}

class Visitor implements Visit {
  readonly network: Network
  /** Milliseconds since the epoch. */
  since: number
  readonly drop: () => void
  readonly #admission: Admission
  #inside = true

  constructor(network: Network, since: number, drop: () => void, admission: Admission) {
    this.network = network
    this.since = since
    this.drop = drop
    this.#admission = admission
  }

  begun(): void {
    this.#admission.begin(this)
  }

  admitted(): void {
    this.#admission.stopWaiting(this)
  }

  left(): void {
    if (this.#inside) this.#admission.leave(this)
    this.#inside = false
  }
}

/**
 * Counts who is connected and who still waits to be authenticated. A stranger who opens connections and says nothing
 * cannot keep healthy devices out: where the waiting room is full, whoever has waited beyond the grace leaves first. In
 * a storm of honest reconnections nobody has, so newcomers are refused and those inside finish; but whoever comes from an
 * address with few takes the place of somebody from one with many.
 */
export class Admission {
  readonly #limits: AdmissionLimits
  readonly #clock: Clock
  readonly #meter: Meter
  readonly #refused: string
  readonly #networks = new Map<string, Network>()
  readonly #waiting = new Set<Visitor>()
  #open = 0

  constructor(limits: AdmissionLimits, clock: Clock, meter: Meter, protocol: Protocol) {
    this.#limits = limits
    this.#clock = clock
    this.#meter = meter
    this.#refused = `latchkey_${protocol}_connections_refused_total`
    const name = protocol === 'mqtt' ? 'MQTT' : 'CoAP'
    const gauge = (what: string, help: string, read: () => number) =>
      meter.gauge(`latchkey_${protocol}_${what}`, help, read)
    gauge('connections', `Open ${name} connections`, () => this.#open)
    gauge('connections_waiting', `${name} connections not authenticated yet`, () => this.#waiting.size)
  }

  get open(): number {
    return this.#open
  }

  get waiting(): number {
    return this.#waiting.size
  }

  /** `drop` closes this connection, should it have to give way. Returns null when there is no room: close it at once. */
  enter(address: string, drop: () => void): Visit | null {
    const name = peerNetwork(address)
    const network = this.#networks.get(name) ?? { name, open: 0, waiting: new Set<Visitor>() }
    if (!this.#hasRoom(network)) {
      this.#meter.count(this.#refused, { reason: 'limit' })
      return null
    }
    const visitor = new Visitor(network, this.#clock.now(), drop, this)
    this.#networks.set(name, network)
    network.open++
    this.#open++
    network.waiting.add(visitor)
    this.#waiting.add(visitor)
    return visitor
  }

  /** For visitors alone. */
  begin(visitor: Visitor): void {
    if (!this.#waiting.has(visitor)) return
    visitor.since = this.#clock.now()
    this.stopWaiting(visitor)
    visitor.network.waiting.add(visitor)
    this.#waiting.add(visitor)
  }

  /** For visitors alone. */
  leave(visitor: Visitor): void {
    this.stopWaiting(visitor)
    this.#open--
    if (--visitor.network.open === 0) this.#networks.delete(visitor.network.name)
  }

  /** For visitors alone. */
  stopWaiting(visitor: Visitor): void {
    this.#waiting.delete(visitor)
    visitor.network.waiting.delete(visitor)
  }

  #hasRoom(network: Network): boolean {
    const limits = this.#limits
    if (this.#open >= limits.maximumConnections && !this.#makeRoom(this.#waiting)) return false
    if (network.open >= limits.maximumConnectionsPerAddress && !this.#makeRoom(network.waiting)) return false
    if (network.waiting.size >= limits.maximumWaitingPerAddress && !this.#makeRoom(network.waiting)) return false
    return this.#waiting.size < limits.maximumWaiting || this.#makeRoom(this.#waiting, network)
  }

  /** Drops whoever has waited longest, if that was longer than the grace or many more wait there than with the newcomer. */
  #makeRoom(waiting: ReadonlySet<Visitor>, newcomer?: Network): boolean {
    const [oldest] = waiting
    if (oldest === undefined) return false
    const crowds = newcomer !== undefined && oldest.network.waiting.size > 2 * (newcomer.waiting.size + 1)
    if (!crowds && this.#clock.now() - oldest.since < this.#limits.waitingGrace) return false
    this.stopWaiting(oldest)
    this.#meter.count(this.#refused, { reason: 'gave-way' })
    oldest.drop()
    return true
  }
}
