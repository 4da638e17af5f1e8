// Storms of CONNECT packets and of TLS handshakes, over all listeners.
import { peerNetwork } from '../auth/peer-address.ts'
import type { Clock } from '../model/clock.ts'
import { Failure } from '../model/failure.ts'
import type { Meter } from '../model/meter.ts'
import { FairLine, type Place } from '../stream/fair-line.ts'
import { CONNECT_RATE_LIMITS, ConnectRate, type ConnectRateLimits } from './connect-rate.ts'

export interface ReceptionLimits extends ConnectRateLimits {
  /** CONNECT packets whose authentication and session are under way. */
  readonly connectsUnderWay: number
  /** Of them begun in one turn of the event loop. */
  readonly connectsPerTurn: number
  /** TLS handshakes under way. */
  readonly handshakesUnderWay: number
  readonly handshakesPerTurn: number
  /** Milliseconds after which a TLS handshake under way gives way, where others wait for its place. */
  readonly handshakeGrace: number
}

export const RECEPTION_LIMITS: ReceptionLimits = {
  ...CONNECT_RATE_LIMITS,
  connectsUnderWay: 256,
  connectsPerTurn: 16,
  handshakesUnderWay: 256,
  handshakesPerTurn: 8,
  handshakeGrace: 2_000,
}

/**
 * What is expensive waits in line, one of each address in turn, so that whoever is connected is served between two
 * turns; how long the line may grow, `Admission` says. CONNECT packets beyond the rate do not even stand in line.
 */
export class Reception {
  readonly #rate: ConnectRate
  readonly #connects: FairLine
  readonly #handshakes: FairLine
  readonly #meter: Meter

  constructor(limits: ReceptionLimits, clock: Clock, meter: Meter) {
    const { connectsUnderWay, connectsPerTurn, handshakesUnderWay, handshakesPerTurn, handshakeGrace } = limits
    this.#rate = new ConnectRate(limits, clock)
    this.#connects = new FairLine({ places: connectsUnderWay, perTurn: connectsPerTurn, grace: handshakeGrace }, clock)
    this.#handshakes = new FairLine(
      { places: handshakesUnderWay, perTurn: handshakesPerTurn, grace: handshakeGrace },
      clock,
    )
    this.#meter = meter
    const gauge = (name: string, help: string, read: () => number) => meter.gauge(`latchkey_${name}`, help, read)
    gauge('mqtt_connects_under_way', 'CONNECT packets being worked on', () => this.#connects.underWay)
    gauge('mqtt_connects_in_line', 'CONNECT packets that wait their turn', () => this.#connects.inLine)
    gauge('tls_handshakes_under_way', 'TLS handshakes under way', () => this.#handshakes.underWay)
    gauge('tls_handshakes_in_line', 'TLS handshakes that wait their turn', () => this.#handshakes.inLine)
  }

  /** Counts a CONNECT. Throws `connection-rate-exceeded`. */
  judge(address: string): void {
    const refusal = this.#rate.judge(address)
    if (refusal === null) return
    this.#meter.count('latchkey_mqtt_connects_refused_total', { reason: refusal })
    throw new Failure(
      'connection-rate-exceeded',
      refusal === 'total'
        ? 'More CONNECT packets come than limits.connectRate lets in; clients try again.'
        : `More CONNECT packets come from ${peerNetwork(address)} than limits.connectRatePerAddress lets in.`,
    )
  }

  /** Resolves when a CONNECT's turn has come. */
  connect(address: string): Promise<Place> {
    return new Promise(resolve => this.#connects.enter(peerNetwork(address), resolve))
  }

  /** Calls `begin` when the turn of a TLS handshake has come, and `drop` when it takes too long while others wait. */
  handshake(address: string, begin: () => void, drop: () => void): Place {
    return this.#handshakes.enter(peerNetwork(address), begin, drop)
  }

  /** To be called now and then. */
  sweep(): void {
    const dropped = this.#handshakes.sweep()
    if (dropped > 0) this.#meter.count('latchkey_mqtt_connections_refused_total', { reason: 'gave-way' }, dropped)
  }
}
