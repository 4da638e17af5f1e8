// What leaves on one connection: in order, as fast as its reader takes it (RFC 8323 7.2), and bounded.
import type { Duplex } from 'node:stream'
import type { Log } from '../model/log.ts'
import { printable } from '../model/printable.ts'
import type { Flushable } from '../stream/write-turn.ts'
import type { Fate, Notification } from './resource.ts'
import type { StreamContext } from './stream-context.ts'
import type { StreamLimits } from './stream-limits.ts'

export interface StreamOutboxParts {
  readonly stream: Duplex
  /** Each message is written by itself. */
  readonly keepsMessages: boolean
  readonly limits: Pick<StreamLimits, 'backlogBytes' | 'totalBacklogBytes'>
  readonly streams: StreamContext
  readonly log: Log
  /** A notification was dropped because the reader is slow. */
  readonly dropped: () => void
  /** The reader has caught up. */
  readonly relieved: () => void
}

interface Waiting {
  readonly bytes: Buffer
  /** It gives something away, and does not leave when the connection is ended. */
  readonly isContent: boolean
  /** As Latin-1; null unless it is a notification. */
  readonly token: string | null
  readonly notification: Notification | null
}

/** Bytes in the hands of the socket beyond which the rest waits here, where it can still be withdrawn. */
const IN_THE_SOCKET = 64 * 1024
/** Bytes that waiting costs beside those of the message: very short ones would be more than they look. */
const COST = 160

export class StreamOutbox implements Flushable {
  readonly #parts: StreamOutboxParts
  readonly #waiting = new Set<Waiting>()
  /** By token: the newer takes the place of the older (RFC 7641 4.5.2). */
  readonly #states = new Map<string, Waiting>()
  #bytes = 0
  #isScheduled = false
  #isOver = false

  constructor(parts: StreamOutboxParts) {
    this.#parts = parts
    parts.stream.on('drain', () => this.flush())
  }

  /** More waits than may: its reader gets no more answers before it has read some. */
  get isCongested(): boolean {
    return this.#bytes > this.#parts.limits.backlogBytes
  }

  /** An answer, or a signal. */
  send(bytes: Buffer, isContent: boolean): void {
    this.#add({ bytes, isContent, token: null, notification: null })
  }

  notify(notification: Notification, bytes: Buffer, isContent: boolean): void {
    if (this.#isOver) return
    const token = notification.token.toString('latin1')
    const older = notification.state === true ? this.#states.get(token) : undefined
    if (older !== undefined) this.#drop(older, 'replaced')
    // The end of an observation is told whatever waits.
    if (isContent && this.#isFull(notification.confirmable ? 0 : bytes.length)) {
      this.#parts.dropped()
      this.#tell(notification, 'dropped')
      return
    }
    const waiting = { bytes, isContent, token, notification }
    if (notification.state === true) this.#states.set(token, waiting)
    this.#add(waiting)
  }

  /** What waits under this token leaves no more, and its fate is not told. */
  withdraw(token: Buffer): void {
    if (this.#waiting.size === 0) return
    const key = token.toString('latin1')
    for (const waiting of this.#waiting) if (waiting.token === key) this.#remove(waiting)
  }

  /** Hands over as much as the reader is likely to take. */
  flush(): void {
    this.#isScheduled = false
    if (this.#isOver) return
    const wasCongested = this.isCongested
    const told: Notification[] = []
    this.#write(this.#next(told))
    for (const notification of told) this.#tell(notification, notification.confirmable ? 'acknowledged' : 'sent')
    if (wasCongested && !this.isCongested) this.#parts.relieved()
  }

  /** The last words: those that give nothing away, and `bytes`. Nothing leaves after them. */
  end(bytes: Buffer): void {
    if (this.#isOver) return
    const last = [...this.#waiting].filter(({ isContent }) => !isContent).map(waiting => waiting.bytes)
    this.close()
    this.#write([...last, bytes])
    this.#parts.stream.end()
  }

  /** Everything that waits, and then the end. */
  finish(): void {
    if (this.#isOver) return
    const last = Array.from(this.#waiting, waiting => waiting.bytes)
    this.close()
    this.#write(last)
    this.#parts.stream.end()
  }

  /** Nothing leaves any more. */
  close(): void {
    this.#isOver = true
    this.#waiting.clear()
    this.#states.clear()
    this.#count(-this.#bytes)
  }

  /** One message may always wait, however long it is. */
  #isFull(more: number): boolean {
    const { limits, streams } = this.#parts
    if (this.#bytes === 0) return streams.backlog > limits.totalBacklogBytes
    return this.#bytes + more > limits.backlogBytes || streams.backlog + more > limits.totalBacklogBytes
  }

  #add(waiting: Waiting): void {
    if (this.#isOver) return
    this.#waiting.add(waiting)
    this.#count(waiting.bytes.length + COST)
    if (this.#isScheduled || this.#parts.stream.writableNeedDrain) return
    this.#isScheduled = true
    this.#parts.streams.add(this)
  }

  /** Takes out what may leave now; `told` gets the notifications among it. */
  #next(told: Notification[]): Buffer[] {
    const { stream } = this.#parts
    const parts: Buffer[] = []
    let size = stream.writableLength
    for (const waiting of this.#waiting) {
      if (size >= IN_THE_SOCKET) break
      const { bytes, notification } = waiting
      if (notification !== null && !this.#mayLeave(notification)) {
        this.#drop(waiting, 'dropped')
        continue
      }
      this.#remove(waiting)
      parts.push(bytes)
      size += bytes.length
      if (notification !== null) told.push(notification)
    }
    return parts
  }

  #write(parts: readonly Buffer[]): void {
    const { stream, keepsMessages } = this.#parts
    if (stream.destroyed || parts.length === 0) return
    if (parts.length === 1) stream.write(parts[0])
    else if (!keepsMessages) stream.write(Buffer.concat(parts))
    else for (const part of parts) stream.write(part)
  }

  #drop(waiting: Waiting, fate: Fate): void {
    this.#remove(waiting)
    if (waiting.notification !== null) this.#tell(waiting.notification, fate)
  }

  #remove(waiting: Waiting): void {
    if (!this.#waiting.delete(waiting)) return
    this.#count(-waiting.bytes.length - COST)
    const { token } = waiting
    if (token !== null && this.#states.get(token) === waiting) this.#states.delete(token)
  }

  #count(bytes: number): void {
    this.#bytes += bytes
    this.#parts.streams.backlog += bytes
  }

  // Whoever fails here must not stop what leaves for others.

  #mayLeave(notification: Notification): boolean {
    try {
      return notification.mayLeave?.() ?? true
    } catch (error) {
      this.#parts.log.error({ cause: printable(String(error)) }, 'whether a notification may leave could not be told')
      return false
    }
  }

  #tell(notification: Notification, fate: Fate): void {
    try {
      notification.onFate(fate)
    } catch (error) {
      this.#parts.log.error({ cause: printable(String(error)) }, 'the fate of a notification could not be told')
    }
  }
}
