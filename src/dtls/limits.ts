// Every bound of DTLS with its default.

export interface DtlsLimits {
  /** Octets of a UDP payload: IPv6's least link MTU less its headers. 256 to 16384. */
  readonly mtu: number
  /** Milliseconds before a flight is repeated for the first time; doubles (RFC 6347 4.2.4.1). 20 to 60000. */
  readonly retransmit: number
  /** Milliseconds that a handshake may take. */
  readonly handshakeTimeout: number
  /** Octets of one handshake message, which OpenSSL reassembles before the peer has proved anything. */
  readonly maximumHandshakeMessage: number
}

export interface DtlsServerLimits extends DtlsLimits {
  /** Sessions in all, those in their handshake included. */
  readonly sessions: number
  /** Handshakes under way, past the cookie. */
  readonly pending: number
  readonly pendingPerAddress: number
  /** Milliseconds of silence after which a session may be ended when a newcomer finds no room. */
  readonly evictAfter: number
  /** Milliseconds that a cookie secret is used; its cookies hold for as long again. */
  readonly cookieLifetime: number
  /** Seconds that a ticket holds. */
  readonly ticketLifetime: number
}

export const DTLS_LIMITS: DtlsLimits = {
  mtu: 1232,
  retransmit: 1000,
  handshakeTimeout: 30_000,
  maximumHandshakeMessage: 16_384,
}

export const DTLS_SERVER_LIMITS: DtlsServerLimits = {
  ...DTLS_LIMITS,
  sessions: 10_000,
  pending: 1_000,
  pendingPerAddress: 100,
  evictAfter: 60_000,
  cookieLifetime: 60_000,
  ticketLifetime: 3_600,
}
