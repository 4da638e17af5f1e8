// A message's way through the bus: route, store what must survive, then acknowledge and deliver.
import type { Operation } from '../store/store.ts'
import { addAll, handOver, reserve } from './handing-over.ts'
import type { EntryWrite, Journal } from './journal.ts'
import type { Message } from './message.ts'
import type { Overflow } from './overflow.ts'
import type { QueueEntry } from './queue.ts'
import type { Retained } from './retained.ts'
import type { Route, Target } from './route.ts'
import type { Router } from './router.ts'
import type { Session } from './session.ts'
import { putEntry, putReceived } from './session-records.ts'

/** A QoS 2 message's way in: its identifier is remembered together with the message. */
export interface IncomingExchange {
  readonly session: Session
  readonly packet: number
}

export interface AcceptanceParts {
  readonly router: Router
  readonly retained: Retained
  readonly journal: Journal
  readonly overflow: Overflow
}

export class Acceptance {
  readonly #parts: AcceptanceParts
  /** How many QoS 2 messages wait for the store before they are delivered, by topic. */
  readonly #waiting = new Map<string, number>()

  constructor(parts: AcceptanceParts) {
    this.#parts = parts
  }

  /** See `Bus.accept`. `isRefusable`: somebody is told of a refusal and can repeat the message. */
  accept(message: Message, exchange: IncomingExchange | null, isRefusable: boolean): Promise<void> | null {
    const writes: Writes = []
    if (message.retain) this.#parts.retained.checkRoom(message)
    const copies = this.#copies(message, this.#parts.router.route(message.topic), isRefusable)
    for (const { session, entry } of copies.kept) writes.push(putEntry(session, entry))
    if (message.retain) writes.push(this.#parts.retained.set(message))
    if (exchange !== null) {
      const { session, packet } = exchange
      session.received.add(packet)
      if (session.durable) writes.push(putReceived(session.id, packet))
    }
    // What need not be stored waits with what has to: every topic keeps its order [MQTT-4.6.0-5].
    const waits = writes.length > 0 || (message.qos === 2 && this.#waiting.has(message.topic))
    if (!waits) {
      this.#deliver(message, copies)
      return null
    }
    const stored = this.#parts.journal.write(writes)
    if (message.qos === 2) return this.#deliverOnceStored(stored, message, copies, exchange)
    // QoS 1 may arrive twice, so its receivers need not wait; if all acknowledge first, nothing is written.
    const safe = message.retain ? stored : finishedOr(stored, copies.kept)
    this.#deliver(message, copies)
    if (message.qos === 1) return safe
    safe.catch(() => {})
    return null
  }

  async #deliverOnceStored(
    stored: Promise<void>,
    message: Message,
    copies: Copies,
    exchange: IncomingExchange | null,
  ): Promise<void> {
    const { topic } = message
    this.#waiting.set(topic, (this.#waiting.get(topic) ?? 0) + 1)
    try {
      await stored
    } catch (error) {
      exchange?.session.received.delete(exchange.packet)
      letGo(copies.kept)
      throw error
    } finally {
      const others = (this.#waiting.get(topic) ?? 1) - 1
      if (others > 0) this.#waiting.set(topic, others)
      else this.#waiting.delete(topic)
    }
    this.#deliver(message, copies)
  }

  /** All copies or, when the message is refused, none. */
  #copies(message: Message, { targets, groups }: Route, isRefusable: boolean): Copies {
    const kept: KeptCopy[] = []
    const passing: Target[] = []
    const add = (target: Target) => {
      if (!target.session.durable || target.qosOf(message) === 0) passing.push(target)
      else if (target.mayHave(message)) this.#keep(message, target, isRefusable, kept)
    }
    try {
      for (const each of targets) {
        const target = each.for(message)
        if (target !== null) add(target)
      }
      for (const group of groups) {
        const target = group.pick(message)
        if (target !== null) add(target)
      }
    } catch (error) {
      letGo(kept)
      throw error
    }
    return { kept, passing }
  }

  #keep(message: Message, target: Target, isRefusable: boolean, kept: KeptCopy[]): void {
    const { session } = target
    if (session.queue.isFull && !this.#parts.overflow.makeRoom(session, isRefusable)) return
    kept.push({ session, entry: reserve(target, message) })
  }

  #deliver(message: Message, { kept, passing }: Copies): void {
    for (const { session, entry } of kept) addAll(session, [entry])
    for (const target of passing) handOver(target, message, this.#parts.overflow)
  }
}

type Writes = (Operation | EntryWrite)[]

interface Copies {
  /** QoS 1 and 2 for sessions that outlive their connection. */
  readonly kept: readonly KeptCopy[]
  /** Whoever gets it once and has nothing kept for it. */
  readonly passing: readonly Target[]
}

interface KeptCopy {
  readonly session: Session
  readonly entry: QueueEntry
}

function letGo(kept: readonly KeptCopy[]): void {
  for (const { session, entry } of kept) session.queue.finish(entry)
}

/** Resolves when every durable copy has reached its receiver or the store, whichever is first. */
function finishedOr(stored: Promise<void>, kept: readonly KeptCopy[]): Promise<void> {
  return new Promise((resolve, reject) => {
    let open = kept.length
    const onFinished = () => {
      if (--open === 0) resolve()
    }
    for (const { entry } of kept) entry.onFinished = onFinished
    stored.then(resolve, reject)
  })
}
