// A DTLS server without a socket: datagrams come in by `receive` and go out by `events.send`. A stranger costs nothing but
// the computation of a cookie; who is known by its address goes to its session.
import type { NativeContext, NativeSession } from './addon.ts'
import { type ClientHello, readClientHello } from './client-hello.ts'
import type { DtlsServerLimits } from './limits.ts'
import { loadAddon } from './load-addon.ts'
import { PendingHandshakes } from './pending.ts'
import { type DtlsServerEvents, type DtlsServerOptions, nativeServerOptions, serverLimits } from './server-options.ts'
import { type DtlsEnd, DtlsSession, type Peer, type SessionEvents, type SessionParts } from './session.ts'
import { systemTimers, type Timers } from './timers.ts'

const HEADER = 13
const APPLICATION_DATA = 23

/** What stands between an address and us: an open session, a handshake, or one while the other still lives. */
interface Association {
  active: DtlsSession | undefined
  activeRandom: string
  pending: DtlsSession | undefined
  pendingRandom: string
  /** Milliseconds; of the last payload. */
  heard: number
}

/** Whom the sessions of a server tell: methods of one object instead of functions of each session. */
interface Office {
  send(datagram: Buffer, peer: Peer): void
  opened(link: Link): void
  message(payload: Buffer, link: Link): void
  ended(end: DtlsEnd, link: Link): void
}

/** A session and where it belongs. */
class Link implements SessionEvents {
  readonly key: string
  readonly association: Association
  readonly session: DtlsSession
  readonly #office: Office

  constructor(office: Office, key: string, association: Association, parts: Omit<SessionParts, 'events'>) {
    this.#office = office
    this.key = key
    this.association = association
    this.session = new DtlsSession({ ...parts, events: this })
  }

  send(datagram: Buffer): void {
    this.#office.send(datagram, this.session.peer)
  }

  opened(): void {
    this.#office.opened(this)
  }

  message(payload: Buffer): void {
    this.#office.message(payload, this)
  }

  ended(end: DtlsEnd): void {
    this.#office.ended(end, this)
  }
}

/** Counted since the start. */
export interface DtlsServerStatistics {
  /** ClientHellos looked at, repetitions of known ones not included. */
  hellos: number
  /** Sessions opened. */
  opened: number
  resumed: number
  /** Handshakes that came to nothing. */
  failed: number
  /** Hellos with a right cookie for which there was no room. */
  refused: number
  /** Datagrams of no use: of strangers, or hellos that came late. */
  dropped: number
}

export class DtlsServer {
  readonly statistics: DtlsServerStatistics = { hellos: 0, opened: 0, resumed: 0, failed: 0, refused: 0, dropped: 0 }
  readonly #events: DtlsServerEvents
  readonly #limits: DtlsServerLimits
  readonly #timers: Timers
  readonly #now: () => number
  readonly #context: NativeContext
  readonly #pending: PendingHandshakes
  readonly #office: Office = {
    send: (datagram, peer) => this.#events.send(datagram, peer),
    opened: link => this.#opened(link),
    message: (payload, { key, association, session }) => {
      this.#heard(key, association)
      this.#events.message(payload, session)
    },
    ended: (end, link) => this.#ended(end, link),
  }
  /** By address and port; those heard last stand last. */
  readonly #associations = new Map<string, Association>()
  #cancelRotation: () => void
  #closed = false

  /** Throws `dtls-unavailable` without the addon, and an Error for credentials that can not be used. */
  constructor(options: DtlsServerOptions, now: () => number = Date.now) {
    this.#events = options.events
    this.#limits = serverLimits(options)
    this.#timers = options.timers ?? systemTimers
    this.#now = now
    this.#pending = new PendingHandshakes(this.#limits.pending, this.#limits.pendingPerAddress)
    this.#context = new (loadAddon().Context)(nativeServerOptions(options))
    this.#cancelRotation = this.#rotateCookies()
  }

  /** Sessions, those in their handshake included. */
  get size(): number {
    return this.#associations.size
  }

  /** Handshakes past the cookie. */
  get pending(): number {
    return this.#pending.count
  }

  /** New handshakes show this certificate. Both PEM. */
  setCertificate(chain: string, privateKey: string): void {
    this.#context.setCertificate(chain, privateKey)
  }

  /** New handshakes believe these; tickets given out before are void. Both PEM. */
  setAuthorities(certificates: string, revoked?: string): void {
    this.#context.setAuthorities(certificates, revoked)
  }

  /** Voids the tickets given out before. */
  rotateTickets(): void {
    this.#context.rotateTickets()
  }

  /** `peer` is kept, and handed back with what is sent to it. */
  receive(datagram: Buffer, peer: Peer): void {
    if (this.#closed) return
    const key = `${peer.address}|${peer.port}`
    const known = this.#associations.get(key)
    const hello = readClientHello(datagram)
    if (hello !== undefined) this.#greet(datagram, hello, key, peer, known)
    else if (known !== undefined) feed(known, datagram)
    else this.statistics.dropped += 1
  }

  /** Says goodbye to all and takes nothing more. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#cancelRotation()
    for (const { active, pending } of [...this.#associations.values()]) {
      pending?.close()
      active?.close()
    }
  }

  #greet(datagram: Buffer, hello: ClientHello, key: string, peer: Peer, known: Association | undefined): void {
    if (known?.pending !== undefined && hello.random === known.pendingRandom) {
      // The hello of the handshake under way again: its answer was lost. Without a cookie it is an older one still.
      if (hello.hasCookie) known.pending.receive(datagram)
      return
    }
    if (known?.active !== undefined && hello.random === known.activeRandom) {
      this.statistics.dropped += 1 // came late: it began the session that is open, and begins no second one
      return
    }
    this.statistics.hellos += 1
    if (hello.hasCookie && !this.#pending.hasRoom(peer.address)) {
      this.statistics.refused += 1
      return
    }
    const answer = this.#context.listen(datagram, key)
    if (answer === undefined) {
      this.statistics.dropped += 1
    } else if (Buffer.isBuffer(answer)) {
      this.#events.send(answer, peer)
    } else if (known !== undefined || this.#hasRoom()) {
      this.#begin(answer, hello.random, key, peer, known)
    } else {
      answer.destroy()
      this.statistics.refused += 1
    }
  }

  /** Asked only once the cookie was right: else a stranger could have sessions evicted. */
  #hasRoom(): boolean {
    return this.#associations.size < this.#limits.sessions || this.#evict()
  }

  /** Ends the session that has been silent longest, if that is long enough. */
  #evict(): boolean {
    for (const { active, pending, heard } of this.#associations.values()) {
      if (active === undefined || pending !== undefined) continue
      if (this.#now() - heard < this.#limits.evictAfter) return false
      active.end('evicted')
      return true
    }
    return false
  }

  /** An open session of the same address lives on until the new one is open: until then nobody has proved to be its peer. */
  #begin(native: NativeSession, random: string, key: string, peer: Peer, known: Association | undefined): void {
    known?.pending?.end('superseded')
    const association = this.#associations.get(key) ?? {
      active: undefined,
      activeRandom: '',
      pending: undefined,
      pendingRandom: '',
      heard: this.#now(),
    }
    const { handshakeTimeout } = this.#limits
    const { session } = new Link(this.#office, key, association, {
      native,
      peer,
      timers: this.#timers,
      handshakeTimeout,
    })
    association.pending = session
    association.pendingRandom = random
    this.#associations.set(key, association)
    this.#pending.begin(peer.address)
    session.begin()
  }

  #opened({ session, association }: Link): void {
    this.#pending.end(session.peer.address)
    this.statistics.opened += 1
    if (session.evidence.resumed) this.statistics.resumed += 1
    const before = association.active
    association.active = session
    association.activeRandom = association.pendingRandom
    association.pending = undefined
    association.heard = this.#now()
    before?.end('replaced')
    this.#events.opened(session)
  }

  #ended(end: DtlsEnd, { session, association, key }: Link): void {
    if (association.pending === session) association.pending = undefined
    if (association.active === session) association.active = undefined
    const isGone = association.pending === undefined && association.active === undefined
    if (isGone && this.#associations.get(key) === association) this.#associations.delete(key)
    if (end.inHandshake) {
      this.#pending.end(session.peer.address)
      this.statistics.failed += 1
      this.#events.failed(end, session.peer)
    } else this.#events.closed(session, end)
  }

  /** Moves it behind the others, at most once in a while: the order need not be finer than `evictAfter` asks. */
  #heard(key: string, association: Association): void {
    const now = this.#now()
    if (now - association.heard < Math.min(1_000, this.#limits.evictAfter)) return
    association.heard = now
    this.#associations.delete(key)
    this.#associations.set(key, association)
  }

  #rotateCookies(): () => void {
    return this.#timers.after(this.#limits.cookieLifetime, () => {
      this.#context.rotateCookies()
      this.#cancelRotation = this.#rotateCookies()
    })
  }
}

/** While a new handshake runs beside an open session, epoch 0 is the handshake's, and what is protected shows by its MAC whose. */
function feed({ active, pending }: Association, datagram: Buffer): void {
  if (active === undefined || pending === undefined) {
    ;(pending ?? active)?.receive(datagram)
    return
  }
  const isUnprotected = datagram.length >= HEADER && datagram.readUInt16BE(3) === 0
  if (!isUnprotected) active.receive(datagram)
  if (isUnprotected || datagram[0] !== APPLICATION_DATA) pending.receive(datagram)
}
