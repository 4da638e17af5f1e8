import type { Clock } from '../model/clock.ts'

/** What setTimeout can wait for, in milliseconds. */
const LONGEST = 0x7fffffff

/** Rings once at a time (ms since the epoch), also one that is months away; follows a clock that is set. */
export class Alarm {
  readonly #at: number
  readonly #clock: Clock
  readonly #ring: () => void
  #timer: NodeJS.Timeout | null = null

  constructor(at: number, clock: Clock, ring: () => void) {
    this.#at = at
    this.#clock = clock
    this.#ring = ring
    this.#wait()
  }

  cancel(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
  }

  #wait(): void {
    const left = Math.max(0, this.#at - this.#clock.now())
    this.#timer = setTimeout(
      () => {
        if (this.#clock.now() < this.#at) this.#wait()
        else this.#ring()
      },
      Math.min(left, LONGEST),
    ).unref()
  }
}
