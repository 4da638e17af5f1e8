import type { Connection } from './connection.ts'
import type { AccessToken, Introspection, SigningKey, TokenInput } from './token-types.ts'
import type { Page } from './types.ts'

/** The token server (RFC 6749 4.4, RFC 7009, RFC 7662). */
export class Tokens {
  readonly #connection: Connection

  constructor(connection: Connection) {
    this.#connection = connection
  }

  /** An access token for a registered client. The client authenticates itself, not this object's token. */
  request({ clientId, clientSecret, scope, authMethod = 'client_secret_basic' }: TokenInput): Promise<AccessToken> {
    const form = { grant_type: 'client_credentials', scope: scope?.join(' ') }
    const basic = Buffer.from(`${formEncoded(clientId)}:${formEncoded(clientSecret)}`).toString('base64')
    return this.#connection.json({
      method: 'POST',
      path: '/oauth2/token',
      ...(authMethod === 'client_secret_basic'
        ? { form, authorization: `Basic ${basic}` }
        : { form: { ...form, client_id: clientId, client_secret: clientSecret }, authorization: null }),
    })
  }

  /** Is this access token good, and whose is it? Needs `credentials:read`. */
  introspect(token: string): Promise<Introspection> {
    return this.#connection.json({ method: 'POST', path: '/oauth2/introspect', form: { token } })
  }

  /** Denies an access token from now on; its sessions have ended when this resolves. Needs `credentials:write`. */
  revoke(token: string): Promise<void> {
    return this.#connection.json({ method: 'POST', path: '/oauth2/revoke', form: { token } })
  }

  /** Signing keys, without their private halves. Needs `keys:read`. */
  async keys(): Promise<readonly SigningKey[]> {
    const { items } = await this.#connection.json<Page<SigningKey>>({ method: 'GET', path: '/v1/keys' })
    return items
  }

  /** Publishes the next key; it signs from `signsFrom`, and tokens signed before stay good. Needs `keys:write`. */
  rotateKeys(): Promise<SigningKey> {
    return this.#connection.json({ method: 'POST', path: '/v1/keys/rotate' })
  }
}

/** RFC 6749 2.3.1: identifier and secret are form-encoded before they are joined. */
const formEncoded = (text: string): string => new URLSearchParams({ '': text }).toString().slice(1)
