// Where all protocols meet: what they publish, subscribe to, and leave behind.
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
import type { Durability, Store } from '../store/store.ts'
import { Acceptance, type IncomingExchange } from './acceptance.ts'
import { Journal } from './journal.ts'
import type { Judge, Judging, Rights } from './judging.ts'
import { PREFIX } from './keys.ts'
import { BUS_LIMITS, type BusLimits } from './limits.ts'
import { Message, type Publisher } from './message.ts'
import { Overflow } from './overflow.ts'
import type { QueueOverflow } from './queue.ts'
import type { Receiver, ServiceTopic } from './receiver.ts'
import { Retained } from './retained.ts'
import { RetainedDelivery } from './retained-delivery.ts'
import { Router } from './router.ts'
import type { Session } from './session.ts'
import { Sessions } from './sessions.ts'
import { silencedBy } from './silenced-by.ts'
import { decodeMessage } from './stored-message.ts'
import { Subscription, type SubscriptionOptions } from './subscription.ts'
import { SystemTopics } from './system-topics.ts'

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
  /** What the full queue of a session that outlives its connection does. */
  readonly queueOverflow?: QueueOverflow
}

export type Granted =
  | { readonly subscription: Subscription; readonly isNew: boolean; readonly failure: null }
  | { readonly failure: 'policy-denied' | 'scope-denied' | 'topic-reserved' | 'quota-exceeded' }

export class Bus {
  readonly router: Router
  readonly retained: Retained
  readonly sessions: Sessions
  readonly overflow: Overflow
  readonly system: SystemTopics
  readonly #parts: BusParts
  readonly #judging: Judging
  readonly #limits: BusLimits
  readonly #journal: Journal
  readonly #acceptance: Acceptance
  readonly #retainedDelivery: RetainedDelivery
  readonly #services = new Map<string, ServiceTopic>()
  readonly #unsubscribe: () => void

  constructor(parts: BusParts) {
    const { store, access, changes, clock, meter, log, queueOverflow: policy = 'refuse' } = parts
    this.#parts = parts
    this.#judging = { access, clock }
    this.#limits = { ...BUS_LIMITS, ...parts.limits }
    this.#journal = new Journal(store, parts.durability ?? 'fsync', meter)
    this.router = new Router(this.#judging, this.#limits)
    this.system = new SystemTopics(this.router, this.#limits)
    this.retained = new Retained(clock, meter, this.#limits, this.system)
    this.overflow = new Overflow({ policy, limits: this.#limits, clock, meter, log })
    const { router, retained, overflow } = this
    this.#acceptance = new Acceptance({ router, retained, overflow, journal: this.#journal })
    this.#retainedDelivery = new RetainedDelivery(this.retained, this.#journal)
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
    this.system.close()
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
   * Publishes for somebody: decides, then accepts. For protocols without sessions of their own; `from` spares looking the
   * rights up each time, and names the session for no-local. What it decides and retains has happened when it returns.
   * Throws `policy-denied`, `scope-denied`, `topic-reserved`, `topic-name-invalid`, `quota-exceeded`, `queue-full` or
   * `store-failed`.
   */
  async publish(
    principal: Principal,
    incoming: IncomingMessage,
    from?: { readonly rights: Rights; readonly session: string },
  ): Promise<void> {
    const { topic, qos, retain } = incoming
    if (!isTopicName(topic))
      throw new Failure(
        'topic-name-invalid',
        `${printable(topic)} is no topic name: it must hold no + or #, and something.`,
      )
    const service = this.#services.get(topic)
    if (service !== undefined) return service.handle(incoming, principal)
    const rights = from?.rights ?? this.#judging.access.rights(principal)
    const decision = rights.decide({ action: 'publish', target: topic, qos, retain })
    if (!decision.permit) throw new Failure(refusalOf(decision))
    const { kind, id } = principal.subject
    await this.accept(this.arriving(incoming, { kind, id, session: from?.session ?? null }))
  }

  arriving(incoming: IncomingMessage, publisher: Publisher): Message {
    return Message.arriving(incoming, publisher, this.#judging.clock.now())
  }

  /**
   * Takes responsibility for a message that was permitted (MQTT 5, 4.3). Returns a promise when something has to be
   * durable first: the caller acknowledges after it. Receivers never delay it, each has a bounded queue of its own.
   * Throws `quota-exceeded` when it cannot be retained, and `queue-full` when a session's full queue refuses it: then
   * nothing of it has happened, and nobody gets it twice who gets its repetition.
   */
  accept(message: Message, exchange: IncomingExchange | null = null): Promise<void> | null {
    return this.#acceptance.accept(message, exchange, true)
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
      this.#acceptance.accept(this.arriving(will, session.publisher), null, false)?.catch(() => {}) // nobody repeats it
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
    this.#retainedDelivery.send(subscription)
  }
}

/** How a refused request is told. */
export function refusalOf({ reason }: Decision): 'policy-denied' | 'scope-denied' | 'topic-reserved' {
  if (reason === 'scope') return 'scope-denied'
  return reason === 'reserved' ? 'topic-reserved' : 'policy-denied'
}
