import type { Duplex } from 'node:stream'
import type { Transport } from '../model/transport.ts'

/** A connection whose TLS and WebSocket handshakes are over, and what they showed. Nobody has judged it yet. */
export interface PeerSocket {
  /**
   * Bytes of the protocol: a `net.Socket`, a `tls.TLSSocket`, or a WebSocket as a stream. It has an `error` listener
   * already.
   */
  readonly stream: Duplex
  readonly transport: Transport
  /** Remote address without port. */
  readonly address: string
  /** The peer's certificate and what it sent along, DER, leaf first; the leaf also when a TLS session was resumed. */
  readonly certificates: readonly Buffer[]
  /**
   * The identity whose key this very handshake proved; null without PSK. The empty string, which `auth` refuses as
   * `psk-without-identity`, when TLS was resumed from a PSK session without showing an identity, or when that identity
   * has another key by now: read it when the peer is judged, not before.
   */
  readonly pskIdentity: string | null
  /**
   * To be called once the peer was let in. Until then the connection counts as waiting (`AdmissionLimits`), gives way
   * when there is no room left, and may send no more than `maximumEarlyBytes` over WebSocket.
   */
  admitted(): void
  /** What the handshake showed is judged and will not be asked for again. */
  forget(): void
}

/** Bounds on one connection until it reaches `onPeer`. */
export interface ListenerLimits {
  /** Milliseconds for TLS and WebSocket handshakes together. */
  readonly openingTimeout: number
  /** Bytes of one WebSocket message, all fragments together. */
  readonly maximumWebSocketMessage: number
  /** Bytes that a peer may send over WebSocket before it is admitted, its HTTP request included. */
  readonly maximumEarlyBytes: number
  /** Bytes of the HTTP request that asks for a WebSocket. */
  readonly maximumHeaderBytes: number
  /** Milliseconds a WebSocket peer has to answer a closing handshake. */
  readonly closingTimeout: number
  /** Milliseconds of silence before TCP asks whether the peer is still there. */
  readonly tcpKeepAlive: number
}

export const LISTENER_LIMITS: ListenerLimits = {
  openingTimeout: 10_000,
  maximumWebSocketMessage: 1024 * 1024,
  maximumEarlyBytes: 256 * 1024,
  maximumHeaderBytes: 8 * 1024,
  closingTimeout: 5_000,
  tcpKeepAlive: 60_000,
}

/** What a TLS handshake showed of the peer. */
export type ChannelProof = Pick<PeerSocket, 'certificates' | 'pskIdentity'>
