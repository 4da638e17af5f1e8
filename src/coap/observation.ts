// One observer of one topic or filter (RFC 7641): a subscription of the bus whose messages leave as notifications.
import type { Message } from '../bus/message.ts'
import type { QueueEntry } from '../bus/queue.ts'
import type { Delivered, Receiver } from '../bus/receiver.ts'
import type { Link, Session } from '../bus/session.ts'
import type { Subscription } from '../bus/subscription.ts'
import { CODE, codeOf } from '../coap-wire/codes.ts'
import { FAILURES, type FailureCode } from '../model/failure.ts'
import type { Principal } from '../model/principal.ts'
import { blockBytes } from './block2.ts'
import type { Ending, ObservationParts, ObservationTerms } from './observation-parts.ts'
import { contentFormatIn } from './representation.ts'
import type { Fate, Peer } from './resource.ts'
import type { CoapSession, Held } from './session.ts'

interface Delivery {
  /** null once it is done with. */
  readonly message: Message | null
  readonly qos: 0 | 1 | 2
  readonly retain: boolean
}

/** QoS 0 messages that wait for an answer or an acknowledgement. */
const HELD_BACK = 16

const LIVE: Omit<Delivery, 'message'> = { qos: 0, retain: false }
const nothing = () => {}

/** A part of a datagram keeps all those in memory that came along with it. */
function ownCopy(bytes: Buffer): Buffer {
  const own = Buffer.allocUnsafeSlow(bytes.length)
  bytes.copy(own)
  return own
}

export class Observation implements Receiver, Link, Held {
  readonly lane = null
  readonly peer: Peer
  readonly token: Buffer
  readonly name: string
  readonly session: CoapSession
  readonly #terms: ObservationTerms
  readonly #parts: ObservationParts
  #bus: { readonly session: Session; readonly subscription: Subscription } | null = null
  /** The answer to the registration has not left yet: notifications come after it. */
  #answering = true
  readonly #heldBack: { readonly message: Message; readonly delivered: Delivered }[] = []
  /**
   * The confirmable message that is waited for. What comes meanwhile stays in the queue of the session, or is held back:
   * were it sent, a repetition of this one would look old and be dropped (RFC 7641 3.4).
   */
  #inflight: QueueEntry | 'retained' | null = null
  #confirmedAt: number
  #sequence = 0
  /** Non-confirmable notifications since somebody was heard of there. */
  unheard = 0
  /** ETag of the last long event: what the observer goes on with, when it asks for a later block. */
  #longEvent: Buffer | null = null
  /** One for all that is not confirmable: the peer keeps it for each of the last ones. */
  readonly #toldOnce = (fate: Fate) => this.#told(fate, nothing)
  #ended = false

  constructor(terms: ObservationTerms, session: CoapSession, parts: ObservationParts) {
    this.peer = terms.peer
    this.token = ownCopy(terms.token)
    this.name = terms.name
    this.session = session
    this.#terms = { ...terms, token: this.token }
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

  /** ETag of the long event that the observer was last notified of; null when it has asked for a state since. */
  get longEvent(): Buffer | null {
    return this.#longEvent
  }

  /** What is asked for from now on is the state, not the event. */
  forgetEvent(): void {
    this.#longEvent = null
  }

  /** Whether a registration with the same token asks for nothing else. */
  observes({ name, form, accept, sizeExponent }: ObservationTerms, session: CoapSession): boolean {
    const own = this.#terms
    if (form !== own.form || accept !== own.accept || sizeExponent !== own.sizeExponent) return false
    return name === this.name && session === this.session
  }

  /** Until `begin`: another answer is about to leave. What is not acknowledged leaves again after it, as newer. */
  hold(): void {
    this.#answering = true
    this.#takeBack()
  }

  /** The answer has left. */
  begin(): void {
    this.#answering = false
    this.#pump()
    this.#goOn()
  }

  // --- messages -----------------------------------------------------------------------------------------------------------

  /** Retained messages come one after the other: a filter may match very many (RFC 7641 4.5.1). */
  get congested(): boolean {
    return this.#answering || this.#inflight !== null
  }

  /** It is on no lane. */
  share(): void {}

  /** QoS 0: non-confirmable, unless it is time to see whether somebody is there. */
  send(message: Message, delivered: Delivered): void {
    if (this.#ended) return
    if (this.congested) {
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
    this.#notify(message, LIVE, confirmable, nothing)
  }

  #holdBack(message: Message, delivered: Delivered): void {
    if (this.#heldBack.length === HELD_BACK) {
      this.#heldBack.shift()
      this.#parts.meter.count('latchkey_messages_dropped_total', { reason: 'slow-reader' })
    }
    this.#heldBack.push({ message: message.keep(), delivered })
  }

  /** QoS 1 and 2 leave one at a time, from the queue: the next may take the place of one that waits. */
  pass(): boolean {
    return false
  }

  /** QoS 1 and 2: confirmable, one at a time. */
  queued(): void {
    this.#pump()
  }

  #pump(): void {
    const { session } = this.#bus ?? {}
    if (session === undefined) return
    while (!this.#ended && !this.congested) {
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
    this.#goOn()
  }

  #goOn(): void {
    while (!this.#ended && !this.congested) {
      const next = this.#heldBack.shift()
      if (next === undefined) break
      const { message, delivered } = next
      const due = !message.hasExpired(this.#parts.clock.now()) && this.#mayReceive({ message, qos: 0, ...delivered })
      if (due) this.send(message, delivered)
    }
    this.#pump()
  }

  /** What waits for its acknowledgement goes back to the queue, and is judged again before it leaves. */
  #takeBack(): void {
    const entry = this.#inflight
    if (this.#bus === null || entry === null || entry === 'retained') return
    this.peer.withdraw(this.token)
    entry.permittedAt = -1
    this.#bus.session.queue.putBack([entry])
    this.#inflight = null
  }

  /** False when it has ended the observation instead. */
  #notify(
    message: Message,
    { qos, retain }: Omit<Delivery, 'message'>,
    confirmable: boolean,
    settled: () => void,
  ): boolean {
    const { form, accept, sizeExponent } = this.#terms
    const { clock, notices } = this.#parts
    if (accept !== null && message.payload.length > 0 && contentFormatIn(message, form) !== accept) {
      this.#end('format', CODE.NotAcceptable) // RFC 7641 4.2
      return false
    }
    const notice = notices.of(message, form, clock.now(), this.#sequence, blockBytes(sizeExponent))
    const { sequence, options, payload, isLong } = notice
    this.#sequence = sequence
    const state = isLong && form === 'value' && message.retain
    if (isLong) this.#longEvent = state ? null : this.#parts.events.keep(this.name, form, message)
    const { token } = this
    // Whole literals: fan-outs make very many of them, and an object that is spread costs more than its datagram.
    if (!confirmable) {
      this.unheard += 1
      const onFate = this.#toldOnce
      this.peer.notify({ token, code: CODE.Content, options, payload, confirmable, state, sizeExponent, onFate })
      return true
    }
    const onFate = (fate: Fate) => this.#told(fate, settled)
    const mayLeave = () => !message.hasExpired(clock.now()) && this.#mayReceive({ message, qos, retain })
    this.peer.notify({
      token,
      code: CODE.Content,
      options,
      payload,
      confirmable,
      state,
      sizeExponent,
      onFate,
      mayLeave,
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
        this.#parts.heard(this.peer)
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
    this.#takeBack() // what is retained is asked for before it is repeated
    this.#pump()
    this.#goOn()
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
    this.#heldBack.length = 0
    this.peer.withdraw(this.token)
    this.#parts.ended(this, reason)
    if (code === null) return
    this.peer.notify({
      token: this.token,
      code,
      options: [],
      payload: Buffer.alloc(0),
      // On a channel that closes with its session nothing can be repeated or waited for.
      confirmable: reason !== 'ended' || !this.session.takesChannelAlong,
      onFate: () => {},
    })
  }
}
