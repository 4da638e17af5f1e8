import type { Connection } from './connection.ts'
import { pages } from './pages.ts'
import type { Device, DeviceInput, DevicePatch, DeviceType, DeviceTypeInput, Page, PageQuery } from './types.ts'

const PATH = '/v1/devices'

/** Devices. Needs `devices:read` or `devices:write`. */
export class Devices {
  readonly #connection: Connection

  constructor(connection: Connection) {
    this.#connection = connection
  }

  list(query: PageQuery & { readonly type?: string | undefined } = {}): Promise<Page<Device>> {
    return this.#connection.json({ method: 'GET', path: PATH, query: { ...query } })
  }

  /** Every device, page by page. */
  all(query: { readonly type?: string | undefined } = {}): AsyncGenerator<Device> {
    return pages(page => this.list({ ...query, ...page }))
  }

  get(id: string): Promise<Device> {
    return this.#connection.json({ method: 'GET', path: `${PATH}/${encodeURIComponent(id)}` })
  }

  create(input: DeviceInput): Promise<Device> {
    return this.#connection.json({ method: 'POST', path: PATH, body: input })
  }

  update(id: string, patch: DevicePatch): Promise<Device> {
    return this.#connection.json({ method: 'PATCH', path: `${PATH}/${encodeURIComponent(id)}`, body: patch })
  }

  /** Its credentials are revoked and its sessions have ended when this resolves. */
  remove(id: string): Promise<void> {
    return this.#connection.json({ method: 'DELETE', path: `${PATH}/${encodeURIComponent(id)}` })
  }

  /** Shuts it out until it is resumed; its sessions have ended when this resolves. */
  suspend(id: string): Promise<Device> {
    return this.#connection.json({ method: 'POST', path: `${PATH}/${encodeURIComponent(id)}/suspend` })
  }

  resume(id: string): Promise<Device> {
    return this.#connection.json({ method: 'POST', path: `${PATH}/${encodeURIComponent(id)}/resume` })
  }
}

/** Device types. Needs `devices:read` or `devices:write`. */
export class DeviceTypes {
  readonly #connection: Connection

  constructor(connection: Connection) {
    this.#connection = connection
  }

  list(query: PageQuery = {}): Promise<Page<DeviceType>> {
    return this.#connection.json({ method: 'GET', path: '/v1/device-types', query: { ...query } })
  }

  all(): AsyncGenerator<DeviceType> {
    return pages(page => this.list(page))
  }

  get(id: string): Promise<DeviceType> {
    return this.#connection.json({ method: 'GET', path: `/v1/device-types/${encodeURIComponent(id)}` })
  }

  /** Makes it, or replaces it. */
  put(id: string, input: DeviceTypeInput): Promise<DeviceType> {
    return this.#connection.json({ method: 'PUT', path: `/v1/device-types/${encodeURIComponent(id)}`, body: input })
  }
}
