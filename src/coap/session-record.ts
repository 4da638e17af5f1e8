// Begin and end of a session, for the audit trail and the log.
import type { SessionEvent } from '../access/session-event.ts'
import type { FailureCode } from '../model/failure.ts'
import { printable } from '../model/printable.ts'
import type { Endpoint } from './endpoint.ts'
import type { CoapServerParts } from './server-parts.ts'
import type { CoapSession } from './session.ts'

export interface SessionMoment {
  readonly type: SessionEvent['type']
  readonly session: CoapSession
  /** Whom it was opened by. */
  readonly endpoint: Endpoint
  readonly failure: FailureCode | null
}

export function recordSession(
  { recordSession: record, log }: Pick<CoapServerParts, 'recordSession' | 'log'>,
  { type, session, endpoint, failure }: SessionMoment,
): void {
  const { transport, address } = endpoint
  const { kind, id } = session.principal.subject
  const { clientId } = session
  const principal = kind === 'anonymous' ? null : id
  record({ type, session: session.id, principal, transport, address, clientId, failure })
  const fields = { principal: id, client: printable(clientId ?? ''), transport, address, failure }
  // Whoever invents addresses must not fill the log.
  if (kind === 'anonymous') log.debug(fields, type)
  else log.info(fields, type)
}
