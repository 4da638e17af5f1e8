/** Every bound on CoAP over TCP, TLS and WebSocket (RFC 8323), beside those that all peers have. */
export interface StreamLimits {
  /** Bytes of one message; told as Max-Message-Size (RFC 8323 5.3.1). */
  readonly streamMessageBytes: number
  /** The same until somebody has been let in by the connection. */
  readonly earlyMessageBytes: number
  /** Bytes of a token (RFC 8974). */
  readonly tokenBytes: number
  /** Requests of one connection that are being answered; beyond it the connection is not read. */
  readonly requestsInFlight: number
  /** Bytes that wait for one reader; beyond it notifications of QoS 0 are dropped and its requests are not read. */
  readonly backlogBytes: number
  /** The same of all connections together. */
  readonly totalBacklogBytes: number
  /** Bytes of messages that have not come as a whole, of all connections together. */
  readonly unreadBytes: number

  /** Milliseconds from the open connection to the peer's CSM (RFC 8323 5.3). */
  readonly csmTimeout: number
  /** Seconds of silence after which the peer is asked whether it is there (RFC 8323 5.4). */
  readonly pingAfter: number
  /** Seconds that it has to answer. */
  readonly pongTimeout: number
  /** Seconds without a request after which a connection by which nobody was let in is closed. */
  readonly strangerIdle: number
  /** Milliseconds a peer has to take the last words. */
  readonly lingerTimeout: number

  readonly connections: number
  /** From one address (IPv6: one /64). */
  readonly connectionsPerAddress: number
  /** Those by which nobody was let in yet. */
  readonly connectionsWaiting: number
  readonly connectionsWaitingPerAddress: number
  /** Milliseconds after which one that still waits gives way to a newcomer when there is no room. */
  readonly connectionGrace: number
}

export const STREAM_LIMITS: StreamLimits = {
  streamMessageBytes: 1_052_672,
  earlyMessageBytes: 16_384,
  tokenBytes: 64,
  requestsInFlight: 64,
  backlogBytes: 1_048_576,
  totalBacklogBytes: 134_217_728,
  unreadBytes: 67_108_864,
  csmTimeout: 10_000,
  pingAfter: 240,
  pongTimeout: 30,
  strangerIdle: 60,
  lingerTimeout: 2_000,
  connections: 20_000,
  connectionsPerAddress: 4_096,
  connectionsWaiting: 2_000,
  connectionsWaitingPerAddress: 500,
  connectionGrace: 2_000,
}
