// What becomes of a QoS 1 or 2 message that a session's queue has no room for.
import type { Clock } from '../model/clock.ts'
import { Failure } from '../model/failure.ts'
import type { Log } from '../model/log.ts'
import type { Meter } from '../model/meter.ts'
import { printable } from '../model/printable.ts'
import type { QueueOverflow } from './queue.ts'
import type { Link, Session } from './session.ts'

export interface OverflowLimits {
  /** Seconds that a full queue may refuse publishers; from then on it drops what is new, until it is half empty. */
  readonly queuePatience: number
}

export interface OverflowParts {
  /** For sessions that outlive their connection; whoever has another one is ended instead. */
  readonly policy: QueueOverflow
  readonly limits: OverflowLimits
  readonly clock: Clock
  readonly meter: Meter
  readonly log: Log
}

export class Overflow {
  readonly #parts: OverflowParts
  /** To be ended when the message at hand is done with. */
  readonly #slow = new Map<Session, Link>()

  constructor(parts: OverflowParts) {
    this.#parts = parts
  }

  /**
   * For a queue that is full. Returns whether it has room now; if not, the session does without the message, which is
   * counted. Throws `queue-full` when the message has to be refused instead, which happens only if `isRefusable`: there
   * is a publisher who is told and can repeat it.
   */
  makeRoom(session: Session, isRefusable: boolean): boolean {
    const { queue } = session
    queue.dropExpired(this.#parts.clock.now())
    if (!queue.isFull) return true
    const policy = session.queueOverflow ?? (session.durable ? this.#parts.policy : 'disconnect')
    if (policy === 'drop-oldest') return this.#dropOldest(session)
    if (policy === 'refuse' && isRefusable && this.#isPatient(session)) {
      this.#parts.meter.count('latchkey_messages_refused_total', { reason: 'queue-full' })
      throw new Failure('queue-full')
    }
    if (policy === 'disconnect') this.#endSoon(session)
    this.#dropped('queue-full')
    return false
  }

  #dropOldest({ queue }: Session): boolean {
    while (queue.isFull) {
      const isDropped = queue.dropOldest()
      this.#dropped(isDropped ? 'queue-full-oldest' : 'queue-full')
      if (!isDropped) return false
    }
    return true
  }

  #dropped(reason: 'queue-full' | 'queue-full-oldest'): void {
    this.#parts.meter.count('latchkey_messages_dropped_total', { reason })
  }

  #isPatient({ queue, id, principal, link }: Session): boolean {
    const { clock, limits, log } = this.#parts
    const wasFull = queue.isKnownFull
    const isPatient = queue.fullFor(clock.now()) < limits.queuePatience * 1000
    if (!wasFull) {
      const fields = { session: printable(id), owner: principal.subject.id, online: link !== null, queued: queue.count }
      log.warn(fields, 'the queue of a session is full: publishers are refused for a while, then it gets nothing new')
    }
    return isPatient
  }

  /** Not within the work on a message: a connection that ends has a will, and changes routes. */
  #endSoon(session: Session): void {
    const { link } = session
    if (link === null) return
    if (this.#slow.size === 0) setImmediate(() => this.#endSlow())
    this.#slow.set(session, link)
  }

  #endSlow(): void {
    const slow = [...this.#slow]
    this.#slow.clear()
    for (const [session, link] of slow) if (session.link === link) link.end('queue-full')
  }
}
