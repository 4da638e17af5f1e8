import type { DtlsServer } from '../dtls/server.ts'
import type { Meter } from '../model/meter.ts'
import type { TimerWheel } from './timer-wheel.ts'

/** Milliseconds that a count may wait before the meter has it. */
const FLUSH_AFTER = 1000

const RESULTS = ['opened', 'resumed', 'failed', 'refused'] as const

/** Tells the meter once a second what a DTLS server has counted: floods must cost no labels. */
export class DtlsCounters {
  readonly #server: DtlsServer
  readonly #meter: Meter
  readonly #wheel: TimerWheel
  #told: DtlsServer['statistics']
  #waiting = false

  constructor(server: DtlsServer, meter: Meter, wheel: TimerWheel) {
    this.#server = server
    this.#meter = meter
    this.#wheel = wheel
    this.#told = { ...server.statistics }
    const sessions = 'DTLS sessions, those in their handshake included.'
    meter.gauge('latchkey_dtls_sessions', sessions, () => server.size)
    meter.gauge('latchkey_dtls_pending', 'DTLS handshakes past the cookie.', () => server.pending)
  }

  /** Something may have been counted. */
  changed(): void {
    if (this.#waiting) return
    this.#waiting = true
    this.#wheel.after(FLUSH_AFTER, () => this.flush())
  }

  flush(): void {
    this.#waiting = false
    const before = this.#told
    const now = { ...this.#server.statistics }
    this.#told = now
    for (const result of RESULTS)
      this.#count('latchkey_dtls_handshakes_total', now[result] - before[result], { result })
    this.#count('latchkey_dtls_hellos_total', now.hellos - before.hellos)
    this.#count('latchkey_dtls_dropped_total', now.dropped - before.dropped)
  }

  #count(name: string, by: number, labels: Readonly<Record<string, string>> = {}): void {
    if (by > 0) this.#meter.count(name, labels, by)
  }
}
