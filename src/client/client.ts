// The client of Latchkey's HTTP API, for the command line and for users of the package.
import { AuditTrail } from './audit-trail.ts'
import { Ca } from './ca.ts'
import { Clients } from './clients.ts'
import { Connection, type ConnectionOptions } from './connection.ts'
import { Credentials } from './credentials.ts'
import { Devices, DeviceTypes } from './devices.ts'
import { Enrolments } from './enrolments.ts'
import { Messages } from './messages.ts'
import { Policies } from './policies.ts'
import type { ApplyPlan } from './policy-types.ts'
import { Sessions } from './sessions.ts'
import { Tokens } from './tokens.ts'
import type { TextFile } from './types.ts'

export type * from './activity-types.ts'
export { ApiError } from './api-error.ts'
export type { ConnectionOptions as LatchkeyClientOptions } from './connection.ts'
export type * from './policy-types.ts'
export type * from './token-types.ts'
export type * from './types.ts'

/**
 * Talks to a broker's https listener. Every method is one request on a connection of its own and throws `ApiError` when
 * the broker refuses, does not answer in time or cannot be reached.
 *
 * ```ts
 * const latchkey = new LatchkeyClient({ url: 'https://localhost:8443', token, ca })
 * await latchkey.devices.create({ id: 'kettle-1', type: 'kettle', attributes: { room: 'kitchen' } })
 * const { secret } = await latchkey.credentials.issue({ owner: 'kettle-1', kind: 'secret' })
 * ```
 */
export class LatchkeyClient {
  readonly devices: Devices
  readonly deviceTypes: DeviceTypes
  readonly clients: Clients
  readonly credentials: Credentials
  readonly enrolments: Enrolments
  readonly policies: Policies
  readonly audit: AuditTrail
  readonly sessions: Sessions
  readonly messages: Messages
  readonly tokens: Tokens
  readonly ca: Ca
  readonly #connection: Connection

  constructor(options: ConnectionOptions) {
    const connection = new Connection(options)
    this.#connection = connection
    this.devices = new Devices(connection)
    this.deviceTypes = new DeviceTypes(connection)
    this.clients = new Clients(connection)
    this.credentials = new Credentials(connection)
    this.enrolments = new Enrolments(connection)
    this.policies = new Policies(connection)
    this.audit = new AuditTrail(connection)
    this.sessions = new Sessions(connection)
    this.messages = new Messages(connection)
    this.tokens = new Tokens(connection)
    this.ca = new Ca(connection)
  }

  /**
   * Makes devices, types, clients and policies as these files describe them, all or nothing; what they do not name stays.
   * `dryRun` only answers with the plan.
   */
  apply(files: readonly TextFile[], options: { readonly dryRun?: boolean } = {}): Promise<ApplyPlan> {
    return this.#connection.json({ method: 'POST', path: '/v1/apply', body: { files, ...options } })
  }

  /** Whether the broker wants work. Throws `ApiError` only when it cannot be reached or does not answer as one. */
  async ready(): Promise<boolean> {
    try {
      await this.#connection.send({ method: 'GET', path: '/readyz', authorization: null })
      return true
    } catch (error) {
      if (error instanceof Error && 'status' in error && error.status === 503) return false
      throw error
    }
  }

  /** Prometheus text. */
  metrics(): Promise<string> {
    return this.#connection.text({ method: 'GET', path: '/metrics' })
  }

  /** The OpenAPI document of this API. */
  openApi(): Promise<Record<string, unknown>> {
    return this.#connection.json({ method: 'GET', path: '/openapi.json', authorization: null })
  }
}
