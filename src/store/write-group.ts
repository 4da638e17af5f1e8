import type { Level } from 'level'
import { encodeEnvelope, openEnvelope } from './envelope.ts'
import { expiryKey, REVISION_KEY } from './reserved-keys.ts'
import type { Operation, StoreEvent } from './store.ts'

export type Database = Level<string, Buffer>
type NativeBatch = ReturnType<typeof newBatch>
const newBatch = (database: Database) => database.batch()

const NOTHING = Buffer.alloc(0)

/**
 * Batches that share one write. Operations go into the native batch as they are accepted; the overlay holds what they
 * will read as. Nothing else is kept per operation.
 */
export class WriteGroup {
  /** Envelopes by key; null where the key was deleted. */
  readonly overlay = new Map<string, Buffer | null>()
  /** In the order of acceptance; empty when nobody watched. */
  readonly events: StoreEvent[] = []
  readonly #database: Database
  #batch: NativeBatch | null = null
  #operations = 0
  #commits = 0
  #sync = false
  readonly #resolves: ((revision: number) => void)[] = []
  readonly #rejects: ((error: Error) => void)[] = []
  readonly #revisions: number[] = []

  constructor(database: Database) {
    this.#database = database
  }

  get isEmpty(): boolean {
    return this.#resolves.length === 0 && this.#operations === 0
  }

  /** Keys written or deleted, the store's own among them. */
  get operations(): number {
    return this.#operations
  }

  get commits(): number {
    return this.#commits
  }

  get sync(): boolean {
    return this.#sync
  }

  /** All checks were made before: nothing in here may fail half way. */
  add(operations: readonly Operation[], revision: number, sync: boolean, watched: boolean): void {
    for (const operation of operations) {
      if ('put' in operation) this.#put(operation.put, operation.value, revision, operation.expiresAt, watched)
      else if ('del' in operation) this.delete(operation.del, revision, watched)
    }
    if (sync && operations.length > 0) this.#sync = true
    this.#commits++
  }

  #put(key: string, value: Buffer | string, revision: number, expiresAt: number | undefined, watched: boolean): void {
    const envelope = encodeEnvelope(value, revision, expiresAt)
    this.#native().put(key, envelope)
    this.overlay.set(key, envelope)
    this.#operations++
    if (expiresAt !== undefined) this.#putReserved(expiryKey(expiresAt, key), NOTHING)
    if (watched) {
      this.events.push({ type: 'put', key, value: openEnvelope(key, envelope).value, revision })
    }
  }

  delete(key: string, revision: number, watched: boolean): void {
    this.#native().del(key)
    this.overlay.set(key, null)
    this.#operations++
    if (watched) this.events.push({ type: 'del', key, value: null, revision })
  }

  #putReserved(key: string, value: Buffer): void {
    this.#native().put(key, value)
    this.#operations++
  }

  deleteReserved(key: string): void {
    this.#native().del(key)
    this.#operations++
  }

  reserveRevisions(ceiling: number): void {
    this.#putReserved(REVISION_KEY, Buffer.from(String(ceiling)))
  }

  /** Resolves with `revision` when the group is durable. */
  join(revision: number): Promise<number> {
    this.#revisions.push(revision)
    return new Promise((resolve, reject) => {
      this.#resolves.push(resolve)
      this.#rejects.push(reject)
    })
  }

  async write(): Promise<void> {
    const batch = this.#batch
    if (batch === null) return
    this.#batch = null
    await batch.write({ sync: this.#sync } as Parameters<NativeBatch['write']>[0])
  }

  settle(): void {
    for (let i = 0; i < this.#resolves.length; i++) this.#resolves[i]?.(this.#revisions[i] ?? 0)
  }

  /** Gives up: everybody who waits learns why. */
  reject(error: Error): void {
    this.overlay.clear()
    void this.#batch?.close()
    this.#batch = null
    for (const reject of this.#rejects) reject(error)
  }

  #native(): NativeBatch {
    this.#batch ??= newBatch(this.#database)
    return this.#batch
  }
}
