import type { IteratorOptions } from 'level'
import type { Clock } from '../model/clock.ts'
import { Failure } from '../model/failure.ts'
import type { Log } from '../model/log.ts'
import type { Meter } from '../model/meter.ts'
import { closeDatabase, markClosed, type OpenedDatabase, openDatabase } from './database.ts'
import { expiryOf, MAXIMUM_NUMBER, openEnvelope, revisionOf } from './envelope.ts'
import { STORE_LIMITS, type StoreLimits } from './limits.ts'
import { RememberedReads } from './remembered.ts'
import {
  compareKeys,
  EXPIRY_RANGE_START,
  expiryRangeEnd,
  FIRST_KEY,
  isReserved,
  keyOfExpiryKey,
  prefixEnd,
} from './reserved-keys.ts'
import { Conflict, type Durability, type Entry, keyOf, type ListOptions, type Operation, type Store } from './store.ts'
import { Watchers } from './watchers.ts'
import { type Database, WriteGroup } from './write-group.ts'

/** One write to the database, as the fault hooks see it. */
export interface GroupWrite {
  /** 1 for the first write after opening. */
  readonly number: number
  readonly operations: number
  readonly sync: boolean
}

export interface LevelStoreOptions {
  /** Holds the database and nothing else. Absent or empty: a new one is made. */
  readonly directory: string
  readonly clock: Clock
  readonly meter: Meter
  readonly log: Log
  readonly limits?: Partial<StoreLimits>
  /** Milliseconds between two sweeps of what has expired. Default one minute. */
  readonly sweepInterval?: number
  /** Milliseconds that an idle store waits for more batches before it writes; default 0: until the end of this turn. */
  readonly groupWindow?: number
  /** Tests stop the process, or throw, around a write. A hook that throws is a failed write. */
  readonly faults?: { beforeWrite?(write: GroupWrite): void; afterWrite?(write: GroupWrite): void }
}

/** Revisions are reserved on disk in blocks, so that a restart never gives one out twice. */
const REVISION_BLOCK = 1_000_000
const LIST_CHUNK = 1_000
const LIST_CHUNK_BYTES = 64 * 1024
const SWEEP_CHUNK = 500
const DEFAULT_SWEEP_INTERVAL = 60_000
const NEVER = Number.POSITIVE_INFINITY
/** Bytes that one remembered key takes beside itself and its value, roughly. */
const AROUND = 256

/** The Store over Level: group commit, synchronous reads and compare-and-set. One process opens a directory, once. */
export class LevelStore implements Store {
  readonly #database: Database
  readonly #opened: OpenedDatabase
  readonly #options: LevelStoreOptions
  readonly #window: number
  readonly #watchers: Watchers
  readonly #remembered: RememberedReads
  readonly #sweepTimer: NodeJS.Timeout
  #gathering: WriteGroup
  #writing: WriteGroup | null = null
  #scheduled = false
  #writes = 0
  #revision: number
  #revisionCeiling: number
  #sweeping: Promise<number> | null = null
  #failure: Failure | null = null
  #closing: Promise<void> | null = null

  private constructor(opened: OpenedDatabase, options: LevelStoreOptions) {
    this.#opened = opened
    this.#database = opened.database
    this.#options = options
    this.#window = options.groupWindow ?? 0
    this.#watchers = new Watchers(options.log)
    this.#remembered = new RememberedReads(options.limits?.rememberedBytes ?? STORE_LIMITS.rememberedBytes)
    this.#gathering = new WriteGroup(this.#database)
    this.#revision = opened.revisionCeiling
    this.#revisionCeiling = opened.revisionCeiling
    this.#sweepTimer = setInterval(() => {
      this.sweep().catch(error => options.log.error({ err: error }, 'sweeping expired entries failed'))
    }, options.sweepInterval ?? DEFAULT_SWEEP_INTERVAL).unref()
    options.meter.gauge('latchkey_store_pending_operations', 'Operations accepted and not yet durable', () => {
      return this.#gathering.operations + (this.#writing?.operations ?? 0)
    })
    options.meter.gauge('latchkey_store_remembered_bytes', 'Bytes of records that are kept ready to read', () => {
      return this.#remembered.bytes
    })
  }

  /** Throws `store-locked` when somebody has this directory open, `store-failed` when it is not a whole database of ours. */
  static async open(options: LevelStoreOptions): Promise<LevelStore> {
    return new LevelStore(await openDatabase(options.directory), options)
  }

  get(key: string): Entry | undefined {
    const envelope = this.#envelope(key)
    return envelope === undefined || this.#hasEnded(envelope) ? undefined : openEnvelope(key, envelope)
  }

  recall<T>(key: string, decode: (value: Buffer) => T): T | undefined {
    const known = this.#remembered.get(key)
    if (known !== undefined && (known.expiresAt === NEVER || known.expiresAt > this.#options.clock.now()))
      return known.value as T | undefined
    const envelope = this.#envelope(key)
    if (envelope === undefined || this.#hasEnded(envelope)) {
      this.#remembered.set(key, { value: undefined, expiresAt: NEVER, bytes: key.length + AROUND })
      return undefined
    }
    const value = decode(openEnvelope(key, envelope).value)
    this.#remembered.set(key, { value, expiresAt: expiryOf(envelope), bytes: key.length + envelope.length + AROUND })
    return value
  }

  #envelope(key: string): Buffer | undefined {
    let envelope = this.#gathering.overlay.get(key)
    if (envelope === undefined) envelope = this.#writing?.overlay.get(key)
    if (envelope !== undefined) return envelope ?? undefined
    if (this.#closing) throw closed()
    try {
      return this.#database.getSync(key)
    } catch (error) {
      throw new Failure('store-failed', `the database could not be read: ${text(error)}`, { cause: error })
    }
  }

  #revisionOf(key: string): number {
    const envelope = this.#envelope(key)
    return envelope === undefined || this.#hasEnded(envelope) ? 0 : revisionOf(envelope)
  }

  #hasEnded(envelope: Buffer): boolean {
    const expiresAt = expiryOf(envelope)
    return expiresAt !== NEVER && expiresAt <= this.#options.clock.now()
  }

  async *list(prefix: string, options: ListOptions = {}): AsyncGenerator<Entry> {
    let left = options.limit ?? Number.POSITIVE_INFINITY
    if (left <= 0) return
    if (this.#closing) throw closed()
    const iterator = this.#database.iterator(listRange(prefix, options))
    try {
      while (left > 0) {
        const chunk = await iterator.nextv(Math.min(left, LIST_CHUNK))
        if (chunk.length === 0) return
        for (const [key, envelope] of chunk) {
          if (this.#hasEnded(envelope)) continue
          yield openEnvelope(key, envelope)
          if (--left === 0) return
        }
      }
    } finally {
      await iterator.close()
    }
  }

  commit(operations: readonly Operation[], durability: Durability = 'fsync'): Promise<number> {
    if (this.#failure || this.#closing) return Promise.reject(this.#failure ?? closed())
    for (const operation of operations) this.#check(operation)
    const revision = this.#nextRevision()
    const group = this.#gathering
    for (const operation of operations) if (!('check' in operation)) this.#remembered.forget(keyOf(operation))
    group.add(operations, revision, durability === 'fsync', this.#watchers.some)
    this.#schedule(this.#window)
    return group.join(revision)
  }

  #nextRevision(): number {
    const revision = ++this.#revision
    if (revision > this.#revisionCeiling) {
      this.#revisionCeiling = revision + REVISION_BLOCK
      this.#gathering.reserveRevisions(this.#revisionCeiling)
    }
    return revision
  }

  #check(operation: Operation): void {
    const key = keyOf(operation)
    if (isReserved(key)) throw new Error(`the key ${JSON.stringify(key)} is empty or belongs to the store`)
    if ('put' in operation) {
      const { value, expiresAt = 0 } = operation
      if (typeof value !== 'string' && !Buffer.isBuffer(value)) {
        throw new TypeError(`the value of ${JSON.stringify(key)} is neither Buffer nor string`)
      }
      if (!Number.isInteger(expiresAt) || expiresAt < 0 || expiresAt > MAXIMUM_NUMBER) {
        throw new RangeError(`expiresAt of ${JSON.stringify(key)} is not a time in whole milliseconds`)
      }
    }
    if (operation.if !== undefined && operation.if !== this.#revisionOf(key)) throw new Conflict(key)
  }

  #schedule(window: number): void {
    if (this.#scheduled || this.#writing) return
    this.#scheduled = true
    const start = () => {
      this.#scheduled = false
      void this.#writeGroup()
    }
    if (window > 0) setTimeout(start, window)
    else setImmediate(start)
  }

  async #writeGroup(): Promise<void> {
    const group = this.#gathering
    if (this.#failure || group.isEmpty) return
    this.#writing = group
    this.#gathering = new WriteGroup(this.#database)
    const write = { number: ++this.#writes, operations: group.operations, sync: group.sync }
    const started = performance.now()
    try {
      this.#options.faults?.beforeWrite?.(write)
      await group.write()
      this.#options.faults?.afterWrite?.(write)
    } catch (error) {
      this.#fail(error)
      return
    }
    this.#writing = null
    const { meter } = this.#options
    meter.count('latchkey_store_commits_total', undefined, group.commits)
    meter.observe('latchkey_store_write_seconds', (performance.now() - started) / 1000)
    this.#watchers.tell(group.events)
    group.settle()
    // Those who waited for this group commit again within this turn: they all join the next one.
    this.#schedule(0)
  }

  #fail(error: unknown): void {
    const failure = new Failure('store-failed', `the database could not be written: ${text(error)}`, { cause: error })
    this.#failure = failure
    this.#remembered.clear() // what was accepted and never came to disk
    this.#options.meter.count('latchkey_store_failures_total')
    this.#options.log.error({ err: error }, 'the database could not be written; no further change is accepted')
    const groups = [this.#writing, this.#gathering]
    this.#writing = null
    this.#gathering = new WriteGroup(this.#database)
    for (const group of groups) group?.reject(failure)
  }

  watch(prefix: string, listener: Parameters<Store['watch']>[1]): () => void {
    return this.#watchers.add(prefix, listener)
  }

  async flush(): Promise<void> {
    if (this.#failure) throw this.#failure
    if (!this.#gathering.isEmpty) await this.#gathering.join(0)
    else if (this.#writing) await this.#writing.join(0)
  }

  /** Deletes what has expired, in bounded steps; resolves with how many entries went. A timer calls it. */
  sweep(): Promise<number> {
    this.#sweeping ??= this.#sweepAll().finally(() => {
      this.#sweeping = null
    })
    return this.#sweeping
  }

  async #sweepAll(): Promise<number> {
    let swept = 0
    while (!this.#closing && !this.#failure) {
      const now = this.#options.clock.now()
      const iterator = this.#database.keys({ gte: EXPIRY_RANGE_START, lt: expiryRangeEnd(now), limit: SWEEP_CHUNK })
      const indexKeys = await iterator.all()
      if (indexKeys.length === 0 || this.#closing || this.#failure) break
      const revision = this.#nextRevision()
      const watched = this.#watchers.some
      for (const indexKey of indexKeys) {
        const key = keyOfExpiryKey(indexKey)
        const envelope = this.#envelope(key)
        // The key may have been written again since, with a later end or none.
        if (envelope !== undefined && expiryOf(envelope) <= now) {
          this.#remembered.forget(key)
          this.#gathering.delete(key, revision, watched)
          swept++
        }
        this.#gathering.deleteReserved(indexKey)
      }
      this.#schedule(this.#window)
      await this.#gathering.join(revision)
    }
    if (swept > 0) this.#options.meter.count('latchkey_store_expired_total', undefined, swept)
    return swept
  }

  close(): Promise<void> {
    this.#closing ??= this.#shut()
    return this.#closing
  }

  async #shut(): Promise<void> {
    clearInterval(this.#sweepTimer)
    try {
      await this.flush().catch(() => undefined)
      await this.#sweeping?.catch(() => undefined)
      if (!this.#failure) await markClosed(this.#opened, this.#revision)
    } finally {
      await closeDatabase(this.#opened)
    }
  }
}

function listRange(prefix: string, { after, reverse = false }: ListOptions): IteratorOptions<string, Buffer> {
  const start = prefix === '' ? FIRST_KEY : prefix
  const end = prefixEnd(prefix)
  const range: IteratorOptions<string, Buffer> = { reverse, highWaterMarkBytes: LIST_CHUNK_BYTES }
  if (after !== undefined && !reverse && compareKeys(after, start) >= 0) range.gt = after
  else range.gte = start
  if (after !== undefined && reverse && (end === undefined || compareKeys(after, end) < 0)) range.lt = after
  else if (end !== undefined) range.lt = end
  return range
}

const closed = () => new Failure('shutting-down', 'the store is closed')
const text = (error: unknown) => (error instanceof Error ? error.message : String(error))
