// Whether somebody is there, and for whom (RFC 8323 5.4): what a connection may take its time for.
import type { Clock } from '../model/clock.ts'
import type { StreamLimits } from './stream-limits.ts'
import type { Timeout, TimerWheel } from './timer-wheel.ts'

export interface StreamHealthParts {
  readonly limits: Pick<StreamLimits, 'csmTimeout' | 'pingAfter' | 'pongTimeout' | 'strangerIdle'>
  readonly clock: Clock
  readonly wheel: TimerWheel
}

export interface HealthEvents {
  ping(token: Buffer): void
  end(reason: 'csm-timeout' | 'no-pong' | 'idle'): void
  /** It is not being read because of us: its Pong may be there already. */
  isWaitingForUs(): boolean
}

const SECOND = 1000

export class StreamHealth {
  readonly #parts: StreamHealthParts
  readonly #events: HealthEvents
  #timer: Timeout
  #heardAt: number
  #askedAt: number
  #isStranger = true
  /** Of the Ping that is not answered yet. */
  #token: Buffer | null = null
  #pings = 0

  constructor(parts: StreamHealthParts, events: HealthEvents) {
    this.#parts = parts
    this.#events = events
    this.#heardAt = this.#askedAt = parts.clock.now()
    this.#timer = parts.wheel.after(parts.limits.csmTimeout, () => events.end('csm-timeout'))
  }

  /** The CSM has come. */
  begin(): void {
    this.#timer.cancel()
    this.#wait()
  }

  /** Bytes have come. */
  heard(): void {
    this.#heardAt = this.#parts.clock.now()
  }

  /** A request has come. */
  asked(): void {
    this.#askedAt = this.#parts.clock.now()
  }

  letIn(): void {
    this.#isStranger = false
  }

  /** A Pong has come. */
  answered(token: Buffer): void {
    if (this.#token === null || !token.equals(this.#token)) return
    this.#token = null
    this.#timer.cancel()
    this.#wait()
  }

  close(): void {
    this.#timer.cancel()
  }

  #wait(): void {
    const { limits, clock, wheel } = this.#parts
    const now = clock.now()
    const untilPing = this.#heardAt + limits.pingAfter * SECOND - now
    const untilIdle = this.#isStranger ? this.#askedAt + limits.strangerIdle * SECOND - now : Number.POSITIVE_INFINITY
    // A clock that was set back makes nobody wait for longer than it should.
    const delay = Math.min(untilPing, untilIdle, limits.pingAfter * SECOND)
    if (delay > 0) this.#timer = wheel.after(delay, () => this.#wait())
    else if (untilIdle <= 0) this.#events.end('idle')
    else this.#ping()
  }

  #ping(): void {
    const { limits, wheel } = this.#parts
    this.#pings = (this.#pings + 1) & 0xff
    this.#token = Buffer.from([this.#pings])
    this.#timer = wheel.after(limits.pongTimeout * SECOND, () => this.#unanswered())
    this.#events.ping(this.#token)
  }

  #unanswered(): void {
    this.#token = null
    if (this.#events.isWaitingForUs()) this.#wait()
    else this.#events.end('no-pong')
  }
}
