// One observer of one topic or filter (RFC 7641): a subscription of the bus whose messages leave as notifications.
import type { Message } from '../bus/message.ts'
import type { QueueEntry } from '../bus/queue.ts'
import type { Delivered, Receiver } from '../bus/receiver.ts'
import type { Link, Session } from '../bus/session.ts'
import type { Subscription } from '../bus/subscription.ts'
import { CODE, codeOf } from '../coap-wire/codes.ts'
import type { Clock } from '../model/clock.ts'
import { FAILURES, type FailureCode } from '../model/failure.ts'
import type { Meter } from '../model/meter.ts'
import type { Principal } from '../model/principal.ts'
import { contentFormatIn, type Form, type Notices } from './representation.ts'
import type { Fate, Peer } from './resource.ts'
import type { CoapSession, Held } from './session.ts'

export interface ObservationTerms {
  readonly peer: Peer
  /** Of the request: all notifications bear it. */
  readonly token: Buffer
  /** The filter as asked for, `$share/...` included. */
  readonly name: string
  readonly form: Form
  /** Content-Format that was asked for; null: any. */
  readonly accept: number | null
}

export interface ObservationParts {
  readonly notices: Notices
  readonly clock: Clock
  readonly meter: Meter
  /** For its epoch. */
  readonly access: { readonly epoch: number }
  /** Milliseconds, see `observerCheck`. */
  readonly checkEvery: number
  /** Whether its owner may have the subscription now. */
  isPermitted(subscription: Subscription): boolean
  /** Takes it off every list, and its session off the bus. */
  ended(observation: Observation, reason: Ending): void
  /** Nobody acknowledges there any more. */
  lost(peer: Peer): void
}

/** What ends an observation, as the meter counts it. */
export type Ending = 'cancelled' | 'replaced' | 'reset' | 'timeout' | 'gone' | 'format' | 'denied' | 'ended'

interface Delivery {
  /** null once it is done with. */
  readonly message: Message | null
  readonly qos: 0 | 1 | 2
  readonly retain: boolean
}

/** Messages that come between the registration and its answer. */
const EARLY = 16

export class Observation implements Receiver, Link, Held {
  readonly lane = null
  readonly peer: Peer
  readonly token: Buffer
  readonly name: string
  readonly session: CoapSession
  readonly #terms: ObservationTerms
  readonly #parts: ObservationParts
  #bus: { readonly session: Session; readonly subscription: Subscription } | null = null
  /** null once the answer to the registration has left: notifications come after it. */
  #early: { readonly message: Message; readonly delivered: Delivered }[] | null = []
  /** The confirmable message that is waited for; the others stay in the queue of the session. */
  #inflight: QueueEntry | 'retained' | null = null
  #confirmedAt: number
  #sequence = 0
  #ended = false

  constructor(terms: ObservationTerms, session: CoapSession, parts: ObservationParts) {
    this.peer = terms.peer
    this.token = terms.token
    this.name = terms.name
    this.session = session
    this.#terms = terms
    this.#parts = parts
    this.#confirmedAt = parts.clock.now()
  }

  /** Its session on the bus; null until it is subscribed. */
  get busSession(): Session | null {
    return this.#bus?.session ?? null
  }

  get subscription(): Subscription | null {
    return this.#bus?.subscription ?? null
  }

  subscribed(session: Session, subscription: Subscription): void {
    this.#bus = { session, subscription }
  }

  /** For the answer to the registration: it comes before all notifications (RFC 7641 3.4). */
  firstSequence(): number {
    this.#sequence = this.#parts.notices.nextSequence(this.#parts.clock.now())
    return this.#sequence
  }

  /** Whether a registration with the same token asks for nothing else. */
  observes({ name, form, accept }: ObservationTerms, session: CoapSession): boolean {
    return name === this.name && form === this.#terms.form && accept === this.#terms.accept && session === this.session
  }

  /** Until `begin`: another answer is about to leave. */
  hold(): void {
    this.#early ??= []
  }

  /** The answer has left. */
  begin(): void {
    const early = this.#early ?? []
    this.#early = null
    for (const { message, delivered } of early) this.send(message, delivered)
    this.#pump()
  }

  // --- messages -----------------------------------------------------------------------------------------------------------

  /** Retained messages come one after the other: a filter may match very many (RFC 7641 4.5.1). */
  get congested(): boolean {
    return this.#early !== null || this.#inflight !== null
  }

  /** It is on no lane. */
  share(): void {}

  /** QoS 0: non-confirmable, unless it is time to see whether somebody is there. */
  send(message: Message, delivered: Delivered): void {
    if (this.#ended) return
    if (this.#early !== null) {
      this.#holdBack(message, delivered)
      return
    }
    if (delivered.retain) {
      this.#inflight = 'retained'
      if (this.#notify(message, { qos: 0, retain: true }, true, () => this.#settled())) return
      this.#inflight = null
      return
    }
    const confirmable = this.#parts.clock.now() - this.#confirmedAt >= this.#parts.checkEvery
    if (confirmable) message.keep()
    this.#notify(message, { qos: 0, retain: false }, confirmable, () => {})
  }

  #holdBack(message: Message, delivered: Delivered): void {
    if (this.#early === null) return
    if (this.#early.length === EARLY) {
      this.#early.shift()
      this.#parts.meter.count('latchkey_messages_dropped_total', { reason: 'slow-reader' })
    }
    this.#early.push({ message: message.keep(), delivered })
  }

  /** QoS 1 and 2: confirmable, one at a time. */
  queued(): void {
    this.#pump()
  }

  #pump(): void {
    const { session } = this.#bus ?? {}
    if (session === undefined) return
    while (!this.#ended && this.#early === null && this.#inflight === null) {
      const entry = session.queue.peek()
      if (entry === undefined) break
      session.queue.shift()
      this.#sendEntry(session, entry)
    }
    if (!this.#ended && !this.congested) session.backlog.goOn()
  }

  #sendEntry(session: Session, entry: QueueEntry): void {
    const { message, permittedAt, qos, retain } = entry
    const isPermitted = () => permittedAt === this.#parts.access.epoch || this.#mayReceive(entry)
    if (message === null || message.hasExpired(this.#parts.clock.now()) || !isPermitted()) {
      session.queue.finish(entry)
      return
    }
    this.#inflight = entry
    const finished = () => {
      session.queue.finish(entry)
      this.#settled()
    }
    if (!this.#notify(message, { qos, retain }, true, finished)) session.queue.finish(entry)
  }

  #mayReceive({ message, qos, retain }: Delivery): boolean {
    return message !== null && (this.#bus?.session.mayReceive(message.topic, qos, retain) ?? false)
  }

  #settled(): void {
    this.#inflight = null
    this.#pump()
  }

  /** False when it has ended the observation instead. */
  #notify(
    message: Message,
    { qos, retain }: Omit<Delivery, 'message'>,
    confirmable: boolean,
    settled: () => void,
  ): boolean {
    const { form, accept } = this.#terms
    const { clock, notices } = this.#parts
    if (accept !== null && message.payload.length > 0 && contentFormatIn(message, form) !== accept) {
      this.#end('format', CODE.NotAcceptable) // RFC 7641 4.2
      return false
    }
    const { sequence, options, payload } = notices.of(message, form, clock.now(), this.#sequence)
    this.#sequence = sequence
    const mayLeave = () => !message.hasExpired(clock.now()) && this.#mayReceive({ message, qos, retain })
    this.peer.notify({
      token: this.token,
      code: CODE.Content,
      options,
      payload,
      confirmable,
      ...(confirmable && { mayLeave }),
      onFate: fate => this.#told(fate, settled),
    })
    return true
  }

  #told(fate: Fate, settled: () => void): void {
    if (this.#ended) return
    switch (fate) {
      case 'sent':
        return
      case 'acknowledged':
        this.#confirmedAt = this.session.lastSeen = this.#parts.clock.now()
        settled()
        return
      case 'dropped':
      case 'replaced':
        settled()
        return
      case 'reset': // RFC 7641 3.6
        this.#end('reset', null)
        return
      case 'timeout': // RFC 7641 4.5
        this.#parts.lost(this.peer)
    }
  }

  // --- the end ------------------------------------------------------------------------------------------------------------

  /** What waits is judged again, also what the peer would repeat. A subscription that is not permitted any more ends. */
  accessChanged(principal: Principal): void {
    if (this.#bus === null || this.#ended) return
    const { session, subscription } = this.#bus
    session.holdBy(principal)
    if (!this.#parts.isPermitted(subscription)) {
      this.#end('denied', CODE.Forbidden)
      return
    }
    const entry = this.#inflight
    if (entry === null) return
    if (entry === 'retained') return // asked before it is repeated
    this.peer.withdraw(this.token)
    entry.permittedAt = -1
    session.queue.putBack([entry])
    this.#settled()
  }

  /** The session has ended. The observer is told why, without Observe: it is none any more (RFC 7641 4.2). */
  end(failure: FailureCode): void {
    this.#end('ended', codeOf(FAILURES[failure].coap))
  }

  /** Without a word: the observer knows, or is not there. */
  cancel(reason: Ending): void {
    this.#end(reason, null)
  }

  #end(reason: Ending, code: number | null): void {
    if (this.#ended) return
    this.#ended = true
    this.#early = null
    this.peer.withdraw(this.token)
    this.#parts.ended(this, reason)
    if (code === null) return
    this.peer.notify({
      token: this.token,
      code,
      options: [],
      payload: Buffer.alloc(0),
      confirmable: true,
      onFate: () => {},
    })
  }
}
