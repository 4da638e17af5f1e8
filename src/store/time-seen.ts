import type { Clock } from '../model/clock.ts'
import type { Store } from './store.ts'

const KEY = 'clock/highest'

export interface TimeSeenOptions {
  readonly store: Store
  readonly clock: Clock
  /** Milliseconds the clock may lag behind the highest time seen. Default five minutes. */
  readonly tolerance?: number
  /** Milliseconds between two records. Default one minute. */
  readonly interval?: number
}

/**
 * The highest time this data directory has seen. A clock far behind it would revive what has expired, so new logins are
 * refused while it lags.
 */
export class TimeSeen {
  readonly #store: Store
  readonly #clock: Clock
  readonly #tolerance: number
  readonly #timer: NodeJS.Timeout
  #highest: number
  #recorded: number

  constructor({ store, clock, tolerance = 300_000, interval = 60_000 }: TimeSeenOptions) {
    this.#store = store
    this.#clock = clock
    this.#tolerance = tolerance
    this.#highest = Number(store.get(KEY)?.value.toString() ?? 0)
    this.#recorded = this.#highest
    this.#timer = setInterval(() => this.record().catch(() => {}), interval) // a failed store shows at the next awaited write
    this.#timer.unref()
  }

  /** True while the clock is further behind than tolerated. */
  get behind(): boolean {
    const now = this.#clock.now()
    if (now > this.#highest) this.#highest = now
    return this.#highest - now > this.#tolerance
  }

  /** Milliseconds since the epoch. */
  get highest(): number {
    return this.#highest
  }

  /** Resolves when the highest time is in the store; it outlives a restart from then on. */
  async record(): Promise<void> {
    const highest = Math.max(this.#highest, this.#clock.now())
    this.#highest = highest
    if (highest === this.#recorded) return
    await this.#store.commit([{ put: KEY, value: String(highest) }], 'write')
    this.#recorded = highest
  }

  /** The operator says that the clock is right now and was wrong before: forgets what was seen. */
  async accept(): Promise<void> {
    this.#highest = 0
    await this.record()
  }

  close(): void {
    clearInterval(this.#timer)
  }
}
