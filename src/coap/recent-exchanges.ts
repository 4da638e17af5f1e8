// What makes a duplicate harmless (RFC 7252 4.2, 4.5).

/** What became of a request. */
export interface Exchange {
  readonly messageId: number
  /** Milliseconds since the epoch. */
  readonly since: number
  /** Milliseconds that a duplicate may come after it. */
  readonly lifetime: number
  /** Its handler still runs. */
  open: boolean
  /**
   * What a duplicate is sent, in Latin-1: the answer itself, or the empty acknowledgement. Null for silence. A Buffer would keep
   * alive the whole pool that it is cut from.
   */
  answer: string | null
}

/** Bytes kept for duplicates by all peers together, and what a kept answer costs beside its bytes. */
export class KeptBytes {
  total = 0
}
const OVERHEAD = 64

/**
 * The last requests of one peer by message id, in a ring that grows up to `capacity`. An exchange whose handler still
 * runs is never given up: better no room than a handler run twice.
 */
export class RecentExchanges {
  readonly #capacity: number
  readonly #kept: KeptBytes
  readonly #ids: number[] = []
  readonly #exchanges: Exchange[] = []
  #next = 0
  #bytes = 0
  #closed = false

  constructor(capacity: number, kept: KeptBytes) {
    this.#capacity = capacity
    this.#kept = kept
  }

  /** The exchange this message id is a duplicate of. */
  find(messageId: number, now: number): Exchange | null {
    const at = this.#ids.indexOf(messageId)
    if (at < 0) return null
    const exchange = this.#exchanges[at]!
    if (exchange.open || Math.abs(now - exchange.since) < exchange.lifetime) return exchange
    this.#ids[at] = -1
    return null
  }

  /** Begins an exchange; null when all that are remembered are in progress. */
  begin(messageId: number, now: number, lifetime: number): Exchange | null {
    const exchange: Exchange = { messageId, since: now, lifetime, open: true, answer: null }
    if (this.#ids.length < this.#capacity) {
      this.#ids.push(messageId)
      this.#exchanges.push(exchange)
      return exchange
    }
    for (let i = 0; i < this.#capacity; i++) {
      const at = this.#next
      this.#next = at + 1 === this.#capacity ? 0 : at + 1
      const old = this.#exchanges[at]!
      if (old.open) continue
      this.#forget(old)
      this.#ids[at] = messageId
      this.#exchanges[at] = exchange
      return exchange
    }
    return null
  }

  /** What a duplicate gets from now on. */
  keep(exchange: Exchange, answer: Buffer): void {
    this.#keep(exchange, answer.toString('latin1'))
  }

  #keep(exchange: Exchange, answer: string): void {
    this.#forget(exchange)
    exchange.answer = answer
    if (this.#closed) return
    this.#bytes += answer.length + OVERHEAD
    this.#kept.total += answer.length + OVERHEAD
  }

  /** Forgets all but what is in progress. */
  clear(): void {
    const open = this.#exchanges.filter((exchange, at) => exchange.open && this.#ids[at] === exchange.messageId)
    this.#kept.total -= this.#bytes
    this.#bytes = 0
    this.#ids.length = 0
    this.#exchanges.length = 0
    this.#next = 0
    for (const exchange of open) {
      this.#ids.push(exchange.messageId)
      this.#exchanges.push(exchange)
      const { answer } = exchange
      if (answer !== null) {
        exchange.answer = null
        this.#keep(exchange, answer)
      }
    }
  }

  /** The peer is forgotten: nothing is kept for it any more, whatever its handlers still answer. */
  close(): void {
    this.#closed = true
    this.#kept.total -= this.#bytes
    this.#bytes = 0
  }

  get size(): number {
    return this.#exchanges.length
  }

  #forget(exchange: Exchange): void {
    const { answer } = exchange
    if (answer === null) return
    exchange.answer = null
    if (this.#closed) return
    this.#bytes -= answer.length + OVERHEAD
    this.#kept.total -= answer.length + OVERHEAD
  }
}
