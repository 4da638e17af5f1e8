import type { Transport } from './transport.ts'

/** What a transport saw of a peer, before anybody judged it. Only `auth` turns it into a Principal. */
export interface Evidence {
  readonly transport: Transport
  /** Remote address without port, for the limiter and the audit trail. */
  readonly address: string
  /** MQTT client identifier; null where the protocol has none. An empty one asks for an assigned identifier. */
  readonly clientId: string | null
  /** The peer's certificate and what it sent along, DER, leaf first. Not yet verified, whatever TLS said. */
  readonly certificates: readonly Buffer[]
  /** Identity whose pre-shared key this TLS or DTLS handshake proved; null without PSK. */
  readonly pskIdentity: string | null
  readonly username: string | null
  readonly password: Buffer | null
  /** Authentication Data of the method `JWT` (MQTT 5, 4.12), null when none came; absent without that method. */
  readonly token?: Buffer | null
  /** Id of the credential whose OSCORE context (RFC 8613) verified what was asked; absent without OSCORE. */
  readonly oscore?: string
}
