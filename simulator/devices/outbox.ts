// Messages on their way out, in order. What was not acknowledged when a link was lost goes out again over the next.
import type { Outcome, Outgoing } from './link.ts'

export interface OutboxOptions<M extends Outgoing> {
  /** Messages kept; the oldest that is not on its way gives way. */
  readonly capacity: number
  /** Messages on their way at once. CoAP: 1 (NSTART, RFC 7252 4.7). */
  readonly window: number
  /** Milliseconds until what the broker could not take is sent again. */
  readonly retryAfter: number
  settled(message: M, outcome: 'accepted' | 'denied'): void
}

export class Outbox<M extends Outgoing> {
  readonly #options: OutboxOptions<M>
  /** Oldest first. */
  readonly #waiting: M[] = []
  readonly #onTheirWay = new Set<M>()
  #send: ((message: M) => Promise<Outcome>) | null = null
  #resting = false
  #rested: (() => void)[] = []
  #retry: NodeJS.Timeout | undefined

  constructor(options: OutboxOptions<M>) {
    this.#options = options
  }

  /** Messages not acknowledged. */
  get size(): number {
    return this.#waiting.length + this.#onTheirWay.size
  }

  put(message: M): void {
    this.#waiting.push(message)
    if (this.#waiting.length > this.#options.capacity) this.#waiting.shift()
    this.#pump()
  }

  /** From now on over this link. */
  attach(send: (message: M) => Promise<Outcome>): void {
    this.detach()
    this.#send = send
    this.#resting = false
    this.#pump()
  }

  /** The link is lost: what was on its way waits again, at the head and in order. */
  detach(): void {
    clearTimeout(this.#retry)
    this.#retry = undefined
    this.#send = null
    this.#waiting.unshift(...this.#onTheirWay)
    this.#onTheirWay.clear()
    this.#tellRested()
  }

  /** Sends nothing more until the next `attach`; resolves when nothing is on its way. */
  rest(): Promise<void> {
    this.#resting = true
    if (this.#onTheirWay.size === 0) return Promise.resolve()
    return new Promise(resolve => this.#rested.push(resolve))
  }

  #pump(): void {
    while (this.#send && !this.#resting && this.#retry === undefined && this.#onTheirWay.size < this.#options.window) {
      const message = this.#waiting.shift()
      if (message === undefined) return
      this.#onTheirWay.add(message)
      void this.#deliver(message, this.#send)
    }
  }

  async #deliver(message: M, send: (message: M) => Promise<Outcome>): Promise<void> {
    // A link that is lost says so to its owner, who calls `detach`: here it only means that nothing was settled.
    const outcome = await send(message).catch(() => null)
    if (this.#send !== send || outcome === null) return
    if (!this.#onTheirWay.delete(message)) return
    if (outcome === 'later') this.#again(message)
    else this.#options.settled(message, outcome)
    if (this.#onTheirWay.size === 0) this.#tellRested()
    this.#pump()
  }

  #again(message: M): void {
    this.#waiting.unshift(message)
    this.#retry ??= setTimeout(() => {
      this.#retry = undefined
      this.#pump()
    }, this.#options.retryAfter)
  }

  #tellRested(): void {
    for (const resolve of this.#rested.splice(0)) resolve()
  }
}
