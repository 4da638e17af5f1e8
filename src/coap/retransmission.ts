// Confirmable messages to one peer (RFC 7252 4.2, 4.7): one in flight, the others in a queue.
import type { DropReason } from './message-counters.ts'
import type { Fate } from './resource.ts'
import type { Timeout, TimerWheel } from './timer-wheel.ts'

/** RFC 7252 4.8; with it and MAX_RETRANSMIT 4 a message is given up after 62 to 93 s. */
const ACK_RANDOM_FACTOR = 1.5
const NONE: readonly number[] = []

export interface Confirmable {
  /** As one character per byte. */
  readonly token: string
  /** Newer states take the place of older ones with the same token that were not acknowledged yet (RFC 7641 4.5.2). */
  readonly state: boolean
  /** Asked before it is sent, or sent again; what may not is dropped. */
  mayLeave(): boolean
  /** Its datagram under a message id. */
  datagram(messageId: number): Buffer
  settle(fate: Fate): void
}

export interface RetransmissionPorts {
  readonly limits: { readonly ackTimeout: number; readonly maxRetransmit: number; readonly outgoingQueue: number }
  readonly wheel: TimerWheel
  readonly dice: { between(low: number, high: number): number }
  readonly counters: { retransmission(): void; dropped(reason: DropReason): void }
}

/** The side of the peer. */
export interface Line {
  nextMessageId(): number
  send(bytes: Buffer): void
  /** False when the peer has not proved its address and was sent enough. */
  mayRepeat(bytes: Buffer): boolean
}

interface Flight {
  message: Confirmable
  messageId: number
  /** Ids of older states that this one has replaced in flight: a reset to them concerns it. */
  formerIds: readonly number[]
  bytes: Buffer
  attempts: number
  /** Milliseconds; doubles with every attempt. */
  patience: number
  timer: Timeout
}

export class Retransmission {
  readonly #ports: RetransmissionPorts
  readonly #line: Line
  /** Separate responses: somebody waits for them, so they go before notifications. */
  readonly #responses: Confirmable[] = []
  readonly #notifications: Confirmable[] = []
  #flight: Flight | null = null
  readonly #whenUnanswered = () => this.#unanswered()
  #closed = false

  constructor(ports: RetransmissionPorts, line: Line) {
    this.#ports = ports
    this.#line = line
  }

  /** Messages that wait or are in flight. */
  get size(): number {
    return this.#responses.length + this.#notifications.length + (this.#flight === null ? 0 : 1)
  }

  respond(message: Confirmable): void {
    this.#enqueue(this.#responses, message)
  }

  notify(message: Confirmable): void {
    const older = this.#waitingState(message)
    if (older < 0) {
      this.#enqueue(this.#notifications, message)
      return
    }
    const replaced = this.#notifications[older]!
    this.#notifications[older] = message
    replaced.settle('replaced')
  }

  acknowledged(messageId: number): void {
    if (this.#flight?.messageId === messageId) this.#landed('acknowledged')
  }

  /** False when no such message is in flight. */
  reset(messageId: number): boolean {
    const flight = this.#flight
    if (flight === null || (flight.messageId !== messageId && !flight.formerIds.includes(messageId))) return false
    this.#landed('reset')
    return true
  }

  /** Nothing with this token leaves any more, nor is repeated, and nobody is told. */
  withdraw(token: string): void {
    for (const queue of [this.#responses, this.#notifications])
      for (let at = queue.length - 1; at >= 0; at--) if (queue[at]?.token === token) queue.splice(at, 1)
    if (this.#flight?.message.token !== token) return
    this.#flight.timer.cancel()
    this.#flight = null
    this.#next()
  }

  /** The peer is gone: nothing is sent any more, and nobody is told. */
  close(): void {
    this.#closed = true
    this.#flight?.timer.cancel()
    this.#flight = null
    this.#responses.length = 0
    this.#notifications.length = 0
  }

  #enqueue(queue: Confirmable[], message: Confirmable): void {
    if (this.#closed) return
    queue.push(message)
    if (this.#flight === null) this.#next()
    else if (queue.length > this.#ports.limits.outgoingQueue) {
      const oldest = queue.shift()
      this.#ports.counters.dropped('queue')
      oldest?.settle('dropped')
    }
  }

  #waitingState({ state, token }: Confirmable): number {
    return state ? this.#notifications.findIndex(waiting => waiting.state && waiting.token === token) : -1
  }

  #landed(fate: Fate): void {
    const flight = this.#flight
    if (flight === null) return
    flight.timer.cancel()
    this.#flight = null
    flight.message.settle(fate)
    this.#next()
  }

  #next(): void {
    if (this.#flight !== null || this.#closed) return
    const message = this.#responses.shift() ?? this.#notifications.shift()
    if (message === undefined) return
    if (!message.mayLeave()) {
      message.settle('dropped')
      this.#next()
      return
    }
    const { limits, dice } = this.#ports
    const messageId = this.#line.nextMessageId()
    const bytes = message.datagram(messageId)
    const patience = dice.between(limits.ackTimeout, limits.ackTimeout * ACK_RANDOM_FACTOR)
    const timer = this.#wait(patience)
    this.#flight = { message, messageId, formerIds: NONE, bytes, attempts: 0, patience, timer }
    this.#line.send(bytes)
  }

  #wait(milliseconds: number): Timeout {
    return this.#ports.wheel.after(milliseconds, this.#whenUnanswered)
  }

  #unanswered(): void {
    const flight = this.#flight
    if (flight === null) return
    if (flight.attempts >= this.#ports.limits.maxRetransmit || !this.#line.mayRepeat(flight.bytes)) {
      this.#ports.counters.dropped('timeout')
      this.#landed('timeout')
      return
    }
    flight.attempts += 1
    flight.patience *= 2
    flight.timer = this.#wait(flight.patience)
    const replaced = this.#takeNewer(flight)
    if (!flight.message.mayLeave()) {
      replaced?.settle('replaced')
      this.#landed('dropped')
      return
    }
    this.#ports.counters.retransmission()
    this.#line.send(flight.bytes)
    replaced?.settle('replaced')
  }

  /** RFC 7641 4.5.2: what is sent again is the present state, under a new message id; attempts and timeout go on. */
  #takeNewer(flight: Flight): Confirmable | null {
    const { message, messageId } = flight
    const at = this.#waitingState(message)
    const newer = this.#notifications[at]
    if (newer === undefined) return null
    this.#notifications.splice(at, 1)
    flight.message = newer
    flight.formerIds = [...flight.formerIds, messageId]
    flight.messageId = this.#line.nextMessageId()
    flight.bytes = newer.datagram(flight.messageId)
    return message
  }
}
