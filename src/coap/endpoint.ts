import type { Principal } from '../model/principal.ts'

export type CoapTransport = 'coap' | 'coaps' | 'coap+tcp' | 'coaps+tcp'

/** Where datagrams or frames of one peer come from and go to: a UDP address now; a DTLS session, a TCP connection later. */
export interface Endpoint {
  /** Unlike that of any other endpoint, also after this one is gone. */
  readonly sessionId: string
  readonly transport: CoapTransport
  /** Remote address without port, for the limiter and the audit trail. */
  readonly address: string
  /** Whom the channel itself proved; null on plain UDP, where sessions are opened by token. */
  readonly principal: Principal | null
  /** No message ids, acknowledgements and retransmission (RFC 8323). */
  readonly reliable: boolean
  send(bytes: Buffer): void
}
