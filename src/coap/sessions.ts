// Who speaks: the session that a request belongs to.
import type { SessionEvent } from '../access/session-event.ts'
import { asFailure, Failure, type FailureCode } from '../model/failure.ts'
import type { Principal } from '../model/principal.ts'
import { type Endpoint, hasShown } from './endpoint.ts'
import type { CoapLimits } from './limits.ts'
import type { Peer, Request } from './resource.ts'
import type { CoapServerParts } from './server-parts.ts'
import { CoapSession, type SessionKeeper } from './session.ts'
import { checkSameSubject, evidenceOf, notYours } from './session-proof.ts'
import { recordSession } from './session-record.ts'
import { TokenBook } from './token-book.ts'

export interface Opened {
  readonly session: CoapSession
  /** Stands for the session in later requests. At least 128 random bits; only its hash is kept. */
  readonly token: string
}

interface Admitted {
  readonly session: CoapSession
  /** Whom it was opened by. */
  readonly endpoint: Endpoint
  /** The only one who speaks for it; null when whoever has the token does. */
  readonly peer: Peer | null
  /** What the book of tokens knows it by; null for others. */
  tokenHash: string | null
}

interface Admission extends Pick<Admitted, 'endpoint' | 'peer'> {
  readonly principal: Principal
  readonly clientId: string | null
}

const ID_BYTES = 9
const TOKEN_BYTES = 18

export class CoapSessions implements SessionKeeper {
  readonly #parts: CoapServerParts
  readonly #limits: CoapLimits
  readonly #admitted = new Map<CoapSession, Admitted>()
  readonly #tokens: TokenBook
  /** Whoever speaks without a token: their channel proved them, or nobody did. */
  readonly #byPeer = new Map<Peer, CoapSession | Promise<CoapSession>>()
  readonly #followed = new WeakSet<Peer>()
  /** Transports on which nobody may be anonymous; that does not change, and asking again would only fill the audit trail. */
  readonly #closedToStrangers = new Set<string>()

  constructor(parts: CoapServerParts, limits: CoapLimits) {
    this.#parts = parts
    this.#limits = limits
    this.#tokens = new TokenBook(limits)
    parts.meter.gauge('latchkey_coap_sessions', 'CoAP sessions', () => this.#admitted.size)
  }

  // --- whose request is it ------------------------------------------------------------------------------------------------

  /**
   * Throws (or rejects with) `session-unknown` for a token that stands for no session of this client id, `no-evidence`
   * where nobody may come in without, `client-id-not-yours`, or what the door says.
   */
  speaker(request: Request): CoapSession | Promise<CoapSession> {
    const token = request.query.get('token')
    if (token !== undefined) return this.byToken(request)
    const known = this.#ofPeer(request.peer)
    const clientId = request.query.get('clientid')
    if (clientId === undefined) return known
    if (known instanceof Promise) return known.then(session => this.#asClient(session, clientId))
    return this.#asClient(known, clientId)
  }

  /**
   * The session of `?clientid&token`. Whatever is wrong with them, the answer is the same. The policy may ask for the
   * transport, so a token is good on its own only; and on a channel that stands for somebody only if it is theirs.
   */
  byToken({ peer, query }: Request): CoapSession | Promise<CoapSession> {
    const session = this.#tokens.find(query.get('token') ?? '')
    if (session === undefined || session.clientId !== query.get('clientid')) throw new Failure('session-unknown')
    if (session.principal.transport !== peer.endpoint.transport) throw new Failure('session-unknown')
    const channel = this.#channelOf(peer)
    if (channel instanceof Promise) return channel.then(known => this.#heard(session, known))
    return this.#heard(session, channel)
  }

  #heard(session: CoapSession, channel: CoapSession | null): CoapSession {
    if (session.isEnded) throw new Failure('session-unknown')
    // A channel was part of the proof: whoever has the token without it has half of it.
    const opener = this.#admitted.get(session)?.endpoint
    if (channel === null && opener !== undefined && hasShown(opener.shown)) throw new Failure('session-unknown')
    checkSameSubject(channel, session.principal)
    session.lastSeen = this.#parts.clock.now()
    return session
  }

  #asClient(session: CoapSession, clientId: string): CoapSession {
    if (this.admitsClientId(session.principal, clientId)) return session
    throw notYours(session.principal, clientId)
  }

  // --- what a channel stands for ------------------------------------------------------------------------------------------

  /**
   * Asks the door at once whom a channel has proved, so that it falls with them even if it never says anything. Who is
   * refused has no channel any more. One that has shown nothing stays, and its requests are turned away.
   */
  async admit(peer: Peer): Promise<void> {
    const { endpoint } = peer
    if (!hasShown(endpoint.shown)) return
    try {
      await this.#ofPeer(peer)
    } catch (error) {
      const { transport, address } = endpoint
      // The trail has it; whoever was refused may come again as often as they like.
      this.#parts.log.debug({ transport, address, failure: asFailure(error).code }, 'a CoAP channel was refused')
      endpoint.close()
    }
  }

  /**
   * What a token and the channel it came by prove together: from now on the channel stands for that, until the token ends
   * (RFC 9200 5.10.1). Rejects with what the door says, `identities-differ`, or what no longer holds.
   */
  async bind(peer: Peer, token: Buffer): Promise<void> {
    const evidence = { ...evidenceOf(peer.endpoint), token }
    const principal = await this.#parts.authenticator.authenticate(evidence)
    const channel = await this.#channelOf(peer)
    if (channel !== null) {
      checkSameSubject(channel, principal)
      this.#renew(channel, principal)
      return
    }
    const before = await this.#settled(peer)
    before?.close()
    this.#keepPeer(peer, principal)
    this.#follow(peer)
    peer.prove()
  }

  /** Whoever goes on from another address, as OSCORE has it: the policy may ask for the address. */
  moved(peer: Peer): void {
    const session = this.#byPeer.get(peer)
    if (session instanceof Promise)
      session.then(
        () => this.moved(peer),
        () => {}, // it was refused, wherever it came from
      )
    else if (session !== undefined) this.#relocate(session, peer.endpoint.address)
  }

  #relocate(session: CoapSession, address: string): void {
    try {
      this.#renew(session, { ...session.principal, address })
    } catch (error) {
      this.#parts.log.info({ failure: asFailure(error).code }, 'a CoAP session that moved does not hold any more')
    }
  }

  /** Who the peer is, once nobody is being asked about it. */
  async #settled(peer: Peer): Promise<CoapSession | undefined> {
    try {
      return await this.#byPeer.get(peer)
    } catch {
      return undefined // it was refused, and is nobody
    }
  }

  #renew(session: CoapSession, principal: Principal): void {
    try {
      this.#parts.access.sessions.renew(session, principal)
    } catch (error) {
      session.end(asFailure(error).code)
      throw error
    }
  }

  /** null: for nobody in particular. */
  #channelOf(peer: Peer): CoapSession | Promise<CoapSession> | null {
    if (hasShown(peer.endpoint.shown)) return this.#ofPeer(peer)
    const known = this.#byPeer.get(peer)
    return known instanceof CoapSession && known.principal.subject.kind !== 'anonymous' ? known : null
  }

  #ofPeer(peer: Peer): CoapSession | Promise<CoapSession> {
    const known = this.#byPeer.get(peer)
    if (known !== undefined) return known
    const { shown, transport } = peer.endpoint
    if (!hasShown(shown) && this.#closedToStrangers.has(transport)) throw new Failure('no-evidence')
    const admitted = this.#admitPeer(peer)
    this.#byPeer.set(peer, admitted)
    this.#follow(peer)
    return admitted
  }

  async #admitPeer(peer: Peer): Promise<CoapSession> {
    const { endpoint } = peer
    try {
      const principal = await this.#parts.authenticator.authenticate(evidenceOf(endpoint))
      return this.#keepPeer(peer, principal)
    } catch (error) {
      this.#byPeer.delete(peer)
      const isStranger = !hasShown(endpoint.shown) && asFailure(error).code === 'no-evidence'
      if (isStranger) this.#closedToStrangers.add(endpoint.transport)
      throw error
    }
  }

  #keepPeer(peer: Peer, principal: Principal): CoapSession {
    const { session } = this.#admit({ principal, clientId: null, endpoint: peer.endpoint, peer })
    this.#byPeer.set(peer, session)
    return session
  }

  #follow(peer: Peer): void {
    if (this.#followed.has(peer)) return
    this.#followed.add(peer)
    peer.onGone(() => {
      this.#followed.delete(peer)
      const known = this.#byPeer.get(peer)
      this.#byPeer.delete(peer)
      if (known instanceof Promise)
        known.then(
          session => session.close(),
          () => {},
        )
      else known?.close()
    })
  }

  // --- sessions by token --------------------------------------------------------------------------------------------------

  /**
   * Opens a session for `?clientid` and whatever the password proves. It takes the place of one with this client id.
   * Throws what the door says, `client-id-not-yours`, `invalid-input` or `quota-exceeded`.
   */
  async open({ peer, query }: Request, password: Buffer | null): Promise<Opened> {
    const clientId = query.get('clientid') ?? ''
    if (clientId === '') throw new Failure('invalid-input', 'The query says no clientid=...; a session needs one.')
    const principal = await this.#prove(peer, clientId, query.get('username') ?? null, password)
    if (!this.admitsClientId(principal, clientId)) throw notYours(principal, clientId)
    const older = this.#tokens.ofClient(clientId)
    this.#tokens.checkRoom(principal, older)
    const token = this.#parts.random.bytes(TOKEN_BYTES).toString('base64url')
    const admitted = this.#admit({ principal, clientId, endpoint: peer.endpoint, peer: null })
    older?.end('taken-over')
    admitted.tokenHash = this.#tokens.add(admitted.session, clientId, token)
    return { session: admitted.session, token }
  }

  /** What the channel has proved needs no other proof; one that is given must name the same. */
  async #prove(peer: Peer, clientId: string, username: string | null, password: Buffer | null): Promise<Principal> {
    const channel = await this.#channelOf(peer)
    const namesOther = username !== null && username !== channel?.principal.subject.id
    if (channel !== null && password === null && !namesOther) return channel.principal
    const evidence = evidenceOf(peer.endpoint, clientId, username, password)
    const proved = await this.#parts.authenticator.authenticate(evidence)
    checkSameSubject(channel, proved)
    return proved
  }

  /** Throws the Failure of what no longer holds. */
  #admit({ principal, clientId, endpoint, peer }: Admission): Admitted {
    const { random, clock, access } = this.#parts
    const id = random.bytes(ID_BYTES).toString('base64url')
    const channel = peer === null ? null : endpoint
    const session = new CoapSession({ id, principal, clientId, since: clock.now(), channel }, this)
    access.sessions.register(session)
    if (session.isEnded) throw new Failure('superseded')
    const admitted = { session, endpoint, peer, tokenHash: null }
    this.#admitted.set(session, admitted)
    this.#record('session-start', admitted, null)
    return admitted
  }

  // --- the end ------------------------------------------------------------------------------------------------------------

  /** Ends whoever was silent for too long. */
  sweep(now: number): void {
    const before = now - this.#limits.sessionIdle * 1000
    for (const session of this.#tokens.sessions()) if (session.lastSeen < before) session.end('session-idle')
  }

  /** The clock was set, or the machine slept: nobody has been silent for that. */
  startTimeAt(now: number): void {
    for (const session of this.#tokens.sessions()) session.lastSeen = now
  }

  /** Everybody is told. */
  close(): void {
    for (const session of [...this.#admitted.keys()]) session.end('shutting-down')
  }

  ended(session: CoapSession, failure: FailureCode | null): void {
    this.#parts.access.sessions.remove(session)
    const admitted = this.#admitted.get(session)
    if (admitted === undefined) return
    this.#admitted.delete(session)
    const { peer } = admitted
    if (peer !== null && this.#byPeer.get(peer) === session) this.#byPeer.delete(peer)
    if (admitted.tokenHash !== null) this.#tokens.remove(session, admitted.tokenHash)
    this.#record('session-end', admitted, failure)
    if (failure !== null) this.#parts.meter.count('latchkey_coap_sessions_ended_total', { failure })
  }

  #record(type: SessionEvent['type'], { session, endpoint }: Admitted, failure: FailureCode | null): void {
    recordSession(this.#parts, { type, session, endpoint, failure })
  }

  // --- what sessions ask --------------------------------------------------------------------------------------------------

  rights(principal: Principal) {
    return this.#parts.access.rights(principal)
  }

  admitsClientId(principal: Principal, clientId: string): boolean {
    return this.#parts.authenticator.admitsClientId(principal, clientId)
  }
}
