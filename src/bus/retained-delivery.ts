// Retained messages on their way to a new subscription, as fast as the receiver takes them.
import type { Operation } from '../store/store.ts'
import { addAll } from './handing-over.ts'
import type { EntryWrite, Journal } from './journal.ts'
import type { Message } from './message.ts'
import type { QueueEntry } from './queue.ts'
import type { Retained } from './retained.ts'
import { putEntry } from './session-records.ts'
import type { Subscription } from './subscription.ts'

type Writes = (Operation | EntryWrite)[]

export class RetainedDelivery {
  readonly #retained: Retained
  readonly #journal: Journal

  constructor(retained: Retained, journal: Journal) {
    this.#retained = retained
    this.#journal = journal
  }

  send(subscription: Subscription): void {
    const { session, filter } = subscription
    const messages = this.#retained.match(filter)
    session.backlog.add(() => this.#sendSome(subscription, messages))
  }

  /** Returns true when all are sent. */
  #sendSome(subscription: Subscription, messages: Iterator<Message | null>): boolean {
    const { session } = subscription
    const writes: Writes = []
    const later: QueueEntry[] = []
    let done = false
    while (!done && session.receiver !== null && !session.receiver.congested && !session.queue.isFull) {
      const next = messages.next()
      done = next.done === true
      if (next.value === null) {
        setImmediate(() => session.backlog.goOn()) // others have their turn
        break
      }
      if (!next.done) this.#sendOneRetained(subscription, next.value, writes, later)
    }
    if (writes.length > 0) {
      const stored = this.#journal.write(writes)
      stored.then(() => addAll(session, later)).catch(() => {})
    }
    return done || session.receiver === null
  }

  #sendOneRetained(subscription: Subscription, message: Message, writes: Writes, later: QueueEntry[]): void {
    const { session, identifier, noLocal } = subscription
    if (noLocal && message.publisher?.session === session.publishesAs) return // [MQTT-3.8.3-3]
    const qos = Math.min(message.qos, subscription.qos) as 0 | 1 | 2
    if (!session.mayReceive(message.topic, qos, true)) return
    const delivered = { retain: true, identifiers: identifier === null ? [] : [identifier] } // [MQTT-3.3.1-8]
    if (qos === 0) {
      session.receiver?.send(message, delivered)
      return
    }
    const delivery = { ...delivered, qos }
    const entry = session.queue.reserve(message, delivery, session.durable, -1)
    if (session.durable) writes.push(putEntry(session, entry))
    if (session.durable && qos === 2) later.push(entry)
    else addAll(session, [entry])
  }
}
