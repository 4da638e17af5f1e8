// What protocols tell about their sessions: they know `access`, and not the audit trail that keeps it.
export type { SessionEvent } from '../audit/events.ts'
