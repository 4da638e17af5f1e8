// The surface of native/dtls as TypeScript sees it; only this room knows it.

/** What a step of a session brought about, as bits. */
export const STEP = { opened: 1, closedByPeer: 2, failed: 4, datagrams: 8, plaintext: 16 } as const

export interface NativeEvidence {
  /** OpenSSL's name; absent before a suite is chosen. */
  readonly suite?: string
  /** Pre-shared key identity as it came, proved or only claimed so far. */
  readonly identity?: Buffer
  /** Nobody has this identity; the handshake goes on with a key that nobody has. */
  readonly unknown: boolean
  readonly resumed: boolean
  /** DER, the peer's own first; of a resumed session the peer's own alone. */
  readonly chain: readonly Buffer[]
  /** Octets that one record may carry. */
  readonly maximumPayload: number
}

export interface NativeSession {
  /** Goes on with what is inside. Answers, as `receive` and `handleTimeout` do, with bits of STEP. */
  proceed(): number
  receive(datagram: Buffer): number
  /** Milliseconds until `handleTimeout` is due; negative when nothing waits. */
  timeout(): number
  handleTimeout(): number
  /** Taken once. */
  datagrams(): Buffer[]
  plaintexts(): Buffer[]
  /** One record as one datagram; throws when it does not fit or the session is not open. */
  write(payload: Buffer): Buffer | undefined
  /** The goodbye, if there is anybody to say it to. */
  shutdown(): Buffer[]
  evidence(): NativeEvidence
  /** Of the last failure, for the operator. */
  error(): string
  /** A client's session for later; holds secrets. */
  savedSession(): Buffer | undefined
  /** Idempotent; from inside a callback it waits until OpenSSL is done. */
  destroy(): void
}

export interface NativeOptions {
  readonly server: boolean
  /** Server: the key of an identity. */
  readonly keyOf?: (identity: Buffer) => Buffer | undefined
  /** Server: whether a session that was proved before may be taken up again. Without it there are no tickets. */
  readonly mayResume?: (identity: Buffer | undefined, certificate: Buffer | undefined) => boolean
  /** 0: the peer's certificate is not asked for, 1: checked when shown, 2: demanded. */
  readonly verify: 0 | 1 | 2
  readonly suites: string
  readonly groups: string
  readonly mtu: number
  readonly retransmit: number
  readonly ticketLifetime?: number
  readonly maximumHandshakeMessage: number
  readonly certificate?: string
  readonly privateKey?: string
  readonly authorities?: string
  readonly revoked?: string
  /** Client: who it is, and its key. */
  readonly identity?: string
  readonly key?: Buffer
}

export interface NativeContext {
  listen(hello: Buffer, peer: string): NativeSession | Buffer | undefined
  connect(name: string, saved: Buffer | undefined): NativeSession
  setCertificate(chain: string, privateKey: string): void
  setAuthorities(authorities: string, revoked: string | undefined): void
  rotateCookies(): void
  rotateTickets(): void
}

export interface Addon {
  readonly Context: new (options: NativeOptions) => NativeContext
  /** The OpenSSL it runs on. */
  readonly openssl: string
}
