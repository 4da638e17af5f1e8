// What the gate of every connection shares, and what it asks of other rooms.
import type { Bus } from '../bus/bus.ts'
import type { Judge } from '../bus/judging.ts'
import type { Clock, Random } from '../model/clock.ts'
import type { Evidence } from '../model/evidence.ts'
import type { FailureCode } from '../model/failure.ts'
import type { Log } from '../model/log.ts'
import type { Meter } from '../model/meter.ts'
import type { Principal } from '../model/principal.ts'
import type { Transport } from '../model/transport.ts'
import type { MqttLimits } from './limits.ts'
import type { SessionEngine } from './session-engine.ts'
import type { WriteTurn } from './write-turn.ts'

/** A connection as others see it: who is on it, and how to end it. */
export interface LiveSession {
  readonly id: string
  readonly principal: Principal
  readonly clientId: string | null
  readonly since: number
  /** Nothing is written to the peer after it but its goodbye. */
  end(failure: FailureCode): void
  /** The same identity with a fresh subject, or another policy. */
  accessChanged(principal: Principal): void
}

/** What the gate asks of `access`. */
export interface GateAccess extends Judge {
  readonly sessions: {
    /** Throws when what the principal was admitted by does not hold any more. */
    register(session: LiveSession): void
    remove(session: LiveSession): void
  }
}

/** What the gate asks of `auth`. */
export interface Door {
  /** Throws a Failure when the evidence does not prove an identity. */
  authenticate(evidence: Evidence): Promise<Principal>
  /** Enhanced authentication (MQTT 5, 4.12). Throws `authentication-method` for a method it does not know. */
  begin(evidence: Evidence, method: string): Exchange | Promise<Exchange>
  admitsClientId(principal: Principal, clientId: string): boolean
  /** For an empty client identifier. */
  assignClientId(principal: Principal, random: Random): string
}

/** An enhanced authentication under way. */
export interface Exchange {
  step(data: Buffer | null): Promise<ExchangeStep>
}

export interface ExchangeStep {
  readonly state: 'continue' | 'done'
  /** For the client. */
  readonly data: Buffer | null
  /** Once done. */
  readonly principal?: Principal
}

/** For the audit trail. */
export interface SessionEvent {
  readonly type: 'session-start' | 'session-end'
  readonly session: string
  readonly principal: string | null
  readonly transport: Transport
  readonly address: string
  readonly clientId: string | null
  /** Why it was ended; null at the start and when the client left. */
  readonly failure: FailureCode | null
}

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
  readonly turn: WriteTurn
  readonly recordSession: (event: SessionEvent) => void
}
