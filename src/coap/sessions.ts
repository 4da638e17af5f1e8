// Who speaks: the session that a request belongs to.
import { hash } from 'node:crypto'
import type { Evidence } from '../model/evidence.ts'
import { asFailure, Failure, type FailureCode } from '../model/failure.ts'
import type { Principal } from '../model/principal.ts'
import { printable } from '../model/printable.ts'
import type { Endpoint } from './endpoint.ts'
import type { CoapLimits } from './limits.ts'
import type { Peer, Request } from './resource.ts'
import type { CoapServerParts } from './server-parts.ts'
import { CoapSession, type SessionKeeper } from './session.ts'

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
  readonly tokenHash: string | null
}

const ID_BYTES = 9
const TOKEN_BYTES = 18

export class CoapSessions implements SessionKeeper {
  readonly #parts: CoapServerParts
  readonly #limits: CoapLimits
  readonly #admitted = new Map<CoapSession, Admitted>()
  readonly #byToken = new Map<string, CoapSession>()
  /** One for each client identifier: those opened by token. */
  readonly #byClientId = new Map<string, CoapSession>()
  /** How many were opened by token, by owner. */
  readonly #owned = new Map<string, number>()
  /** Whoever speaks without a token: their channel proved them, or nobody did. */
  readonly #byPeer = new Map<Peer, CoapSession | Promise<CoapSession>>()
  readonly #followed = new WeakSet<Peer>()
  /** Transports on which nobody may be anonymous; that does not change, and asking again would only fill the audit trail. */
  readonly #closedToStrangers = new Set<string>()

  constructor(parts: CoapServerParts, limits: CoapLimits) {
    this.#parts = parts
    this.#limits = limits
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
    const known = this.#byPeer.get(request.peer) ?? this.#admitPeer(request.peer)
    const clientId = request.query.get('clientid')
    if (clientId === undefined) return known
    if (known instanceof Promise) return known.then(session => this.#asClient(session, clientId))
    return this.#asClient(known, clientId)
  }

  /**
   * The session of `?clientid&token`. Whatever is wrong with them, the answer is the same. The policy may ask for the
   * transport, so a token is good on its own only.
   */
  byToken({ peer: { endpoint }, query }: Request): CoapSession {
    const session = this.#byToken.get(hashOf(query.get('token') ?? ''))
    if (session === undefined || session.clientId !== query.get('clientid')) throw new Failure('session-unknown')
    if (session.principal.transport !== endpoint.transport) throw new Failure('session-unknown')
    checkSameSubject(endpoint, session.principal)
    session.lastSeen = this.#parts.clock.now()
    return session
  }

  #asClient(session: CoapSession, clientId: string): CoapSession {
    if (this.admitsClientId(session.principal, clientId)) return session
    throw notYours(session.principal, clientId)
  }

  #admitPeer(peer: Peer): CoapSession | Promise<CoapSession> {
    this.#follow(peer)
    const { principal, transport } = peer.endpoint
    if (principal !== null) return this.#keepPeer(peer, principal)
    if (this.#closedToStrangers.has(transport)) throw new Failure('no-evidence')
    const admitted = this.#admitStranger(peer)
    this.#byPeer.set(peer, admitted)
    return admitted
  }

  async #admitStranger(peer: Peer): Promise<CoapSession> {
    const { endpoint } = peer
    try {
      const principal = await this.#parts.authenticator.authenticate(evidenceOf(endpoint, null, null, null))
      return this.#keepPeer(peer, principal)
    } catch (error) {
      this.#byPeer.delete(peer)
      if (asFailure(error).code === 'no-evidence') this.#closedToStrangers.add(endpoint.transport)
      throw error
    }
  }

  #keepPeer(peer: Peer, principal: Principal): CoapSession {
    const session = this.#admit({ principal, clientId: null, endpoint: peer.endpoint, peer, tokenHash: null })
    this.#byPeer.set(peer, session)
    return session
  }

  #follow(peer: Peer): void {
    if (this.#followed.has(peer)) return
    this.#followed.add(peer)
    peer.onGone(() => {
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
  async open({ peer: { endpoint }, query }: Request, password: Buffer | null): Promise<Opened> {
    const clientId = query.get('clientid') ?? ''
    if (clientId === '') throw new Failure('invalid-input', 'The query says no clientid=...; a session needs one.')
    const principal = await this.#prove(endpoint, clientId, query.get('username') ?? null, password)
    if (!this.admitsClientId(principal, clientId)) throw notYours(principal, clientId)
    const older = this.#byClientId.get(clientId)
    this.#checkRoom(principal, older)
    const token = this.#parts.random.bytes(TOKEN_BYTES).toString('base64url')
    const tokenHash = hashOf(token)
    const session = this.#admit({ principal, clientId, endpoint, peer: null, tokenHash })
    older?.end('taken-over')
    this.#byToken.set(tokenHash, session)
    this.#byClientId.set(clientId, session)
    const owner = ownerOf(principal)
    this.#owned.set(owner, (this.#owned.get(owner) ?? 0) + 1)
    return { session, token }
  }

  /** What the channel has proved needs no other proof; one that is given must name the same. */
  async #prove(
    endpoint: Endpoint,
    clientId: string,
    username: string | null,
    password: Buffer | null,
  ): Promise<Principal> {
    const { principal } = endpoint
    if (principal !== null && password === null) return principal
    const evidence = evidenceOf(endpoint, clientId, username, password)
    const proved = await this.#parts.authenticator.authenticate(evidence)
    checkSameSubject(endpoint, proved)
    return proved
  }

  #checkRoom(principal: Principal, replaced: CoapSession | undefined): void {
    const { sessions, sessionsPerOwner, anonymousSessions } = this.#limits
    const owner = ownerOf(principal)
    const owned = (this.#owned.get(owner) ?? 0) - (replaced && ownerOf(replaced.principal) === owner ? 1 : 0)
    const most = principal.subject.kind === 'anonymous' ? anonymousSessions : sessionsPerOwner
    const setting = principal.subject.kind === 'anonymous' ? 'anonymousSessions' : 'sessionsPerOwner'
    if (owned >= most)
      throw new Failure(
        'quota-exceeded',
        `${printable(principal.subject.id)} has ${owned} CoAP sessions, which is limits.coap.${setting}.`,
      )
    if (replaced === undefined && this.#byToken.size >= sessions)
      throw new Failure('quota-exceeded', `There are ${sessions} CoAP sessions, which is limits.coap.sessions.`)
  }

  /** Throws the Failure of what no longer holds. */
  #admit(fields: Omit<Admitted, 'session'> & { principal: Principal; clientId: string | null }): CoapSession {
    const { principal, clientId, endpoint, peer, tokenHash } = fields
    const { random, clock, access } = this.#parts
    const id = random.bytes(ID_BYTES).toString('base64url')
    const session = new CoapSession({ id, principal, clientId, since: clock.now() }, this)
    access.sessions.register(session)
    if (session.isEnded) throw new Failure('superseded')
    const admitted = { session, endpoint, peer, tokenHash }
    this.#admitted.set(session, admitted)
    this.#record('session-start', admitted, null)
    return session
  }

  // --- the end ------------------------------------------------------------------------------------------------------------

  /** Ends whoever was silent for too long. */
  sweep(now: number): void {
    const before = now - this.#limits.sessionIdle * 1000
    for (const session of this.#byToken.values()) if (session.lastSeen < before) session.end('session-idle')
  }

  /** The clock was set, or the machine slept: nobody has been silent for that. */
  startTimeAt(now: number): void {
    for (const session of this.#byToken.values()) session.lastSeen = now
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
    if (admitted.tokenHash !== null) this.#forgetToken(session, admitted.tokenHash)
    this.#record('session-end', admitted, failure)
    if (failure !== null) this.#parts.meter.count('latchkey_coap_sessions_ended_total', { failure })
  }

  #forgetToken(session: CoapSession, tokenHash: string): void {
    this.#byToken.delete(tokenHash)
    const { clientId, principal } = session
    if (clientId !== null && this.#byClientId.get(clientId) === session) this.#byClientId.delete(clientId)
    const owner = ownerOf(principal)
    const left = (this.#owned.get(owner) ?? 1) - 1
    if (left === 0) this.#owned.delete(owner)
    else this.#owned.set(owner, left)
  }

  #record(type: 'session-start' | 'session-end', { session, endpoint }: Admitted, failure: FailureCode | null): void {
    const { transport, address } = endpoint
    const { kind, id } = session.principal.subject
    const { clientId } = session
    this.#parts.recordSession({
      type,
      session: session.id,
      principal: kind === 'anonymous' ? null : id,
      transport,
      address,
      clientId,
      failure,
    })
    const fields = { principal: id, client: printable(clientId ?? ''), transport, address, failure }
    // Whoever invents addresses must not fill the log.
    if (kind === 'anonymous') this.#parts.log.debug(fields, type)
    else this.#parts.log.info(fields, type)
  }

  // --- what sessions ask --------------------------------------------------------------------------------------------------

  rights(principal: Principal) {
    return this.#parts.access.rights(principal)
  }

  admitsClientId(principal: Principal, clientId: string): boolean {
    return this.#parts.authenticator.admitsClientId(principal, clientId)
  }
}

const evidenceOf = (
  { transport, address }: Endpoint,
  clientId: string | null,
  username: string | null,
  password: Buffer | null,
): Evidence => ({ transport, address, clientId, certificates: [], pskIdentity: null, username, password })

function checkSameSubject({ principal }: Endpoint, { subject }: Principal): void {
  if (principal === null) return
  if (principal.subject.id !== subject.id || principal.subject.kind !== subject.kind)
    throw new Failure('identities-differ')
}

/** A token is looked up by its hash: how long that takes says nothing about the token. */
const hashOf = (token: string): string => hash('sha256', token, 'base64url')

const ownerOf = ({ subject }: Principal): string => `${subject.kind} ${subject.id}`

const notYours = ({ subject }: Principal, clientId: string): Failure =>
  new Failure('client-id-not-yours', `${printable(subject.id)} may not use the client id ${printable(clientId, 80)}.`)
