// Where all protocols meet. A message's way: route, store what must survive, then acknowledge and deliver.
import type { Change, Changes } from '../model/change.ts'
import type { Clock } from '../model/clock.ts'
import type { Decision } from '../model/decision.ts'
import { Failure } from '../model/failure.ts'
import type { Log } from '../model/log.ts'
import type { IncomingMessage } from '../model/message.ts'
import type { Meter } from '../model/meter.ts'
import type { Principal } from '../model/principal.ts'
import { printable } from '../model/printable.ts'
import { isTopicName, parseFilter } from '../model/topic.ts'
import type { Durability, Operation, Store } from '../store/store.ts'
import { type EntryWrite, Journal } from './journal.ts'
import type { Judge, Judging } from './judging.ts'
import { PREFIX } from './keys.ts'
import { BUS_LIMITS, type BusLimits } from './limits.ts'
import { Message, type Publisher } from './message.ts'
import type { QueueEntry } from './queue.ts'
import type { Receiver, ServiceTopic } from './receiver.ts'
import { Retained } from './retained.ts'
import type { Route, Target } from './route.ts'
import { Router } from './router.ts'
import type { Session } from './session.ts'
import { putEntry, putReceived } from './session-records.ts'
import { Sessions } from './sessions.ts'
import { decodeMessage } from './stored-message.ts'
import { Subscription, type SubscriptionOptions } from './subscription.ts'

export interface BusParts {
  readonly store: Store
  readonly access: Judge
  readonly changes: Changes
  readonly clock: Clock
  readonly meter: Meter
  readonly log: Log
  readonly limits?: Partial<BusLimits>
  /** When a message counts as stored. */
  readonly durability?: Durability
}

/** A QoS 2 message's way in: its identifier is remembered together with the message. */
export interface IncomingExchange {
  readonly session: Session
  readonly packet: number
}

export type Granted =
  | { readonly subscription: Subscription; readonly isNew: boolean; readonly failure: null }
  | { readonly failure: 'policy-denied' | 'scope-denied' | 'topic-reserved' | 'quota-exceeded' }

export class Bus {
  readonly router: Router
  readonly retained: Retained
  readonly sessions: Sessions
  readonly #parts: BusParts
  readonly #judging: Judging
  readonly #limits: BusLimits
  readonly #journal: Journal
  readonly #services = new Map<string, ServiceTopic>()
  readonly #unsubscribe: () => void

  constructor(parts: BusParts) {
    const { store, access, changes, clock, meter } = parts
    this.#parts = parts
    this.#judging = { access, clock }
    this.#limits = { ...BUS_LIMITS, ...parts.limits }
    this.#journal = new Journal(store, parts.durability ?? 'fsync', meter)
    this.router = new Router(this.#judging, this.#limits)
    this.retained = new Retained(clock, meter, this.#limits)
    this.sessions = new Sessions({
      store,
      journal: this.#journal,
      router: this.router,
      judging: this.#judging,
      meter,
      limits: this.#limits,
      sendWill: (session, will) => this.#sendWill(session, will),
    })
    this.#unsubscribe = changes.subscribe(change => this.#follow(change))
  }

  /** Reads what the last run left: to be called once, before anybody connects. Wills that fell due are sent. */
  async load(): Promise<void> {
    for await (const { value } of this.#parts.store.list(PREFIX.retained)) this.retained.restore(decodeMessage(value))
    await this.sessions.load()
    this.sessions.resumeTime()
    const { log } = this.#parts
    log.info(
      { sessions: [...this.sessions.values()].length, retained: this.retained.size },
      'sessions and retained messages read',
    )
  }

  /** Live sessions are ended by `access`; here it is about what those who are away have left behind. */
  #follow(change: Change): void {
    const isOwner = change.kind === 'device' || change.kind === 'client'
    if (isOwner && change.what === 'removed') this.sessions.forgetOwner(change.id)
    const silenced = silencedBy(change)
    if (silenced !== null) this.sessions.silence(silenced)
  }

  /** Resolves when all that was accepted is durable. The store stays open. */
  async close(): Promise<void> {
    this.#unsubscribe()
    this.sessions.close()
    await this.#journal.close()
  }

  // --- messages in --------------------------------------------------------------------------------------------------------

  /** Names a topic that is handled instead of routed. */
  serve(service: ServiceTopic): void {
    this.#services.set(service.topic, service)
  }

  service(topic: string): ServiceTopic | undefined {
    return this.#services.get(topic)
  }

  /**
   * Publishes for somebody: decides, then accepts. For protocols without sessions of their own.
   * Throws `policy-denied`, `scope-denied`, `topic-reserved`, `topic-name-invalid`, `quota-exceeded` or `store-failed`.
   */
  async publish(principal: Principal, incoming: IncomingMessage): Promise<void> {
    const { topic, qos, retain } = incoming
    if (!isTopicName(topic))
      throw new Failure(
        'topic-name-invalid',
        `${printable(topic)} is no topic name: it must hold no + or #, and something.`,
      )
    const service = this.#services.get(topic)
    if (service !== undefined) return service.handle(incoming, principal)
    const decision = this.#judging.access.rights(principal).decide({ action: 'publish', target: topic, qos, retain })
    if (!decision.permit) throw new Failure(refusalOf(decision))
    const { kind, id } = principal.subject
    await this.accept(this.arriving(incoming, { kind, id, session: null }))
  }

  arriving(incoming: IncomingMessage, publisher: Publisher): Message {
    return Message.arriving(incoming, publisher, this.#judging.clock.now())
  }

  /**
   * Takes responsibility for a message that was permitted (MQTT 5, 4.3). Returns a promise when something has to be
   * durable first: the caller acknowledges after it. Receivers never delay it, each has a bounded queue of its own.
   * Throws `quota-exceeded` when it cannot be retained: then nothing of it has happened.
   */
  accept(message: Message, exchange: IncomingExchange | null = null): Promise<void> | null {
    const writes: Writes = []
    if (message.retain) {
      this.retained.checkRoom(message)
      writes.push(this.retained.set(message))
    }
    const copies = this.#copies(message, this.router.route(message.topic), writes)
    if (exchange !== null) {
      const { session, packet } = exchange
      session.received.add(packet)
      if (session.durable) writes.push(putReceived(session.id, packet))
    }
    if (writes.length === 0) {
      deliver(message, copies)
      return null
    }
    const stored = this.#journal.write(writes)
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
    try {
      await stored
    } catch (error) {
      exchange?.session.received.delete(exchange.packet)
      throw error
    }
    deliver(message, copies)
  }

  #copies(message: Message, route: Route, writes: Writes): Copy[] {
    const copies: Copy[] = []
    for (const each of route.targets) {
      const target = each.for(message)
      if (target?.mayHave(message)) this.#copy(message, target, route.epoch, copies, writes)
    }
    for (const group of route.groups) {
      const target = group.pick(message)
      if (target !== null) this.#copy(message, target, route.epoch, copies, writes)
    }
    return copies
  }

  #copy(message: Message, target: Target, epoch: number, copies: Copy[], writes: Writes): void {
    const { session } = target
    const qos = target.qosOf(message)
    if (qos === 0) copies.push({ target, entry: null })
    else if (session.queue.isFull) this.#dropped('queue-full')
    else {
      const delivery = { ...target.deliver(message), qos }
      const entry = session.queue.reserve(message, delivery, session.durable, target.permittedAt(epoch))
      if (session.durable) writes.push(putEntry(session.id, entry))
      message.keep()
      copies.push({ target, entry })
    }
  }

  #sendWill(session: Session, will: IncomingMessage): void {
    const { topic, qos, retain } = will
    const { log } = this.#parts
    const decision = session.rights.decide({ action: 'publish', target: topic, qos, retain })
    const fields = { session: printable(session.id), topic: printable(topic) }
    if (!decision.permit) {
      log.info({ ...fields, failure: refusalOf(decision) }, 'will refused')
      return
    }
    try {
      this.accept(this.arriving(will, session.publisher))?.catch(() => {})
    } catch (error) {
      if (!(error instanceof Failure)) throw error
      log.warn({ ...fields, failure: error.code }, 'will refused')
    }
  }

  // --- sessions and subscriptions --------------------------------------------------------------------------------------------------------

  /** From now on the session's messages go to this receiver; `sessions.disconnect` ends it. */
  attach(session: Session, receiver: Receiver): void {
    session.receiver = receiver
    this.router.refresh(session)
  }

  /**
   * Subscribes a session, if its owner may have everything the filter can match. The QoS granted is what the policy
   * leaves of `options.qos`. What is refused is not kept, nor what stood under this name before.
   */
  subscribe(session: Session, name: string, options: SubscriptionOptions): Granted {
    const place = parseFilter(name)
    if (place === null) throw new Failure('topic-filter-invalid', `${printable(name)} is no topic filter.`)
    if (!session.subscriptions.has(name) && session.subscriptions.size >= this.#limits.subscriptions)
      return { failure: 'quota-exceeded' }
    const asked = new Subscription(session, name, place, options)
    const decision = asked.judged(this.#judging)
    if (!decision.permit) {
      this.sessions.unsubscribe(session, [name])?.catch(() => {})
      return { failure: refusalOf(decision) }
    }
    const qos = Math.min(options.qos, decision.maxQos) as 0 | 1 | 2
    const subscription = qos === options.qos ? asked : new Subscription(session, name, place, { ...options, qos })
    return { subscription, isNew: this.router.add(subscription), failure: null }
  }

  /** Resolves when the subscriptions are durable, which their acknowledgement promises; null when they need not be. */
  storeSubscriptions(session: Session, names: readonly string[]): Promise<void> | null {
    return this.sessions.storeSubscriptions(session, names)
  }

  /** Retained messages for a new subscription [MQTT-3.3.1-9], as fast as the receiver takes them. */
  sendRetained(subscription: Subscription): void {
    const { session, filter } = subscription
    const messages = this.retained.match(filter)
    session.backlog.add(() => this.#sendSome(subscription, messages))
  }

  /** Returns true when all are sent. */
  #sendSome(subscription: Subscription, messages: Iterator<Message>): boolean {
    const { session } = subscription
    const writes: Writes = []
    const later: QueueEntry[] = []
    let done = false
    while (!done && session.receiver !== null && !session.receiver.congested && !session.queue.isFull) {
      const next = messages.next()
      done = next.done === true
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
    if (noLocal && message.publisher?.session === session.id) return // [MQTT-3.8.3-3]
    const qos = Math.min(message.qos, subscription.qos) as 0 | 1 | 2
    if (!session.mayReceive(message.topic, qos, true)) return
    const delivered = { retain: true, identifiers: identifier === null ? [] : [identifier] } // [MQTT-3.3.1-8]
    if (qos === 0) {
      session.receiver?.send(message, delivered)
      return
    }
    const delivery = { ...delivered, qos }
    const entry = session.queue.reserve(message, delivery, session.durable, -1)
    if (session.durable) writes.push(putEntry(session.id, entry))
    if (session.durable && qos === 2) later.push(entry)
    else addAll(session, [entry])
  }

  #dropped(reason: 'queue-full'): void {
    this.#parts.meter.count('latchkey_messages_dropped_total', { reason })
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

function addAll(session: Session, entries: readonly QueueEntry[]): void {
  for (const entry of entries) {
    if (session.ended) session.queue.finish(entry)
    else session.queue.add(entry)
  }
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

/** Whom a change takes what they were admitted by: their wills are not sent any more. null: nobody. */
function silencedBy(change: Change): ((principal: Principal) => boolean) | null {
  switch (change.kind) {
    case 'device':
    case 'client':
      return change.what === 'suspended' ? ({ subject }) => subject.id === change.id : null
    case 'credential':
      return change.what === 'revoked' ? ({ credential }) => credential?.id === change.id : null
    case 'token':
      return ({ jti, issuer }) => jti === change.jti && issuer === change.issuer
    default:
      return null
  }
}

/** How a refused request is told. */
export function refusalOf({ reason }: Decision): 'policy-denied' | 'scope-denied' | 'topic-reserved' {
  if (reason === 'scope') return 'scope-denied'
  return reason === 'reserved' ? 'topic-reserved' : 'policy-denied'
}
