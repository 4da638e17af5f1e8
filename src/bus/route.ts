// Where messages of one topic go, as long as neither subscriptions nor the policy change.
import type { ReceiveDecisions } from './judging.ts'
import type { Lane, Message } from './message.ts'
import type { Delivered, Receiver } from './receiver.ts'
import type { Session } from './session.ts'
import type { Subscription } from './subscription.ts'

type Qos = 0 | 1 | 2

/** A subscription and what the policy leaves of its QoS. */
export interface Permitted {
  readonly subscription: Subscription
  readonly qos: Qos
}

/** One session's claim on a topic: all its matching subscriptions merged (MQTT 5, 3.3.4). */
export class Target {
  readonly session: Session
  /** [MQTT-3.3.4-2] the highest of all. */
  readonly qos: Qos
  readonly retainAsPublished: boolean
  /** With [MQTT-3.3.4-3], [MQTT-3.3.4-4] the identifiers of all. */
  readonly delivered: Delivered
  readonly deliveredRetained: Delivered
  readonly #receives: ReceiveDecisions
  /** The same for the session's own messages; undefined when they are like anybody's. */
  readonly #local: Target | null | undefined

  constructor(session: Session, receives: ReceiveDecisions, subscriptions: readonly Permitted[]) {
    this.session = session
    this.#receives = receives
    this.qos = Math.max(...subscriptions.map(({ qos }) => qos)) as Qos
    this.retainAsPublished = subscriptions.some(({ subscription }) => subscription.retainAsPublished)
    const identifiers = subscriptions.flatMap(({ subscription }) => subscription.identifier ?? [])
    this.delivered = { retain: false, identifiers }
    this.deliveredRetained = { retain: true, identifiers }
    const remote = subscriptions.filter(({ subscription }) => !subscription.noLocal)
    if (remote.length === subscriptions.length) this.#local = undefined
    else this.#local = remote.length > 0 ? new Target(session, receives, remote) : null
  }

  /** How this message is delivered: RETAIN stays only where the subscriber asked for it [MQTT-3.3.1-12] [MQTT-3.3.1-13]. */
  deliver(message: Message): Delivered {
    return message.retain && this.retainAsPublished ? this.deliveredRetained : this.delivered
  }

  /** QoS of its copy: by filter, wildcards included [MQTT-3.8.4-8]. */
  qosOf(message: Message): Qos {
    return Math.min(message.qos, this.qos) as Qos
  }

  /** Whether the policy lets this message through to the session. */
  mayHave(message: Message): boolean {
    return this.permits(this.qosOf(message), this.deliver(message).retain)
  }

  /** After `mayHave`: the epoch at which its copy may leave without another decision; -1 when a time window may change it. */
  get permittedAt(): number {
    return this.#receives.until === null ? this.#receives.epoch : -1
  }

  permits(qos: Qos, retain: boolean): boolean {
    return this.#receives.permits(this.session.rights, qos, retain)
  }

  get hasNoLocal(): boolean {
    return this.#local !== undefined
  }

  /** The target as it is for this message; null when it came from this very session [MQTT-3.8.3-3]. */
  for(message: Message): Target | null {
    return this.#local === undefined || message.publisher?.session !== this.session.publishesAs ? this : this.#local
  }
}

/** Whose turn it is in a shared subscription (MQTT 5, 4.8.2); lives as long as it has members. */
export class Group {
  readonly members = new Set<Subscription>()
  turn = 0
}

/** Members of a shared subscription that may have messages of one topic. */
export class GroupTargets {
  readonly #group: Group
  readonly targets: readonly Target[]

  constructor(group: Group, targets: readonly Target[]) {
    this.#group = group
    this.targets = targets
  }

  /**
   * One member per message, in turn: first those who take it at once, then those in whose queue it can wait, then one
   * whose queue is full, where it is decided what becomes of it; null when there is none.
   */
  pick(message: Message): Target | null {
    const count = this.targets.length
    let later: Target | null = null
    let full: Target | null = null
    for (let i = 0; i < count; i++) {
      const at = (this.#group.turn + i) % count
      const target = this.targets[at]
      if (target === undefined || !target.mayHave(message)) continue
      const { receiver, queue } = target.session
      if (target.qosOf(message) > 0 && queue.isFull) full ??= target
      else if (receiver !== null && !receiver.congested) {
        this.#group.turn = at + 1
        return target
      } else later ??= target
    }
    return later ?? full
  }
}

/** Receivers that take the same bytes. */
export interface SharedLane {
  readonly lane: Lane
  readonly receivers: Receiver[]
}

export class Route {
  readonly epoch: number
  /** When a time window changes whom it holds (ms since the epoch); null when none will. */
  readonly until: number | null
  readonly targets: readonly Target[]
  readonly groups: readonly GroupTargets[]
  /** QoS 0 for those who take it as everybody does... */
  readonly lanes: readonly SharedLane[]
  /** ...and online targets that need each message made for them. */
  readonly singly: readonly Target[]
  /** Somebody's copy must be durable before the sender gets its acknowledgement. */
  readonly durable: boolean
  /** Nobody's copy differs from anybody's but by its QoS. */
  readonly plain: boolean
  /** False once subscriptions have changed. */
  valid = true

  constructor(targets: readonly Target[], groups: readonly GroupTargets[], epoch: number, until: number | null) {
    this.epoch = epoch
    this.until = until
    this.targets = targets
    this.groups = groups
    const keeps = ({ qos, session }: Target) => qos > 0 && session.durable
    this.durable = targets.some(keeps) || groups.some(group => group.targets.some(keeps))
    const differs = (target: Target) => target.hasNoLocal || target.delivered.identifiers.length > 0
    this.plain = groups.length === 0 && !targets.some(differs)
    const lanes: SharedLane[] = []
    const singly: Target[] = []
    for (const target of targets) {
      const { receiver } = target.session
      if (receiver === null || !target.permits(0, false)) continue
      if (receiver.lane === null || differs(target)) singly.push(target)
      else laneOf(lanes, receiver.lane).push(receiver)
    }
    this.lanes = lanes
    this.singly = singly
  }
}

function laneOf(lanes: SharedLane[], lane: Lane): Receiver[] {
  const known = lanes.find(shared => shared.lane === lane)
  if (known !== undefined) return known.receivers
  const receivers: Receiver[] = []
  lanes.push({ lane, receivers })
  return receivers
}
