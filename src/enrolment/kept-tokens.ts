import { Failure } from '../model/failure.ts'
import type { Store } from '../store/store.ts'
import { ENROLMENT_PREFIX } from './enrolment-record.ts'

/** Counts the tokens kept: read once, then followed, because counting anew for each would take longer the more there are. */
export class KeptTokens {
  readonly #store: Store
  readonly #keys = new Set<string>()
  #reading: Promise<void> | null = null

  constructor(store: Store) {
    this.#store = store
    store.watch(ENROLMENT_PREFIX, ({ type, key }) => {
      if (type === 'put') this.#keys.add(key)
      else this.#keys.delete(key)
    })
  }

  /** Throws `quota-exceeded` when `most` are kept already. */
  async checkRoom(most: number): Promise<void> {
    this.#reading ??= this.#read().catch(error => {
      this.#reading = null
      throw error
    })
    await this.#reading
    if (this.#keys.size < most) return
    throw new Failure(
      'quota-exceeded',
      `${this.#keys.size} enrolment tokens are kept and the limit tokens is ${most}: let some end first, or raise it`,
    )
  }

  async #read(): Promise<void> {
    await this.#store.flush()
    for await (const { key } of this.#store.list(ENROLMENT_PREFIX)) this.#keys.add(key)
  }
}
