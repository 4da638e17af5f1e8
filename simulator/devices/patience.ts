// When to try again, and when to renew. Milliseconds.

/** The wait before the next attempt: doubles from 0.2 s up to 2 s, and begins anew after a success. */
export class Backoff {
  static readonly FIRST = 200
  static readonly LONGEST = 2_000
  #next = Backoff.FIRST

  next(): number {
    const wait = this.#next
    this.#next = Math.min(wait * 2, Backoff.LONGEST)
    return wait
  }

  reset(): void {
    this.#next = Backoff.FIRST
  }
}

/** How long a credential or token is good, in milliseconds since the epoch. `until` null: it does not end. */
export interface Lease {
  readonly from: number
  readonly until: number | null
}

/** Milliseconds from `now` to two thirds of its life; null: never. */
export function renewalDelay({ from, until }: Lease, now: number): number | null {
  if (until === null) return null
  return Math.max(0, Math.round(from + ((until - from) * 2) / 3 - now))
}

/** What ends first. */
export function shorter(one: Lease, until: number | null): Lease {
  if (until === null) return one
  return { from: one.from, until: one.until === null ? until : Math.min(one.until, until) }
}

/** Resolves after `milliseconds`, or as soon as `signal` is aborted. Null waits for the signal alone. */
export function pause(milliseconds: number | null, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise(resolve => {
    const timer = milliseconds === null ? undefined : setTimeout(done, Math.min(milliseconds, LONGEST_TIMER))
    function done() {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    signal.addEventListener('abort', done)
  })
}

/** What setTimeout can count. */
const LONGEST_TIMER = 2 ** 31 - 1
