import type { Evidence } from '../model/evidence.ts'

export type CoapTransport = 'coap' | 'coaps' | 'coap+tcp' | 'coaps+tcp' | 'coap+ws' | 'coaps+ws'

/** What a channel's handshake has shown; nothing on plain UDP and TCP. */
export type Shown = Pick<Evidence, 'certificates' | 'pskIdentity'> & {
  /** The credential whose OSCORE context verified the message. */
  readonly oscore?: string
}

export const NOTHING_SHOWN: Shown = { certificates: [], pskIdentity: null }

export const hasShown = ({ certificates, pskIdentity, oscore }: Shown): boolean =>
  certificates.length > 0 || pskIdentity !== null || oscore !== undefined

/** Where datagrams or frames of one peer come from and go to: a UDP address, a DTLS session, a TCP connection. */
export interface Endpoint {
  /** Unlike that of any other endpoint, also after this one is gone. */
  readonly sessionId: string
  readonly transport: CoapTransport
  /** Remote address without port, for the limiter and the audit trail. */
  readonly address: string
  /** For the door; NOTHING_SHOWN on a plain channel. */
  readonly shown: Shown
  /** No message ids, acknowledgements and retransmission (RFC 8323). */
  readonly reliable: boolean
  /** Bytes of the longest message that fits through; absent where the limits alone bound it. */
  readonly largestMessage?: number
  /** It takes blocks of several times 1024 bytes (RFC 8323 6). */
  readonly speaksBert?: boolean
  send(bytes: Buffer): void
  /** Ends the channel: whoever it proved may speak no more. Does nothing on plain UDP. */
  close(): void
}
