// Messages that no GET gives and that do not fit into one notification: kept for a while, so that their observers can fetch
// what follows the first block (RFC 7959 2.6).
import type { Message } from '../bus/message.ts'
import type { Clock } from '../model/clock.ts'
import type { Meter } from '../model/meter.ts'
import { etagIn, type Form, payloadOf } from './representation.ts'

export interface EventBounds {
  /** Bytes of all that is kept. */
  readonly eventBytes: number
  /** Of one topic or filter that is observed. */
  readonly eventsPerResource: number
  /** Milliseconds. */
  readonly transferTimeout: number
}

export interface Event {
  readonly message: Message
  readonly form: Form
}

interface Kept extends Event {
  /** The topic or filter that was observed. */
  readonly name: string
  readonly etag: Buffer
  readonly bytes: number
  readonly at: number
}

/** What it costs beside its bytes, roughly. */
const OVERHEAD = 512

export class EventBodies {
  readonly #bounds: EventBounds
  readonly #clock: Clock
  readonly #byName = new Map<string, Kept[]>()
  /** Oldest first. */
  readonly #all = new Set<Kept>()
  #bytes = 0

  constructor(bounds: EventBounds, clock: Clock, meter: Meter) {
    this.#bounds = bounds
    this.#clock = clock
    meter.gauge('latchkey_coap_event_bytes', 'Bytes of long events kept for observers.', () => this.#bytes)
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Called for each observer of the name; the first call keeps it. Gives its ETag. */
  keep(name: string, form: Form, message: Message): Buffer {
    const known = this.#byName.get(name)
    const last = known?.at(-1)
    if (last?.message === message) return last.etag
    const inside = form === 'value' ? 0 : message.payload.length
    const bytes = payloadOf(message, form).length + inside + OVERHEAD
    const kept = { name, message, form, etag: etagIn(message, form), bytes, at: this.#clock.now() }
    if (known === undefined) this.#byName.set(name, [kept])
    else known.push(kept)
    this.#all.add(kept)
    this.#bytes += bytes
    const { eventsPerResource, eventBytes } = this.#bounds
    const first = known?.[0]
    if (first !== undefined && known !== undefined && known.length > eventsPerResource) this.#remove(first)
    for (const oldest of this.#all) {
      if (this.#bytes <= eventBytes || oldest === kept) break
      this.#remove(oldest)
    }
    return kept.etag
  }

  /** One with this ETag that somebody who observes the name was notified of; null when it is gone or has expired. */
  find(name: string, etag: Buffer): Event | null {
    const now = this.#clock.now()
    const found = this.#byName.get(name)?.find(kept => kept.etag.equals(etag))
    if (found === undefined || this.#isOver(found, now) || found.message.hasExpired(now)) return null
    return found
  }

  sweep(): void {
    const now = this.#clock.now()
    for (const oldest of this.#all) {
      if (!this.#isOver(oldest, now)) break
      this.#remove(oldest)
    }
  }

  #isOver({ at }: Kept, now: number): boolean {
    return Math.abs(now - at) >= this.#bounds.transferTimeout
  }

  #remove(kept: Kept): void {
    const { name, bytes } = kept
    const others = this.#byName.get(name)?.filter(other => other !== kept) ?? []
    if (others.length > 0) this.#byName.set(name, others)
    else this.#byName.delete(name)
    this.#all.delete(kept)
    this.#bytes -= bytes
  }
}
