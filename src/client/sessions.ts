import type { Session } from './activity-types.ts'
import type { Connection } from './connection.ts'
import { pages } from './pages.ts'
import type { Page, PageQuery } from './types.ts'

/** Who is connected now. Needs `sessions:read` or `sessions:write`. */
export class Sessions {
  readonly #connection: Connection

  constructor(connection: Connection) {
    this.#connection = connection
  }

  list(query: PageQuery & { readonly principal?: string | undefined } = {}): Promise<Page<Session>> {
    return this.#connection.json({ method: 'GET', path: '/v1/sessions', query: { ...query } })
  }

  all(query: { readonly principal?: string | undefined } = {}): AsyncGenerator<Session> {
    return pages(page => this.list({ ...query, ...page }))
  }

  /** Ends it now; the device may come back, unless it is suspended too. */
  end(id: string): Promise<void> {
    return this.#connection.json({ method: 'DELETE', path: `/v1/sessions/${encodeURIComponent(id)}` })
  }
}
