// What waits for one session at QoS 1 and 2, in order, until its receiver has acknowledged it.
import type { Message } from './message.ts'
import type { StoredDelivery } from './stored-message.ts'

/** Bounds on what waits for one session. */
export interface QueueLimits {
  /** Messages that wait or are in flight. */
  readonly maximumQueued: number
  /** Their bytes. */
  readonly maximumQueuedBytes: number
}

/** What a full queue does with one more message. */
export const QUEUE_OVERFLOWS = ['refuse', 'drop-oldest', 'drop-new', 'disconnect'] as const
export type QueueOverflow = (typeof QUEUE_OVERFLOWS)[number]

/** What a queue needs from where it lies. */
export interface QueueStore {
  /** For deletions that nobody waits for. */
  remove(sequence: number): void
  /** Resolves when the release is durable. */
  release(sequence: number): Promise<void>
  /** A message as it was stored; null when it cannot be read. */
  read(sequence: number): Message | null
}

/** One message for one session. `sequence` orders the queue and, in MQTT, fixes the packet identifier. */
export class QueueEntry implements StoredDelivery {
  readonly sequence: number
  readonly qos: 1 | 2
  readonly retain: boolean
  readonly identifiers: readonly number[]
  /** Outlives the process. */
  readonly durable: boolean
  readonly size: number
  /** null once released: only the identifier is left of the exchange; and while it is away. */
  message: Message | null
  /** The message lies in the store alone. */
  isAway = false
  /** Milliseconds since the epoch; null when the message does not expire. */
  readonly expiresAt: number | null
  /** As long as this is the epoch its owner may have it; -1 = to be decided before it leaves. */
  permittedAt: number
  /** Has left at least once, or may have: it leaves as a repetition [MQTT-3.3.1-1]. */
  sent = false
  /** QoS 2: the receiver has it, only its identifier is still to be released (MQTT 5, 4.3.3). */
  released = false
  /** Settles when that is durable; null when it is, or need not be. */
  releasing: Promise<void> | null = null
  /** In the store, or on the way there. */
  stored = false
  finished = false
  onFinished: (() => void) | null = null

  constructor(fields: StoredDelivery & { sequence: number; message: Message | null; durable: boolean; epoch: number }) {
    this.sequence = fields.sequence
    this.message = fields.message
    this.qos = fields.qos
    this.retain = fields.retain
    this.identifiers = fields.identifiers
    this.durable = fields.durable
    this.size = fields.message?.size ?? 0
    this.expiresAt = fields.message?.expiresAt ?? null
    this.permittedAt = fields.epoch
  }
}

/** Places that an empty queue keeps: making a new list for each message would cost more than the message. */
const EMPTIED = 16

/** Milliseconds between two looks through a full queue for what has expired: it may be long, and full for days. */
const LOOK_AGAIN = 10_000

export class Queue {
  readonly #store: QueueStore
  readonly #limits: QueueLimits
  /** Have their place and may not leave yet. */
  #reserved: Set<QueueEntry> | null = null
  #waiting: (QueueEntry | undefined)[] = []
  #head = 0
  #sequence = 0
  #count = 0
  #bytes = 0
  /** Of them, in the store alone. */
  #bytesAway = 0
  /** Milliseconds since the epoch; null once it is half empty. */
  #fullSince: number | null = null
  #lookAgainAt = 0

  constructor(store: QueueStore, limits: QueueLimits) {
    this.#store = store
    this.#limits = limits
  }

  /** Entries reserved and not finished. */
  get count(): number {
    return this.#count
  }

  get bytes(): number {
    return this.#bytes
  }

  get bytesInMemory(): number {
    return this.#bytes - this.#bytesAway
  }

  get isFull(): boolean {
    return this.#count >= this.#limits.maximumQueued || this.#bytes >= this.#limits.maximumQueuedBytes
  }

  get #isHalfEmpty(): boolean {
    return this.#count * 2 <= this.#limits.maximumQueued && this.#bytes * 2 <= this.#limits.maximumQueuedBytes
  }

  /** Somebody has asked `fullFor`, and it was not half empty since. */
  get isKnownFull(): boolean {
    return this.#fullSince !== null
  }

  /** Milliseconds from the first time that somebody asked; half empty, it begins anew. */
  fullFor(now: number): number {
    if (this.#fullSince === null || now < this.#fullSince) this.#fullSince = now // the clock may be set back
    return now - this.#fullSince
  }

  /** Nothing waits to leave. */
  get isEmpty(): boolean {
    return this.#head === this.#waiting.length
  }

  /** A place that no entry will have. */
  nextSequence(): number {
    return ++this.#sequence
  }

  /** Takes a place; the entry may leave after `add`, which is when it is durable, if it has to be. */
  reserve(message: Message, delivery: StoredDelivery, durable: boolean, epoch: number): QueueEntry {
    const { qos, retain, identifiers } = delivery
    const sequence = this.nextSequence()
    const entry = new QueueEntry({ qos, retain, identifiers, sequence, message, durable, epoch })
    this.#reserved ??= new Set()
    this.#reserved.add(entry)
    this.#count++
    this.#bytes += entry.size
    return entry
  }

  add(entry: QueueEntry): void {
    this.#reserved?.delete(entry)
    this.#waiting.push(entry)
  }

  /** The next entry that may leave, with its message. */
  peek(): QueueEntry | undefined {
    for (;;) {
      const entry = this.#waiting[this.#head]
      if (!entry?.isAway) return entry
      this.#noLongerAway(entry)
      entry.message = this.#store.read(entry.sequence)
      if (entry.message !== null) return entry
      this.shift()
      this.finish(entry)
    }
  }

  /** Nobody reads just now: what is stored need not be in memory too. `peek` reads it back. */
  sendAway(entry: QueueEntry): void {
    if (!entry.stored || entry.message === null) return
    entry.message = null
    entry.isAway = true
    this.#bytesAway += entry.size
  }

  /** The same for all that waits. */
  sendAllAway(): void {
    for (const entry of this.#waiting) if (entry !== undefined) this.sendAway(entry)
  }

  #noLongerAway(entry: QueueEntry): void {
    entry.isAway = false
    this.#bytesAway -= entry.size
  }

  /** Takes the entry that `peek` showed out of the queue; whoever takes it finishes it or puts it back. */
  shift(): void {
    this.#waiting[this.#head++] = undefined
    if (this.#head < EMPTIED) return
    if (this.#head === this.#waiting.length) this.#waiting = []
    else if (this.#head > 4096) this.#waiting = this.#waiting.slice(this.#head)
    else return
    this.#head = 0
  }

  /** Unfinished entries of a receiver that is gone: they leave again first, in their old order [MQTT-4.4.0-1]. */
  putBack(entries: readonly QueueEntry[]): void {
    if (entries.length === 0) return
    const inOrder = [...entries].sort((a, b) => a.sequence - b.sequence)
    this.#waiting = [...inOrder, ...this.#waiting.slice(this.#head)]
    this.#head = 0
  }

  /** Lets go of the oldest entry that has not left yet; false when there is none. */
  dropOldest(): boolean {
    for (let at = this.#head; at < this.#waiting.length; at++) {
      const entry = this.#waiting[at]
      if (entry === undefined || entry.sent) continue // an exchange that has begun is finished
      if (at === this.#head) this.shift()
      else this.#waiting.splice(at, 1)
      this.finish(entry)
      return true
    }
    return false
  }

  /** Lets go of what expired before it left, so that it keeps nobody out; looks every ten seconds at most. */
  dropExpired(now: number): void {
    if (now < this.#lookAgainAt) return
    this.#lookAgainAt = now + LOOK_AGAIN
    const isOver = ({ sent, expiresAt }: QueueEntry) => !sent && expiresAt !== null && expiresAt <= now
    const waiting = this.#waiting.slice(this.#head).filter(entry => entry !== undefined)
    const over = waiting.filter(isOver)
    if (over.length === 0) return
    this.#waiting = waiting.filter(entry => !isOver(entry))
    this.#head = 0
    for (const entry of over) this.finish(entry)
  }

  /** Somebody else speaks for the session: everything that waits is decided again before it leaves. */
  forgetPermits(): void {
    for (const entry of this.#waiting) if (entry !== undefined) entry.permittedAt = -1
  }

  /** An entry read from the store at start-up, in order of sequence. */
  restore(entry: QueueEntry): void {
    this.#sequence = Math.max(this.#sequence, entry.sequence)
    this.#count++
    this.#bytes += entry.size
    this.#waiting.push(entry)
    this.sendAway(entry)
  }

  /** The last place of those that have left and still wait, which are the first in the queue; 0 when there is none. */
  get sentUpTo(): number {
    let last = 0
    for (let at = this.#head; this.#waiting[at]?.sent; at++) last = Math.max(last, this.#waiting[at]?.sequence ?? 0)
    return last
  }

  /** After `restore`: what has left before the process ended, or may have. No later entry takes a place up to there. */
  resume(sentUpTo: number): void {
    for (const entry of this.#waiting) if (entry !== undefined && entry.sequence <= sentUpTo) entry.sent = true
    if (sentUpTo !== Number.POSITIVE_INFINITY) this.#sequence = Math.max(this.#sequence, sentUpTo)
  }

  /** QoS 2: the receiver has the message. Resolves when that is durable, null when it need not be. */
  release(entry: QueueEntry): Promise<void> | null {
    if (entry.released) return entry.releasing
    entry.released = true
    entry.message = null
    if (!entry.stored) return null
    entry.releasing = this.#store.release(entry.sequence).then(() => {
      entry.releasing = null
    })
    return entry.releasing
  }

  /** Acknowledged, expired or refused. */
  finish(entry: QueueEntry): void {
    if (entry.finished) return
    entry.finished = true
    entry.message = null
    if (entry.isAway) this.#noLongerAway(entry)
    this.#reserved?.delete(entry)
    this.#count--
    this.#bytes -= entry.size
    if (this.#fullSince !== null && this.#isHalfEmpty) this.#fullSince = null
    if (entry.stored) this.#store.remove(entry.sequence)
    entry.onFinished?.()
  }

  /** The session has ended: nothing leaves or is written any more. Returns the sequence numbers that lie in the store. */
  abandon(): number[] {
    const stored: number[] = []
    for (const entry of [...(this.#reserved ?? []), ...this.#waiting.slice(this.#head)]) {
      if (entry === undefined) continue
      if (entry.stored) stored.push(entry.sequence)
      entry.finished = true
      entry.onFinished?.()
    }
    this.#reserved = null
    this.#waiting = []
    this.#head = this.#count = this.#bytes = this.#bytesAway = 0
    return stored
  }
}
