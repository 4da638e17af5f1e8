import type { Log } from '../model/log.ts'
import type { StoreEvent } from './store.ts'

type Listener = (event: StoreEvent) => void

/** Who watches which keys. */
export class Watchers {
  readonly #watchers = new Set<{ readonly prefix: string; readonly listener: Listener }>()
  readonly #log: Log

  constructor(log: Log) {
    this.#log = log
  }

  get some(): boolean {
    return this.#watchers.size > 0
  }

  add(prefix: string, listener: Listener): () => void {
    const watcher = { prefix, listener }
    this.#watchers.add(watcher)
    return () => {
      this.#watchers.delete(watcher)
    }
  }

  /** A listener that throws is logged; the others still hear. */
  tell(events: readonly StoreEvent[]): void {
    for (const event of events) {
      for (const { prefix, listener } of this.#watchers) {
        if (!event.key.startsWith(prefix)) continue
        try {
          listener(event)
        } catch (error) {
          this.#log.error({ err: error }, 'a listener of the store failed')
        }
      }
    }
  }
}
