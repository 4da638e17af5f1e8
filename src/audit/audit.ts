import type { Clock } from '../model/clock.ts'
import type { DenialSink } from '../model/denial-sink.ts'
import type { Meter } from '../model/meter.ts'
import { Paced } from '../model/paced.ts'
import type { Operation, Store } from '../store/store.ts'
import type { Vault } from '../vault/vault.ts'
import { DecisionLog } from './decision-log.ts'
import { type AuditEvent, isStrangers, principalOf, printableEvent } from './events.ts'
import { StrangerQuota } from './stranger-quota.ts'
import {
  type AuditRecord,
  EMPTY_HEAD,
  type Head,
  headOperation,
  nextRecord,
  readHead,
  readRecord,
  recordKey,
  TRAIL_PREFIX,
} from './trail.ts'
import { type Verification, verifyTrail } from './verify.ts'

export interface AuditLimits {
  /** What strangers may have written per minute: refusals, and sessions without an identity. Default 32 KiB. */
  readonly strangerBytesPerMinute: number
  /** Events recorded and not yet durable; beyond it they are only counted. Default 10 000. */
  readonly maximumQueued: number
  /** Principals, actions and rules counted one by one within a minute. Defaults 1 024 and 4 096. */
  readonly maximumPermits: number
  readonly maximumDenials: number
}

export const DEFAULT_AUDIT_LIMITS: AuditLimits = {
  strangerBytesPerMinute: 32 * 1024,
  maximumQueued: 10_000,
  maximumPermits: 1_024,
  maximumDenials: 4_096,
}

export interface AuditOptions {
  readonly store: Store
  readonly vault: Vault
  readonly clock: Clock
  readonly meter: Meter
  readonly limits?: Partial<AuditLimits>
}

export interface AuditQuery {
  /** Ids greater than this one. */
  readonly after?: number
  /** Ids smaller than this one. */
  readonly before?: number
  /** Default 100. */
  readonly limit?: number
  readonly type?: AuditEvent['type']
  readonly principal?: string
  /** Newest first. */
  readonly reverse?: boolean
}

/** Key, hashes, numbers and names around an event. */
const RECORD_OVERHEAD = 250
const MINUTE = 60_000
/** Milliseconds between two writes of what nobody waits for: in a storm of connections many events share one. */
const GATHER = 5

/** The hash-chained trail. One instance per store: it alone knows the head. */
export class Audit {
  static readonly verifyTrail = verifyTrail

  /** Aggregates decisions per principal, action, rule and minute. */
  readonly decisions: DenialSink
  /** What was found wrong with the trail at the start; it is on record, and `verify` names it from now on. */
  readonly damage: string | null
  readonly #store: Store
  readonly #vault: Vault
  readonly #clock: Clock
  readonly #meter: Meter
  readonly #limits: AuditLimits
  readonly #quota: StrangerQuota
  readonly #decisions: DecisionLog
  #head: Head
  #queue: AuditEvent[] = []
  #undurable = 0
  readonly #drainSoon = new Paced(() => this.#drain(), GATHER)
  #minuteTimer: NodeJS.Timeout | null = null
  #closed = false

  private constructor(options: AuditOptions, head: Head, damage: string | null) {
    this.#store = options.store
    this.#vault = options.vault
    this.#clock = options.clock
    this.#meter = options.meter
    this.#limits = { ...DEFAULT_AUDIT_LIMITS, ...options.limits }
    this.#quota = new StrangerQuota(this.#limits.strangerBytesPerMinute)
    this.#decisions = new DecisionLog({
      now: () => this.#clock.now(),
      record: event => this.record(event),
      maximumPermits: this.#limits.maximumPermits,
      maximumDenials: this.#limits.maximumDenials,
    })
    this.decisions = this.#decisions
    this.#head = head
    this.damage = damage
  }

  static async open(options: AuditOptions): Promise<Audit> {
    const { store, vault } = options
    await store.flush()
    const { head, damage } = await findHead(store, vault)
    const audit = new Audit(options, head, damage)
    await audit.commit([], damage === null ? [] : [{ type: 'damage', reason: damage }])
    return audit
  }

  /** One atomic batch on disk: the operations and what happened. Throws `Conflict` synchronously, like the store. */
  commit(operations: readonly Operation[], events: readonly AuditEvent[]): Promise<void> {
    this.#drain()
    return this.#append(operations, events.map(printableEvent), 'fsync')
  }

  #append(operations: readonly Operation[], events: readonly AuditEvent[], durability: 'fsync' | 'write') {
    const at = this.#clock.now()
    const batch = [...operations]
    let head = this.#head
    for (const event of events) {
      const next = nextRecord(head, at, event)
      batch.push(next.put)
      head = next.head
    }
    const { id, hash } = head
    batch.push(headOperation({ id, hash }, this.#vault))
    const durable = this.#store.commit(batch, durability)
    this.#head = { id, hash }
    for (const { type } of events) this.#meter.count('latchkey_audit_records_total', { type })
    return durable.then(ignoreRevision)
  }

  /**
   * Queued and written at the end of this turn of the event loop, in a storm a few milliseconds later; nobody waits for
   * it. What strangers cause is sampled.
   */
  record(event: AuditEvent): void {
    this.#roll()
    if (this.#queue.length + this.#undurable >= this.#limits.maximumQueued) {
      this.#quota.omit(event)
      this.#meter.count('latchkey_audit_omitted_total', { reason: 'queue-full' })
    } else if (!isStrangers(event)) {
      this.#enqueue(printableEvent(event))
    } else if (this.#quota.admit(event, () => JSON.stringify(printableEvent(event)).length + RECORD_OVERHEAD)) {
      this.#enqueue(printableEvent(event))
    } else {
      this.#meter.count('latchkey_audit_omitted_total', { reason: 'stranger' })
    }
    this.#awaitMinute()
  }

  #enqueue(event: AuditEvent): void {
    this.#queue.push(event)
    this.#drainSoon.ask()
  }

  #drain(): void {
    if (this.#queue.length === 0) return
    const events = this.#queue
    this.#queue = []
    this.#undurable += events.length
    this.#append([], events, 'write')
      .catch(() => this.#meter.count('latchkey_audit_lost_total', undefined, events.length))
      .finally(() => {
        this.#undurable -= events.length
      })
  }

  /** Summaries and totals of a minute are written when the next one begins. */
  #roll(): void {
    const minute = Math.floor(this.#clock.now() / MINUTE)
    for (const event of this.#quota.roll(minute)) this.#enqueue(event)
    this.#decisions.roll(minute)
  }

  #awaitMinute(): void {
    if (this.#minuteTimer !== null || this.#closed) return
    if (!this.#quota.pending && !this.#decisions.pending) return
    this.#minuteTimer = setTimeout(
      () => {
        this.#minuteTimer = null
        this.#roll()
        this.#awaitMinute()
      },
      MINUTE - (this.#clock.now() % MINUTE),
    ).unref()
  }

  /** Resolves when everything recorded so far is durable. */
  async flush(): Promise<void> {
    this.#drain()
    await this.#store.flush()
  }

  /** Writes the totals of the minute that is not over. What comes later is still recorded while the store is open. */
  async close(): Promise<void> {
    this.#closed = true
    if (this.#minuteTimer !== null) clearTimeout(this.#minuteTimer)
    this.#decisions.close()
    for (const event of this.#quota.take()) this.#enqueue(event)
    await this.#flushIfPossible()
  }

  /** A store that failed has said so to whoever waited; what is on disk can still be read. */
  async #flushIfPossible(): Promise<void> {
    await this.flush().catch(() => undefined)
  }

  async get(id: number): Promise<AuditRecord | undefined> {
    this.#drain()
    const entry = Number.isSafeInteger(id) && id > 0 ? this.#store.get(recordKey(id)) : undefined
    return entry === undefined ? undefined : readable(entry.value)
  }

  /** In the order asked for. Records that cannot be read any more are left out; `verify` names them. */
  async list(query: AuditQuery = {}): Promise<AuditRecord[]> {
    await this.#flushIfPossible()
    const { after = 0, before = Number.MAX_SAFE_INTEGER, limit = 100, reverse = false } = query
    const records: AuditRecord[] = []
    const from = recordKey(reverse ? before : after)
    const end = recordKey(reverse ? after : before)
    for await (const { key, value } of this.#store.list(TRAIL_PREFIX, { after: from, reverse })) {
      if (records.length >= limit || (reverse ? key <= end : key >= end)) break
      const record = readable(value)
      if (record === undefined || (query.type !== undefined && record.event.type !== query.type)) continue
      if (query.principal === undefined || principalOf(record.event) === query.principal) records.push(record)
    }
    return records
  }

  /** Walks the whole trail up to the present head. Rejects with `store-failed` when the present head never came to disk. */
  async verify(): Promise<Verification> {
    this.#drain()
    const head = this.#head
    await this.#store.flush()
    return verifyTrail(this.#store, this.#vault, head)
  }
}

/** Where to go on. A damaged trail is not mended: it goes on behind the damage, where it stays visible. */
async function findHead(store: Store, vault: Vault): Promise<{ head: Head; damage: string | null }> {
  const head = readHead(store, vault)
  const last = await lastRecord(store)
  if (head === undefined) return { head: last, damage: last.id === 0 ? null : 'the head is missing' }
  if (head === 'forged') return { head: last, damage: 'the head is forged: its MAC is wrong' }
  if (last.id > head.id) return { head: last, damage: 'there are records beyond the head' }
  if (last.id < head.id) return { head, damage: 'the end of the trail was cut off' }
  return { head, damage: last.hash === head.hash ? null : 'the last record is not the one that the head names' }
}

async function lastRecord(store: Store): Promise<Head> {
  for await (const { key, value } of store.list(TRAIL_PREFIX, { reverse: true, limit: 1 })) {
    return { id: Number(key.slice(TRAIL_PREFIX.length)), hash: readable(value)?.hash ?? EMPTY_HEAD.hash }
  }
  return EMPTY_HEAD
}

function readable(value: Buffer): AuditRecord | undefined {
  try {
    return readRecord(value)
  } catch {
    return undefined
  }
}

const ignoreRevision = () => undefined
