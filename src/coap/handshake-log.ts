// What the operator reads of handshakes that came to nothing. Strangers make as many as they like, so that only a few lines
// a minute are written, and then how many were not.
import type { Clock } from '../model/clock.ts'
import type { Log } from '../model/log.ts'
import { printable } from '../model/printable.ts'

export interface FailedHandshake {
  readonly address: string
  /** What the peer called itself, proved by nothing; undefined when it did not come that far. */
  readonly identity: string | undefined
  /** Whether anybody has that identity: then it was the key that was wrong. */
  readonly known: boolean
  readonly reason: string
  /** OpenSSL's words. */
  readonly error: string | undefined
}

const MINUTE = 60_000
const LINES_PER_MINUTE = 20

export class HandshakeLog {
  readonly #listener: string
  readonly #log: Log
  readonly #clock: Clock
  #since = Number.NEGATIVE_INFINITY
  #written = 0
  #leftOut = 0

  constructor(listener: string, log: Log, clock: Clock) {
    this.#listener = listener
    this.#log = log
    this.#clock = clock
  }

  failed({ address, identity, known, reason, error }: FailedHandshake): void {
    const now = this.#clock.now()
    if (Math.abs(now - this.#since) >= MINUTE) this.#begin(now)
    if (this.#written >= LINES_PER_MINUTE) {
      this.#leftOut += 1
      return
    }
    this.#written += 1
    const claimed = identity === undefined ? {} : { identity: printable(identity, 128), known }
    const cause = error === undefined ? {} : { error: printable(error, 200) }
    this.#log.info({ listener: this.#listener, address, ...claimed, reason, ...cause }, 'a DTLS handshake failed')
  }

  #begin(now: number): void {
    if (this.#leftOut > 0)
      this.#log.warn({ listener: this.#listener, handshakes: this.#leftOut }, 'more DTLS handshakes failed')
    this.#since = now
    this.#written = 0
    this.#leftOut = 0
  }
}
