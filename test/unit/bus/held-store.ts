import type { Durability, Operation, Store } from '../../../src/store/store.ts'

/** A store whose writes take as long as the test likes. */
export class HeldStore implements Store {
  readonly #store: Store
  #free: Promise<void> = Promise.resolve()
  #waiting = 0

  constructor(store: Store) {
    this.#store = store
  }

  /** Nothing is written until the returned function is called. */
  hold(): () => void {
    let letGo = () => {}
    this.#free = new Promise(resolve => {
      letGo = resolve
    })
    return letGo
  }

  /** Resolves when a write has come that is held. */
  async untilWaiting(): Promise<void> {
    while (this.#waiting === 0) await new Promise(setImmediate)
  }

  async commit(operations: readonly Operation[], durability?: Durability): Promise<number> {
    this.#waiting++
    await this.#free
    this.#waiting--
    return this.#store.commit(operations, durability)
  }

  get = (key: string) => this.#store.get(key)
  recall: Store['recall'] = (...asked) => this.#store.recall(...asked)
  list: Store['list'] = (...asked) => this.#store.list(...asked)
  watch: Store['watch'] = (...asked) => this.#store.watch(...asked)
  flush = () => this.#store.flush()
  close = () => this.#store.close()
}
