import type { FailureCode } from '../model/failure.ts'
import type { Transport } from '../model/transport.ts'

/** Somebody came or went, for the audit trail. */
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
