import type { Connection } from './connection.ts'
import { pages } from './pages.ts'
import type { Client, ClientInput, ClientPatch, Page, PageQuery } from './types.ts'

const PATH = '/v1/clients'

/** Services and operators. Needs `clients:read` or `clients:write`. */
export class Clients {
  readonly #connection: Connection

  constructor(connection: Connection) {
    this.#connection = connection
  }

  list(query: PageQuery = {}): Promise<Page<Client>> {
    return this.#connection.json({ method: 'GET', path: PATH, query: { ...query } })
  }

  /** Every client, page by page. */
  all(): AsyncGenerator<Client> {
    return pages(page => this.list(page))
  }

  get(id: string): Promise<Client> {
    return this.#connection.json({ method: 'GET', path: `${PATH}/${encodeURIComponent(id)}` })
  }

  create(input: ClientInput): Promise<Client> {
    return this.#connection.json({ method: 'POST', path: PATH, body: input })
  }

  update(id: string, patch: ClientPatch): Promise<Client> {
    return this.#connection.json({ method: 'PATCH', path: `${PATH}/${encodeURIComponent(id)}`, body: patch })
  }

  /** Its credentials are revoked and its sessions have ended when this resolves. */
  remove(id: string): Promise<void> {
    return this.#connection.json({ method: 'DELETE', path: `${PATH}/${encodeURIComponent(id)}` })
  }

  suspend(id: string): Promise<Client> {
    return this.#connection.json({ method: 'POST', path: `${PATH}/${encodeURIComponent(id)}/suspend` })
  }

  resume(id: string): Promise<Client> {
    return this.#connection.json({ method: 'POST', path: `${PATH}/${encodeURIComponent(id)}/resume` })
  }
}
