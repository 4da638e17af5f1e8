// What an observation is told when it begins, and what it needs from around it.
import type { Subscription } from '../bus/subscription.ts'
import type { Clock } from '../model/clock.ts'
import type { Meter } from '../model/meter.ts'
import type { EventBodies } from './event-bodies.ts'
import type { Observation } from './observation.ts'
import type { Form, Notices } from './representation.ts'
import type { Peer } from './resource.ts'

export interface ObservationTerms {
  readonly peer: Peer
  /** Of the request: all notifications bear it. */
  readonly token: Buffer
  /** The filter as asked for, `$share/...` included. */
  readonly name: string
  readonly form: Form
  /** Content-Format that was asked for; null: any. */
  readonly accept: number | null
  /** Of the largest blocks that notifications may have. */
  readonly sizeExponent: number
}

export interface ObservationParts {
  readonly notices: Notices
  readonly events: EventBodies
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
  /** Somebody is there. */
  heard(peer: Peer): void
  /** Nobody acknowledges there any more. */
  lost(peer: Peer): void
}

/** What ends an observation, as the meter counts it. */
export type Ending = 'cancelled' | 'replaced' | 'reset' | 'timeout' | 'gone' | 'format' | 'denied' | 'ended'
