// A message's way through the bus: route, store what must survive, then acknowledge and deliver.
import type { Operation } from '../store/store.ts'
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
    for (const { target, entry } of copies) if (entry?.durable) writes.push(putEntry(target.session, entry))
    if (message.retain) writes.push(this.#parts.retained.set(message))
    if (exchange !== null) {
      const { session, packet } = exchange
      session.received.add(packet)
      if (session.durable) writes.push(putReceived(session.id, packet))
    }
    // What need not be stored waits with what has to: every topic keeps its order [MQTT-4.6.0-5].
    const waits = writes.length > 0 || (message.qos === 2 && this.#waiting.has(message.topic))
    if (!waits) {
      deliver(message, copies)
      return null
    }
    const stored = this.#parts.journal.write(writes)
    if (message.qos === 2) return this.#deliverOnceStored(stored, message, copies, exchange)
    // QoS 1 may arrive twice, so its receivers need not wait; if all acknowledge first, nothing is written.
    const safe = message.retain ? stored : finishedOr(stored, copies)
    deliver(message, copies)
    if (message.qos === 1) return safe
    safe.catch(() => {})
    return null
  }

  async #deliverOnceStored(
    stored: Promise<void>,
    message: Message,
    copies: readonly Copy[],
    exchange: IncomingExchange | null,
  ): Promise<void> {
    const { topic } = message
    this.#waiting.set(topic, (this.#waiting.get(topic) ?? 0) + 1)
    try {
      await stored
    } catch (error) {
      exchange?.session.received.delete(exchange.packet)
      for (const { target, entry } of copies) if (entry !== null) target.session.queue.finish(entry)
      throw error
    } finally {
      const others = (this.#waiting.get(topic) ?? 1) - 1
      if (others > 0) this.#waiting.set(topic, others)
      else this.#waiting.delete(topic)
    }
    deliver(message, copies)
  }

  /** All copies or, when the message is refused, none. */
  #copies(message: Message, { targets, groups, epoch }: Route, isRefusable: boolean): Copy[] {
    const copies: Copy[] = []
    try {
      for (const each of targets) {
        const target = each.for(message)
        if (target?.mayHave(message)) this.#copy(message, target, epoch, isRefusable, copies)
      }
      for (const group of groups) {
        const target = group.pick(message)
        if (target !== null) this.#copy(message, target, epoch, isRefusable, copies)
      }
    } catch (error) {
      for (const { target, entry } of copies) if (entry !== null) target.session.queue.finish(entry)
      throw error
    }
    return copies
  }

  #copy(message: Message, target: Target, epoch: number, isRefusable: boolean, copies: Copy[]): void {
    const { session } = target
    const qos = target.qosOf(message)
    if (qos === 0) copies.push({ target, entry: null })
    else if (!session.queue.isFull || this.#parts.overflow.makeRoom(session, isRefusable)) {
      const { retain, identifiers } = target.deliver(message)
      const delivery = { retain, identifiers, qos }
      const entry = session.queue.reserve(message, delivery, session.durable, target.permittedAt(epoch))
      message.keep()
      copies.push({ target, entry })
    }
  }
}

type Writes = (Operation | EntryWrite)[]

interface Copy {
  readonly target: Target
  /** null for QoS 0. */
  readonly entry: QueueEntry | null
}

function deliver(message: Message, copies: readonly Copy[]): void {
  for (const { target, entry } of copies) {
    if (entry === null) target.session.receiver?.send(message, target.deliver(message))
    else addAll(target.session, [entry])
  }
}

export function addAll(session: Session, entries: readonly QueueEntry[]): void {
  if (session.ended) return // it has let go of them
  for (const entry of entries) session.queue.add(entry)
  session.receiver?.queued()
}

/** Resolves when every durable copy has reached its receiver or the store, whichever is first. */
function finishedOr(stored: Promise<void>, copies: readonly Copy[]): Promise<void> {
  return new Promise((resolve, reject) => {
    let open = 0
    const onFinished = () => {
      if (--open === 0) resolve()
    }
    for (const { entry } of copies) {
      if (!entry?.durable) continue
      open++
      entry.onFinished = onFinished
    }
    stored.then(resolve, reject)
  })
}
