import type { FailureCode } from '../model/failure.ts'
import type { IncomingMessage } from '../model/message.ts'
import type { Principal } from '../model/principal.ts'
import { Backlog } from './backlog.ts'
import { type Judging, ReceiveDecisions, type Rights } from './judging.ts'
import type { Publisher } from './message.ts'
import { Queue, type QueueLimits, type QueueOverflow, type QueueStore } from './queue.ts'
import type { Receiver } from './receiver.ts'
import type { Subscription } from './subscription.ts'

/** Session Expiry Interval of a session that never ends by itself (MQTT 5, 3.1.2.11.2). */
export const NEVER = 0xffffffff

export interface Will {
  readonly message: IncomingMessage
  /** Seconds after the connection is gone (MQTT 5, 3.1.3.2.2). */
  readonly delay: number
}

/** The live connection that a session belongs to. */
export interface Link {
  /** Ends it at once. */
  end(failure: FailureCode): void
}

/** Bounds on one session. */
export interface SessionLimits extends QueueLimits {
  /** Subscriptions of one session. */
  readonly subscriptions: number
}

/** The state that may outlive a connection (MQTT 5, 4.1): it belongs to one owner. */
export class Session {
  readonly id: string
  /** Whose messages are its own, for no-local: several sessions of one client may share a name. */
  readonly publishesAs: string
  readonly queue: Queue
  /** What its full queue does; null: what everybody's does. */
  queueOverflow: QueueOverflow | null = null
  /** By name. */
  readonly subscriptions = new Map<string, Subscription>()
  /** null while offline. */
  receiver: Receiver | null = null
  link: Link | null = null
  /** Outlives its connection: Session Expiry Interval > 0. */
  durable = false
  /** There is something of it in the store. */
  onDisk = false
  /** Seconds. */
  expiry = 0
  /** Milliseconds since the epoch; null while online, or when it never ends. */
  endsAt: number | null = null
  will: Will | null = null
  /** When a delayed will is due; null while online. */
  willAt: number | null = null
  ended = false
  /** What did not fit at once (retained messages); its receiver calls `goOn` when there is room. */
  readonly backlog = new Backlog()
  #principal: Principal
  #rights: Rights
  readonly #judging: Judging
  // Made when first needed: of the many sessions most are idle.
  #received: Set<number> | null = null
  #arriving: Map<number, Promise<FailureCode | null>> | null = null
  #receives: Map<string, ReceiveDecisions> | null = null

  constructor(
    id: string,
    principal: Principal,
    judging: Judging,
    store: QueueStore,
    limits: QueueLimits,
    publishesAs: string = id,
  ) {
    this.id = id
    this.publishesAs = publishesAs
    this.#principal = principal
    this.#judging = judging
    this.#rights = judging.access.rights(principal)
    this.queue = new Queue(store, limits)
  }

  /** Identifiers of QoS 2 messages that came in and are not released yet. */
  get received(): Set<number> {
    this.#received ??= new Set()
    return this.#received
  }

  /** Of these, what is being stored: their repetition is answered as they are, not before. */
  get arriving(): Map<number, Promise<FailureCode | null>> {
    this.#arriving ??= new Map()
    return this.#arriving
  }

  get principal(): Principal {
    return this.#principal
  }

  /** Judged by what holds now, whether the owner is online or not. */
  get rights(): Rights {
    return this.#rights
  }

  get publisher(): Publisher {
    const { kind, id } = this.#principal.subject
    return { kind, id, session: this.publishesAs }
  }

  belongsTo(principal: Principal): boolean {
    const { subject } = this.#principal
    return subject.id === principal.subject.id && subject.kind === principal.subject.kind
  }

  /** The same owner, admitted anew or with fresh roles. */
  holdBy(principal: Principal): void {
    this.#principal = principal
    this.#rights = this.#judging.access.rights(principal)
    this.#receives = null
    this.queue.forgetPermits()
  }

  /** What the owner may have of a topic now. */
  receives(topic: string): ReceiveDecisions {
    this.#receives ??= new Map()
    let known = this.#receives.get(topic)
    if (known === undefined) {
      if (this.#receives.size >= KEPT_TOPICS) this.#receives.clear()
      known = new ReceiveDecisions(topic, this.#rights, this.#judging)
      if (topic.length <= LONGEST_KEPT) this.#receives.set(topic, known)
    }
    return known
  }

  /** Whether a message may leave to the owner now, however it came into the queue. */
  mayReceive(topic: string, qos: 0 | 1 | 2, retain: boolean): boolean {
    return this.receives(topic).permits(this.#rights, qos, retain)
  }
}

/** Topics whose decisions a session remembers, and how long they may be. */
const KEPT_TOPICS = 64
const LONGEST_KEPT = 512
