import type { Meter } from '../model/meter.ts'
import type { Store } from '../store/store.ts'
import type { Journal } from './journal.ts'
import { queueKey } from './keys.ts'
import type { Message } from './message.ts'
import type { QueueStore } from './queue.ts'
import { putRelease, readQueued } from './session-records.ts'

export interface QueueRecordsParts {
  readonly store: Store
  readonly journal: Journal
  readonly meter: Meter
}

/** Where the queue of one session lies. */
export class QueueRecords implements QueueStore {
  readonly #id: string
  readonly #parts: QueueRecordsParts

  constructor(id: string, parts: QueueRecordsParts) {
    this.#id = id
    this.#parts = parts
  }

  remove(sequence: number): void {
    this.#parts.journal.note([{ del: queueKey(this.#id, sequence) }])
  }

  release(sequence: number): Promise<void> {
    return this.#parts.journal.write([putRelease(this.#id, sequence)])
  }

  read(sequence: number): Message | null {
    const { store, meter } = this.#parts
    const message = readQueued(store.get(queueKey(this.#id, sequence)))
    if (message === null) meter.count('latchkey_messages_dropped_total', { reason: 'unreadable' })
    return message
  }
}
