// What comes on one connection: read message by message, and only while there is nothing against it.
import type { Duplex } from 'node:stream'
import type { FramedMessage, FrameFault } from '../coap-wire/frame.ts'
import type { MessageReader } from '../coap-wire/frame-reader.ts'
import type { Framing } from './framing.ts'
import type { StreamContext } from './stream-context.ts'
import type { StreamLimits } from './stream-limits.ts'

/** What keeps us from reading on. */
export type Hindrance =
  /** The door has not said yet whom the connection proves. */
  | 'admission'
  /** As many requests are being answered as may. */
  | 'in-flight'
  /** Far more was asked than may. */
  | 'rate'
  /** Answers wait that the peer does not read. */
  | 'backlog'

export interface StreamIntakeParts {
  readonly stream: Duplex
  readonly framing: Framing
  readonly limits: Pick<StreamLimits, 'earlyMessageBytes' | 'tokenBytes' | 'unreadBytes'>
  readonly streams: StreamContext
}

export interface IntakeEvents {
  take(message: FramedMessage): void
  /** Nothing that follows can be read, or kept. */
  fault(fault: FrameFault | 'memory'): void
  /** A message could not be handled. */
  failed(error: unknown): void
}

export class StreamIntake {
  readonly #parts: StreamIntakeParts
  readonly #events: IntakeEvents
  readonly #reader: MessageReader
  readonly #hindrances = new Set<Hindrance>()
  /** Bytes of the message that has begun to come, as they are counted. */
  #unread = 0
  #isOver = false

  constructor(parts: StreamIntakeParts, events: IntakeEvents) {
    const { framing, limits } = parts
    this.#parts = parts
    this.#events = events
    this.#reader = framing.reader({ messageBytes: limits.earlyMessageBytes, tokenBytes: limits.tokenBytes })
  }

  /** Bytes of the longest message that is taken now. */
  get messageBytes(): number {
    return this.#reader.bounds.messageBytes
  }

  set messageBytes(bytes: number) {
    this.#reader.bounds.messageBytes = bytes
  }

  isHinderedBy(what: Hindrance): boolean {
    return this.#hindrances.has(what)
  }

  received(chunk: Buffer): void {
    if (this.#isOver) return
    this.#reader.push(chunk)
    this.#readOn()
  }

  hinder(by: Hindrance): void {
    this.#hindrances.add(by)
    this.#parts.stream.pause()
  }

  unhinder(from: Hindrance): void {
    if (!this.#hindrances.delete(from) || this.#hindrances.size > 0 || this.#isOver) return
    // Others have their turn before what has come meanwhile is read.
    setImmediate(() => {
      if (this.#isOver || this.#hindrances.size > 0) return
      this.#readOn()
      if (this.#hindrances.size === 0 && !this.#isOver) this.#parts.stream.resume()
    })
  }

  /** Nothing is taken any more. */
  close(): void {
    this.#isOver = true
    this.#count(0)
    // The end is to be seen all the same.
    this.#parts.stream.resume()
  }

  #readOn(): void {
    try {
      while (!this.#isOver && this.#hindrances.size === 0) {
        const next = this.#reader.next()
        if (next === null) break
        if (typeof next === 'string') this.#events.fault(next)
        else this.#events.take(next)
      }
    } catch (error) {
      this.#events.failed(error)
    }
    if (this.#isOver) return
    this.#count(this.#reader.held)
    const { limits, streams } = this.#parts
    // Whoever keeps little is not to blame.
    if (streams.unread > limits.unreadBytes && this.#unread > limits.earlyMessageBytes) this.#events.fault('memory')
  }

  #count(bytes: number): void {
    this.#parts.streams.unread += bytes - this.#unread
    this.#unread = bytes
  }
}
