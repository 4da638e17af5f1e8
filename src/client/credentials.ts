import type { Connection } from './connection.ts'
import { pages } from './pages.ts'
import type { Credential, IssuedCredential, IssueInput, Page, PageQuery, RotateInput } from './types.ts'

const PATH = '/v1/credentials'

/** Credentials. Needs `credentials:read` or `credentials:write`. */
export class Credentials {
  readonly #connection: Connection

  constructor(connection: Connection) {
    this.#connection = connection
  }

  /** Revoked and expired ones among them. */
  list(query: PageQuery & { readonly owner?: string | undefined } = {}): Promise<Page<Credential>> {
    return this.#connection.json({ method: 'GET', path: PATH, query: { ...query } })
  }

  all(query: { readonly owner?: string | undefined } = {}): AsyncGenerator<Credential> {
    return pages(page => this.list({ ...query, ...page }))
  }

  get(id: string): Promise<Credential> {
    return this.#connection.json({ method: 'GET', path: `${PATH}/${encodeURIComponent(id)}` })
  }

  /** Secrets and private keys are in this answer and nowhere else. */
  issue(input: IssueInput): Promise<IssuedCredential> {
    return this.#connection.json({ method: 'POST', path: PATH, body: input })
  }

  /** Sessions that hang on it have ended when this resolves. */
  revoke(id: string, reason: string): Promise<Credential> {
    return this.#connection.json({ method: 'POST', path: `${PATH}/${encodeURIComponent(id)}/revoke`, body: { reason } })
  }

  /** Secrets, pre-shared keys and OSCORE contexts: the next one now, the old one ends after the overlap. */
  rotate(id: string, input: RotateInput = {}): Promise<IssuedCredential> {
    return this.#connection.json({ method: 'POST', path: `${PATH}/${encodeURIComponent(id)}/rotate`, body: input })
  }
}
