// What one client publishes to: a device has few topics, and each decision and route holds for many messages.
import { type Judging, KeptDecision } from '../bus/judging.ts'
import type { Publisher } from '../bus/message.ts'
import type { Route } from '../bus/route.ts'
import type { Router } from '../bus/router.ts'
import type { Session } from '../bus/session.ts'
import type { Decision } from '../model/decision.ts'
import { isTopicName } from '../model/topic.ts'

/** Topics that are remembered for one client, and how long they may be. */
const REMEMBERED = 64
const LONGEST_REMEMBERED = 512

export class PublishTopics {
  readonly session: Session
  /** Whoever publishes here. */
  readonly publisher: Publisher
  readonly #router: Router
  readonly #judging: Judging
  /** null until the first: who only listens has none. */
  #topics: Map<string, PublishTopic> | null = null

  constructor(session: Session, router: Router, judging: Judging) {
    this.session = session
    this.publisher = session.publisher
    this.#router = router
    this.#judging = judging
  }

  get(name: string): PublishTopic {
    this.#topics ??= new Map()
    let topic = this.#topics.get(name)
    if (topic === undefined) {
      if (this.#topics.size >= REMEMBERED) this.#topics.clear()
      topic = new PublishTopic(name, this.session, this.#router, this.#judging)
      if (name.length <= LONGEST_REMEMBERED) this.#topics.set(name, topic)
    }
    return topic
  }
}

export class PublishTopic {
  readonly name: string
  /** A topic name, and not one of the broker's own (`$...`). */
  readonly isOrdinary: boolean
  readonly #session: Session
  readonly #router: Router
  readonly #judging: Judging
  /** By QoS, and again for RETAIN. */
  readonly #decisions: (KeptDecision | undefined)[] = []
  #route: Route | null = null

  constructor(name: string, session: Session, router: Router, judging: Judging) {
    this.name = name
    this.isOrdinary = isTopicName(name) && !name.startsWith('$')
    this.#session = session
    this.#router = router
    this.#judging = judging
  }

  /** For a first look: a refusal is asked for with `decide`, at once. */
  permits(qos: 0 | 1 | 2): boolean {
    return this.#kept(qos, false).permits(this.#session.rights, this.#judging)
  }

  decide(qos: 0 | 1 | 2, retain: boolean): Decision {
    return this.#kept(qos, retain).of(this.#session.rights, this.#judging)
  }

  #kept(qos: 0 | 1 | 2, retain: boolean): KeptDecision {
    const at = retain ? qos + 3 : qos
    let kept = this.#decisions[at]
    if (kept === undefined) {
      kept = new KeptDecision({ action: 'publish', target: this.name, qos, retain })
      this.#decisions[at] = kept
    }
    return kept
  }

  get route(): Route {
    if (this.#route === null || !this.#router.holds(this.#route)) this.#route = this.#router.route(this.name)
    return this.#route
  }
}
