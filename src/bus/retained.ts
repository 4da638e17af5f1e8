import type { Clock } from '../model/clock.ts'
import { Failure } from '../model/failure.ts'
import type { Meter } from '../model/meter.ts'
import type { Operation } from '../store/store.ts'
import { retainedKey } from './keys.ts'
import type { Message } from './message.ts'
import { encodeMessage } from './stored-message.ts'
import { TopicTree } from './topic-tree.ts'

export interface RetainedLimits {
  readonly retainedMessages: number
  readonly retainedBytes: number
}

/** Messages that are there as if retained, and are made when somebody asks. */
export interface Made {
  get(topic: string): Message | undefined
  match(filter: string): Iterable<Message>
}

/** Milliseconds between two looks for what has expired, when there is no room. */
const SWEEP_INTERVAL = 10_000

/** The last retained message of each topic (MQTT 5, 3.3.1.3): in memory; the store keeps a copy. */
export class Retained {
  readonly #clock: Clock
  readonly #limits: RetainedLimits
  readonly #made: Made
  readonly #messages = new TopicTree<Message>()
  #bytes = 0
  #sweptAt = 0

  constructor(clock: Clock, meter: Meter, limits: RetainedLimits, made: Made) {
    this.#clock = clock
    this.#made = made
    this.#limits = limits
    meter.gauge('latchkey_retained_messages', 'Retained messages', () => this.#messages.size)
    meter.gauge('latchkey_retained_bytes', 'Bytes of retained messages', () => this.#bytes)
  }

  get size(): number {
    return this.#messages.size
  }

  /** Throws `quota-exceeded` when there is no room for it. */
  checkRoom(message: Message): void {
    if (message.payload.length === 0 || this.#hasRoom(message)) return
    this.#removeExpired()
    if (this.#hasRoom(message)) return
    throw new Failure(
      'quota-exceeded',
      'There is no room for another retained message; raise limits.retainedMessages or limits.retainedBytes.',
    )
  }

  /** Replaces what the topic held, or clears it when the payload is empty [MQTT-3.3.1-6] [MQTT-3.3.1-7]. */
  set(message: Message): Operation {
    const { topic, payload, expiresAt } = message
    if (payload.length === 0) {
      this.#delete(topic)
      return { del: retainedKey(topic) }
    }
    this.restore(message.detached())
    return { put: retainedKey(topic), value: encodeMessage(message), ...(expiresAt !== null && { expiresAt }) }
  }

  /** The same without writing, for start-up. */
  restore(message: Message): void {
    const before = this.#messages.set(message.topic, message)
    this.#bytes += message.size - (before?.size ?? 0)
  }

  get(topic: string): Message | undefined {
    const message = this.#messages.get(topic)
    if (message === undefined) return this.#made.get(topic)
    return this.#removeIfExpired(message) ? undefined : message
  }

  /** null now and then, see `TopicTree.matchInSteps`. */
  *match(filter: string): Generator<Message | null> {
    for (const message of this.#messages.matchInSteps(filter))
      if (message === null || !message.hasExpired(this.#clock.now())) yield message
    yield* this.#made.match(filter)
  }

  #hasRoom({ topic, size }: Message): boolean {
    const before = this.#messages.get(topic)
    const { retainedMessages, retainedBytes } = this.#limits
    return (
      (before !== undefined || this.#messages.size < retainedMessages) &&
      this.#bytes - (before?.size ?? 0) + size <= retainedBytes
    )
  }

  /** It looks at everything, so it does that only now and then. */
  #removeExpired(): void {
    const now = this.#clock.now()
    if (now - this.#sweptAt < SWEEP_INTERVAL) return
    this.#sweptAt = now
    for (const filter of ['#', '$SYS/#'])
      for (const message of [...this.#messages.match(filter)]) this.#removeIfExpired(message)
  }

  #removeIfExpired(message: Message): boolean {
    if (!message.hasExpired(this.#clock.now())) return false
    this.#delete(message.topic)
    return true
  }

  #delete(topic: string): void {
    this.#bytes -= this.#messages.delete(topic)?.size ?? 0
  }
}
