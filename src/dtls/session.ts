// A session as its owner sees it: evidence when it opens, payloads in and out, an end with a reason. It turns what the addon
// answers into events and runs the timers that the addon asks for.
import { type NativeSession, STEP } from './addon.ts'
import { readIdentity } from './identity.ts'
import type { Timers } from './timers.ts'

/** Where a peer is. */
export interface Peer {
  readonly address: string
  readonly port: number
}

/** What a peer has proved in its handshake. */
export interface DtlsEvidence {
  /** OpenSSL's name of the cipher suite. */
  readonly suite: string
  /** Pre-shared key identity. */
  readonly identity: string | undefined
  /** DER, the peer's own certificate first; of a resumed session the peer's own alone. Empty without certificates. */
  readonly chain: readonly Buffer[]
  /** Proved in an earlier session, whose ticket was taken. */
  readonly resumed: boolean
}

/** `local`: we closed it. `peer`: it did. `replaced`: it has a newer session, `superseded`: began a newer handshake. */
export type EndReason = 'local' | 'peer' | 'failed' | 'timeout' | 'replaced' | 'superseded' | 'evicted'

export interface DtlsEnd {
  readonly reason: EndReason
  /** Whether it ended before it was open. */
  readonly inHandshake: boolean
  /** For the operator: what OpenSSL says of a failure. */
  readonly error: string | undefined
  /** Identity that was claimed, for the operator's log: a wrong key shows as nothing but a handshake that times out. */
  readonly claimed: string | undefined
  /** Nobody has the claimed identity. */
  readonly unknown: boolean
}

export interface SessionEvents {
  send(datagram: Buffer): void
  opened(): void
  message(payload: Buffer): void
  ended(end: DtlsEnd): void
}

export interface SessionParts {
  readonly native: NativeSession
  readonly peer: Peer
  readonly events: SessionEvents
  readonly timers: Timers
  /** Milliseconds. */
  readonly handshakeTimeout: number
}

export class DtlsSession {
  readonly peer: Peer
  readonly #native: NativeSession
  readonly #events: SessionEvents
  readonly #timers: Timers
  #state: 'handshake' | 'open' | 'ended' = 'handshake'
  #evidence: DtlsEvidence | undefined
  #maximumPayload = 0
  #cancelRetransmission: (() => void) | undefined
  #cancelDeadline: (() => void) | undefined
  /** OpenSSL is at work and may have called out: an end has to wait. */
  #busy = false
  #endAfterwards: EndReason | undefined

  constructor({ native, peer, events, timers, handshakeTimeout }: SessionParts) {
    this.#native = native
    this.peer = peer
    this.#events = events
    this.#timers = timers
    this.#cancelDeadline = timers.after(handshakeTimeout, () => this.end('timeout'))
  }

  get isOpen(): boolean {
    return this.#state === 'open'
  }

  /** What the peer has proved. Throws before the session is open, and after `releaseEvidence`. */
  get evidence(): DtlsEvidence {
    if (this.#evidence === undefined) throw new Error('the DTLS session is not open, or its evidence was released')
    return this.#evidence
  }

  /** Whoever needs of the evidence no more than they have: certificates are a good part of what a session takes. */
  releaseEvidence(): void {
    this.#evidence = undefined
  }

  /** Octets that `send` takes: what one record and so one datagram may carry. 0 before the session is open. */
  get maximumPayload(): number {
    return this.#maximumPayload
  }

  /** Goes on with what is inside: the first flight, or the answer to the hello that began it. */
  begin(): void {
    this.#step(native => native.proceed())
  }

  receive(datagram: Buffer): void {
    this.#step(native => native.receive(datagram))
  }

  /** One payload, one datagram; false when the session is not open. Throws a RangeError beyond `maximumPayload`. */
  send(payload: Buffer): boolean {
    if (this.#state !== 'open' || this.#busy) return false
    if (payload.length === 0 || payload.length > this.#maximumPayload) {
      throw new RangeError(`a DTLS record takes 1 to ${this.#maximumPayload} octets here, not ${payload.length}`)
    }
    const datagram = this.#native.write(payload)
    if (datagram !== undefined) this.#events.send(datagram)
    return true
  }

  /** Says goodbye and ends it: no payload of the peer is handed on after this. */
  close(): void {
    this.end('local')
  }

  /** Ends it; only `local` and `evicted` say goodbye, the others are a peer that is gone or began anew. */
  end(reason: EndReason, error?: string): void {
    if (this.#state === 'ended') return
    if (this.#busy) {
      this.#endAfterwards ??= reason
      return
    }
    const inHandshake = this.#state === 'handshake'
    const { identity, unknown } = this.#native.evidence()
    this.#state = 'ended'
    this.#cancelRetransmission?.()
    this.#cancelDeadline?.()
    if (reason === 'local' || reason === 'evicted' || reason === 'peer') {
      for (const datagram of this.#native.shutdown()) this.#events.send(datagram)
    }
    this.#native.destroy()
    const claimed = identity === undefined ? undefined : identity.toString()
    this.#events.ended({ reason, inHandshake, error, claimed, unknown })
  }

  /** A client's session, to be taken up again by `connect`; it holds secrets. Undefined when the server gives no tickets. */
  saved(): Buffer | undefined {
    return this.#state === 'open' ? this.#native.savedSession() : undefined
  }

  #step(work: (native: NativeSession) => number): void {
    if (this.#state === 'ended' || this.#busy) return
    this.#busy = true
    let step: number
    try {
      step = work(this.#native)
    } finally {
      this.#busy = false
    }
    if (step & STEP.datagrams) for (const datagram of this.#native.datagrams()) this.#events.send(datagram)
    if (this.#endAfterwards !== undefined) this.end(this.#endAfterwards)
    if (step & STEP.opened) this.#open()
    if (step & STEP.plaintext) this.#deliver()
    if (this.#isEnded()) return
    if (step & STEP.failed) this.end('failed', this.#native.error())
    else if (step & STEP.closedByPeer) this.end('peer')
    else this.#waitForAnswer()
  }

  /** Whoever is told of something may end the session over it. */
  #isEnded(): boolean {
    return this.#state === 'ended'
  }

  #open(): void {
    if (this.#state === 'ended') return
    const { suite = '', identity, chain, resumed, maximumPayload } = this.#native.evidence()
    this.#cancelDeadline?.()
    this.#cancelDeadline = undefined
    this.#state = 'open'
    this.#maximumPayload = maximumPayload
    this.#evidence = { suite, identity: identity && readIdentity(identity), chain, resumed }
    this.#events.opened()
  }

  #deliver(): void {
    if (this.#state !== 'open') return
    for (const payload of this.#native.plaintexts()) {
      if (this.#state !== 'open') return // its owner closed it over the payload before
      this.#events.message(payload)
    }
  }

  /** Of a session without a flight under way nothing is due. */
  #waitForAnswer(): void {
    if (this.#state === 'open' && this.#cancelRetransmission === undefined) return
    this.#cancelRetransmission?.()
    this.#cancelRetransmission = undefined
    const due = this.#native.timeout()
    if (due < 0) return
    this.#cancelRetransmission = this.#timers.after(due, () => this.#step(native => native.handleTimeout()))
  }
}
