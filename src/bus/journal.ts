import type { Meter } from '../model/meter.ts'
import type { Durability, Operation, Store } from '../store/store.ts'
import type { QueueEntry } from './queue.ts'

/** A queue entry that is encoded when its batch is written, if it still has to be. */
export interface EntryWrite {
  readonly entry: QueueEntry
  encode(): Operation
  /** It was written, and that is durable. */
  onStored(): void
}

/**
 * Milliseconds before a batch after idleness. Within it receivers that are online may acknowledge, which spares the
 * write; the store's own grouping would begin at once.
 */
const PAUSE = 1

interface Batch {
  readonly writes: (Operation | EntryWrite)[]
  readonly stored: Promise<void>
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/**
 * Gathers what the messages of one moment need into one atomic batch. A promise resolves when its operations are
 * durable; those of queue entries that are finished by then are left out.
 */
export class Journal {
  readonly #store: Store
  readonly #durability: Durability
  readonly #meter: Meter
  #next: Batch | null = null
  #running: Promise<void> | null = null

  constructor(store: Store, durability: Durability, meter: Meter) {
    this.#store = store
    this.#durability = durability
    this.#meter = meter
  }

  /** Rejects with `store-failed` when the store cannot be written: then nothing of this batch may be acknowledged. */
  write(writes: readonly (Operation | EntryWrite)[]): Promise<void> {
    this.#next ??= emptyBatch()
    const { stored } = this.#next
    for (const write of writes) this.#next.writes.push(write)
    this.#running ??= this.#run()
    return stored
  }

  /** For what nobody waits for; a failure of the store surfaces at the next awaited write. */
  note(writes: readonly (Operation | EntryWrite)[]): void {
    if (writes.length > 0) this.write(writes).catch(() => {})
  }

  /** Resolves when everything noted so far is durable. */
  async close(): Promise<void> {
    while (this.#running !== null) await this.#running
  }

  async #run(): Promise<void> {
    await new Promise(resolve => setTimeout(resolve, PAUSE))
    for (let batch = this.#next; batch !== null; batch = this.#next) {
      this.#next = null
      await this.#commit(batch)
    }
    this.#running = null
  }

  async #commit(batch: Batch): Promise<void> {
    const operations: Operation[] = []
    for (const write of batch.writes) {
      if (!('entry' in write)) operations.push(write)
      else if (!write.entry.finished) {
        write.entry.stored = true
        operations.push(write.encode())
      }
    }
    const spared = batch.writes.length - operations.length
    if (spared > 0) this.#meter.count('latchkey_bus_writes_spared_total', undefined, spared)
    try {
      if (operations.length > 0) await this.#store.commit(operations, this.#durability)
      for (const write of batch.writes) if ('entry' in write && write.entry.stored) write.onStored()
      batch.resolve()
    } catch (error) {
      batch.reject(error)
    }
  }
}

function emptyBatch(): Batch {
  let resolve = () => {}
  let reject: (error: unknown) => void = () => {}
  const stored = new Promise<void>((onStored, onFailed) => {
    resolve = onStored
    reject = onFailed
  })
  return { writes: [], stored, resolve, reject }
}
