// What the gate of every connection shares, and what it asks of other rooms.
import type { Access } from '../access/access.ts'
import type { SessionEvent } from '../access/session-event.ts'
import type { Authenticator } from '../auth/authenticator.ts'
import type { Bus } from '../bus/bus.ts'
import type { Clock, Random } from '../model/clock.ts'
import type { Log } from '../model/log.ts'
import type { Meter } from '../model/meter.ts'
import type { MqttLimits } from './limits.ts'
import type { Reception } from './reception.ts'
import type { SessionEngine } from './session-engine.ts'
import type { CountedTurn } from './traffic.ts'

/** What the gate asks of `access`. */
export type GateAccess = Pick<Access, 'epoch' | 'rights'> & {
  readonly sessions: Pick<Access['sessions'], 'register' | 'remove' | 'renew'>
}

/** What the gate asks of `auth`. */
export type Door = Pick<Authenticator, 'authenticate' | 'begin' | 'admitsClientId' | 'assignClientId'>

export interface GateContext {
  readonly bus: Bus
  readonly access: GateAccess
  readonly door: Door
  readonly engine: SessionEngine
  readonly clock: Clock
  readonly random: Random
  readonly meter: Meter
  readonly log: Log
  readonly limits: MqttLimits
  readonly turn: CountedTurn
  readonly reception: Reception
  /** Where clients that ask can have answers; see `responseInformationFor`. */
  readonly responseInformation?: string
  readonly recordSession: (event: SessionEvent) => void
}
