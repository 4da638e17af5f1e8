import type { Decision } from '../model/decision.ts'
import { type Judging, KeptDecision } from './judging.ts'
import type { Session } from './session.ts'

/** What a subscriber asks for beside the filter (MQTT 5, 3.8.3.1). */
export interface SubscriptionOptions {
  /** As granted. */
  readonly qos: 0 | 1 | 2
  readonly noLocal: boolean
  readonly retainAsPublished: boolean
  /** Subscription Identifier; null without one. */
  readonly identifier: number | null
}

export class Subscription implements SubscriptionOptions {
  readonly session: Session
  /** As subscribed, `$share/...` included. */
  readonly name: string
  readonly filter: string
  /** Of a shared subscription: its share name. */
  readonly group: string | null
  readonly qos: 0 | 1 | 2
  readonly noLocal: boolean
  readonly retainAsPublished: boolean
  readonly identifier: number | null
  readonly #kept: KeptDecision

  constructor(
    session: Session,
    name: string,
    place: { filter: string; group: string | null },
    options: SubscriptionOptions,
  ) {
    this.session = session
    this.name = name
    this.filter = place.filter
    this.group = place.group
    this.qos = options.qos
    this.noLocal = options.noLocal
    this.retainAsPublished = options.retainAsPublished
    this.identifier = options.identifier
    this.#kept = new KeptDecision({ action: 'subscribe', target: place.filter, qos: options.qos })
  }

  /** Whether its owner may have it now: a subscription is not permitted once for ever. */
  judged(judging: Judging): Decision {
    return this.#kept.of(this.session.rights, judging)
  }
}
