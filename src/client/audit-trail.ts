import type { AuditQuery, AuditRecord, Verification } from './activity-types.ts'
import type { Connection } from './connection.ts'
import type { Page } from './types.ts'

/** The audit trail. Needs `audit:read`. */
export class AuditTrail {
  readonly #connection: Connection

  constructor(connection: Connection) {
    this.#connection = connection
  }

  list(query: AuditQuery = {}): Promise<Page<AuditRecord>> {
    return this.#connection.json({ method: 'GET', path: '/v1/audit', query: { ...query } })
  }

  get(id: number): Promise<AuditRecord> {
    return this.#connection.json({ method: 'GET', path: `/v1/audit/${id}` })
  }

  /** Walks the whole hash chain. */
  verify(): Promise<Verification> {
    return this.#connection.json({ method: 'GET', path: '/v1/audit/verify' })
  }
}
