// Our own sequence numbers of an OSCORE context, none of which is ever used twice, not even after kill -9 (RFC 8613 B.1.1):
// what may be used is written down ahead, a stretch at a time.
import { LAST_SEQUENCE } from '../coap-wire/oscore-cose.ts'
import type { Store } from '../store/store.ts'

export const STATE_PREFIX = 'oscore-state/'

/** Whether this context has ever been used, here or by a process before this one. */
export type Past = 'unused' | 'used'

export interface SenderSequenceParts {
  readonly store: Pick<Store, 'get' | 'commit'>
  /** Numbers that are written down at once. */
  readonly stretch: number
  /** The last number that may be used; `LAST_SEQUENCE` at most. */
  readonly last: number
  /** When the record may go (ms since the epoch): not before its context has ended. Undefined: never by itself. */
  readonly expiresAt: number | undefined
}

interface State {
  /** Numbers below it may have been used. */
  readonly reserved: number
}

export class SenderSequence {
  readonly #key: string
  readonly #parts: SenderSequenceParts
  #next = 0
  /** Numbers below it are written down and may be used. */
  #reserved = 0
  /** Of the record: whoever was forgotten and goes on all the same writes no more once it has a successor. */
  #revision = 0
  #reserving: Promise<void> | null = null

  /** `id`: of the credential. */
  constructor(id: string, parts: SenderSequenceParts) {
    this.#key = STATE_PREFIX + id
    this.#parts = parts
  }

  /** Before anything else. Rejects with `store-failed`, or Conflict. */
  async open(): Promise<Past> {
    const entry = this.#parts.store.get(this.#key)
    this.#next = this.#reserved = entry === undefined ? 0 : (JSON.parse(entry.value.toString()) as State).reserved
    this.#revision = entry?.revision ?? 0
    await this.reserve()
    return entry === undefined ? 'unused' : 'used'
  }

  get isExhausted(): boolean {
    return this.#next > this.#last
  }

  /** null when none is reserved: after `reserve` there is, unless it is exhausted. */
  take(): number | null {
    if (this.#next >= this.#reserved || this.isExhausted) return null
    const number = this.#next
    this.#next += 1
    if (this.#reserved - this.#next < this.#parts.stretch / 2) this.reserve().catch(() => {}) // whoever runs out hears of it
    return number
  }

  /** Resolves when more numbers may be used. Rejects with `store-failed`, or Conflict. */
  reserve(): Promise<void> {
    this.#reserving ??= this.#write().finally(() => {
      this.#reserving = null
    })
    return this.#reserving
  }

  async #write(): Promise<void> {
    const { store, stretch, expiresAt } = this.#parts
    // Never less than before, also where the last number was set lower since.
    const reserved = Math.max(this.#reserved, Math.min(this.#reserved + stretch, this.#last + 1))
    const value = JSON.stringify({ reserved } satisfies State)
    const end = expiresAt === undefined ? {} : { expiresAt }
    this.#revision = await store.commit([{ put: this.#key, value, if: this.#revision, ...end }])
    this.#reserved = reserved
  }

  get #last(): number {
    return Math.min(this.#parts.last, LAST_SEQUENCE)
  }
}
