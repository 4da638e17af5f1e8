import type { Connection } from './connection.ts'
import type { CertificateAuthorities } from './token-types.ts'

/** The certificate authority. */
export class Ca {
  readonly #connection: Connection

  constructor(connection: Connection) {
    this.#connection = connection
  }

  /** Needs `ca:read`. */
  get(): Promise<CertificateAuthorities> {
    return this.#connection.json({ method: 'GET', path: '/v1/ca' })
  }

  /** PEM; public. */
  rootPem(): Promise<string> {
    return this.#connection.text({ method: 'GET', path: '/v1/ca/root.pem' })
  }

  /** The revocation list of an authority, DER; public. */
  crl(authority: string): Promise<Buffer> {
    return this.#connection.bytes({ method: 'GET', path: `/crl/${encodeURIComponent(authority)}.crl` })
  }
}
