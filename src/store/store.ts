// The Store port: the only seam to the database. Everybody may import it; only the composition root opens one.

export interface Entry {
  readonly key: string
  /** To read, not to write to: it may be what is on its way to the disk. */
  readonly value: Buffer
  /** Rises with every batch; identifies this version of the value. Never 0. */
  readonly revision: number
}

/**
 * One step of an atomic batch. Keys are well-formed Unicode, sort by their UTF-8 bytes, and do not begin with `!` or a
 * character before it. `value` is copied. Every `if` is judged against the state before the batch; of two steps on one
 * key the later one holds. `if` is compare-and-set: the revision the key must have, 0 = it must not exist.
 * `expiresAt` (ms since the epoch): the key reads as absent from then on and is swept later.
 */
export type Operation =
  | { readonly put: string; readonly value: Buffer | string; readonly if?: number; readonly expiresAt?: number }
  | { readonly del: string; readonly if?: number }
  /** Changes nothing, only checks. */
  | { readonly check: string; readonly if: number }

export function keyOf(operation: Operation): string {
  if ('put' in operation) return operation.put
  return 'del' in operation ? operation.del : operation.check
}

/** `fsync`: on disk when the promise resolves. `write`: handed to the operating system (survives kill -9, not power loss). */
export type Durability = 'fsync' | 'write'

export interface StoreEvent {
  readonly type: 'put' | 'del'
  readonly key: string
  readonly value: Buffer | null
  readonly revision: number
}

export interface ListOptions {
  /** Only what comes after this key in the order asked for: greater keys, with `reverse` smaller ones. A whole key. */
  readonly after?: string
  readonly limit?: number
  readonly reverse?: boolean
}

export interface Store {
  /** Synchronous point read. Sees every batch that `commit` has accepted, on disk yet or not (they reach it in order). */
  get(key: string): Entry | undefined
  /**
   * What `get` would find, decoded, and remembered until the key is written or expires: for records that are read at every
   * connection. The same object all that time, so it must not be written to, and a key always has the same `decode`.
   */
  recall<T>(key: string, decode: (value: Buffer) => T): T | undefined
  /** In key order. A snapshot of what is on disk; call `flush` first to see all that was accepted. */
  list(prefix: string, options?: ListOptions): AsyncIterable<Entry>
  /**
   * Applies all operations or none. Throws `Conflict` at once (synchronously) when an `if` does not hold: nothing was
   * accepted. Otherwise (`durability` is `fsync` unless said) the batch is accepted, ordered after all earlier ones, and the promise resolves with its
   * revision when it is durable. Batches accepted within a short window share one write (group commit). Rejects with
   * `store-failed` when the database cannot be written: then nothing that was not yet durable was ever there, and every
   * later commit is refused.
   */
  commit(operations: readonly Operation[], durability?: Durability): Promise<number>
  /**
   * Called after each batch is durable, in order, for keys with this prefix, also when an entry that had expired is swept;
   * before the batch's promise resolves. Begins with batches accepted from now on. Returns a function that ends it.
   */
  watch(prefix: string, listener: (event: StoreEvent) => void): () => void
  /** Resolves when everything accepted so far is durable. */
  flush(): Promise<void>
  close(): Promise<void>
}

/** A compare-and-set found another revision. */
export class Conflict extends Error {
  readonly key: string

  constructor(key: string) {
    super(`the value of ${key} has changed`)
    this.name = 'Conflict'
    this.key = key
  }
}
