import type { Change } from '../model/change.ts'
import type { Clock } from '../model/clock.ts'
import { Failure, type FailureCode } from '../model/failure.ts'
import type { Log } from '../model/log.ts'
import type { Meter } from '../model/meter.ts'
import type { Principal, Subject } from '../model/principal.ts'
import { printable } from '../model/printable.ts'
import { currentSubject, isSameSubject, type Register } from './current-subject.ts'
import { ExpiryQueue } from './expiry-queue.ts'
import { LONGEST_WAIT, type Scheduler } from './scheduler.ts'

/** Somebody who is connected, over whatever protocol. */
export interface LiveSession {
  readonly id: string
  readonly principal: Principal
  /** MQTT client identifier; null where the protocol has none. */
  readonly clientId: string | null
  /** Milliseconds since the epoch. */
  readonly since: number
  /** Synchronous: when it returns, nothing is written to the peer any more but its goodbye. */
  end(failure: FailureCode): void
  /** The same identity with a fresh subject, or under a new policy: check subscriptions again. */
  accessChanged(principal: Principal): void
}

/** Something that sessions hang on: its name is kept once for all of them. */
interface Tie {
  readonly name: string
  readonly sessions: Set<LiveSession>
}

export interface LiveSessionsParts {
  readonly register: Register
  readonly clock: Clock
  readonly scheduler: Scheduler
  readonly log: Log
  readonly meter: Meter
}

/** Who is connected by what, and how they are cut off when that ends. */
export class LiveSessions {
  readonly #parts: LiveSessionsParts
  readonly #byId = new Map<string, { readonly session: LiveSession; readonly ties: readonly Tie[] }>()
  /** Sessions by everything they hang on: owner, credential, issuer, token. */
  readonly #hanging = new Map<string, Tie>()
  readonly #ends = new ExpiryQueue<LiveSession>()
  #alarm: { readonly at: number; readonly cancel: () => void } | null = null

  constructor(parts: LiveSessionsParts) {
    this.#parts = parts
    parts.meter.gauge('latchkey_live_sessions', 'Sessions that are connected now.', () => this.#byId.size)
  }

  get size(): number {
    return this.#byId.size
  }

  /** In the order in which they came. */
  list(): LiveSession[] {
    return [...this.#byId.values()].map(({ session }) => session)
  }

  get(id: string): LiveSession | undefined {
    return this.#byId.get(id)?.session
  }

  /** Whether somebody is connected by this credential, alone or beside another one. */
  isInUse(credential: string): boolean {
    return this.#hanging.has(credentialTie(credential))
  }

  /**
   * From now on the session follows its principal's fate. Throws the Failure of what no longer holds: a revocation
   * between authentication and here does not slip through.
   */
  register(session: LiveSession): void {
    const { principal } = session
    const subject = this.#subjectNow(principal)
    if (this.#byId.has(session.id)) throw new Failure('conflict', `there is already a session ${session.id}`)
    this.#hang(session, principal)
    if (!isSameSubject(subject, principal.subject)) this.#hand(session, { ...principal, subject })
  }

  /**
   * A registered session proved itself anew: from now on it follows this principal's fate and has its rights, and what it
   * hung on before is nothing to it any more. Throws as `register` does, and then the session is not registered at all.
   */
  renew(session: LiveSession, principal: Principal): void {
    if (this.get(session.id) !== session) throw new Failure('superseded')
    this.remove(session)
    const subject = this.#subjectNow(principal)
    this.#hang(session, principal)
    this.#hand(session, { ...principal, subject })
  }

  /** As the registry has it now. Throws the Failure of what the principal was admitted by and does not hold any more. */
  #subjectNow(principal: Principal): Subject {
    const { register } = this.#parts
    const failure = register.standing(principal)
    if (failure !== null) throw new Failure(failure)
    const subject = currentSubject(register, principal)
    if (!subject) throw new Failure('superseded')
    return subject
  }

  #hang(session: LiveSession, principal: Principal): void {
    const ties = tiesOf(principal).map(name => this.#tie(name))
    this.#byId.set(session.id, { session, ties })
    for (const tie of ties) tie.sessions.add(session)
    this.#ends.set(session, this.#parts.register.endOf(principal))
    this.#setAlarm()
  }

  #hand(session: LiveSession, principal: Principal): void {
    if (this.#attempt(session, () => session.accessChanged(principal))) return
    this.remove(session)
    throw new Failure('internal', `session ${session.id} could not take its present rights`)
  }

  /** The session is over; does nothing when it is not registered (any more). */
  remove(session: LiveSession): void {
    const held = this.#byId.get(session.id)
    if (held?.session !== session) return
    this.#byId.delete(session.id)
    for (const { name, sessions } of held.ties) {
      sessions.delete(session)
      if (sessions.size === 0) this.#hanging.delete(name)
    }
    this.#ends.delete(session)
    this.#setAlarm()
  }

  /** Ends one session; false when there is none by this id. */
  end(id: string, failure: FailureCode): boolean {
    const session = this.get(id)
    if (!session) return false
    this.#fence(session, failure)
    return true
  }

  /** Ends exactly the sessions that a change has taken the ground from, and tells those whose rights may be others. */
  follow(change: Change): void {
    if (change.kind === 'policy') {
      for (const session of this.list()) this.#tell(session)
      return
    }
    for (const session of this.#touchedBy(change)) {
      if (!this.#stands(session)) continue
      if (change.kind === 'device' || change.kind === 'client') this.#tell(session)
      else this.#ends.set(session, this.#parts.register.endOf(session.principal))
    }
    this.#setAlarm()
  }

  close(): void {
    this.#alarm?.cancel()
    this.#alarm = null
  }

  #touchedBy(change: Exclude<Change, { kind: 'policy' }>): LiveSession[] {
    const tie = tieOf(change)
    return tie === null ? [] : [...(this.#hanging.get(tie)?.sessions ?? [])]
  }

  #tie(name: string): Tie {
    const known = this.#hanging.get(name)
    if (known) return known
    const made = { name, sessions: new Set<LiveSession>() }
    this.#hanging.set(name, made)
    return made
  }

  /** Whether the session may go on; fences it if not, and also when nobody can tell. */
  #stands(session: LiveSession): boolean {
    const failure = this.#standing(session)
    if (failure !== null) this.#fence(session, failure)
    return failure === null
  }

  #standing(session: LiveSession): FailureCode | null {
    try {
      return this.#parts.register.standing(session.principal)
    } catch (error) {
      this.#parts.log.error({ session: session.id, cause: printable(String(error)) }, 'a standing could not be read')
      return 'store-failed'
    }
  }

  /** One session that fails to act must not save the others. */
  #fence(session: LiveSession, failure: FailureCode): void {
    this.remove(session)
    this.#attempt(session, () => session.end(failure))
  }

  #tell(session: LiveSession): void {
    const told = this.#attempt(session, () => {
      const subject = currentSubject(this.#parts.register, session.principal)
      if (subject) session.accessChanged({ ...session.principal, subject })
      else this.#fence(session, 'superseded')
    })
    if (!told) this.#fence(session, 'internal')
  }

  #attempt(session: LiveSession, act: () => void): boolean {
    try {
      act()
      return true
    } catch (error) {
      this.#parts.log.error({ session: session.id, cause: printable(String(error)) }, 'a live session failed to act')
      return false
    }
  }

  /** One timer for all: it waits for the session that ends first. */
  #setAlarm(): void {
    const at = this.#ends.next
    if (at === (this.#alarm?.at ?? null)) return
    this.#alarm?.cancel()
    this.#alarm = null
    if (at === null) return
    const wait = Math.min(Math.max(0, at - this.#parts.clock.now()), LONGEST_WAIT)
    this.#alarm = { at, cancel: this.#parts.scheduler.after(wait, () => this.#ring()) }
  }

  #ring(): void {
    this.#alarm = null
    const { clock, register } = this.#parts
    const now = clock.now()
    for (const session of this.#ends.takeDue(now)) {
      if (!this.#stands(session)) continue
      const { principal } = session
      const end = register.endOf(principal)
      if (end !== null && end <= now) this.#fence(session, expiryOf(principal))
      else this.#ends.set(session, end)
    }
    this.#setAlarm()
  }
}

function expiryOf({ issuer, jti }: Principal): FailureCode {
  return issuer === null && jti === null ? 'credential-expired' : 'token-expired'
}

const ownerTie = (id: string): string => `owner ${id}`
const credentialTie = (id: string): string => `credential ${id}`
const issuerTie = (issuer: string): string => `issuer ${issuer}`
/** Both come from outside; JSON keeps names that contain separators apart. */
const tokenTie = (issuer: string, jti: string): string => `token ${JSON.stringify([issuer, jti])}`

function tiesOf({ subject, credential, besides = [], issuer, jti }: Principal): string[] {
  const ties = [ownerTie(subject.id)]
  if (credential !== null) ties.push(credentialTie(credential.id))
  for (const { id } of besides) ties.push(credentialTie(id))
  if (issuer !== null) ties.push(issuerTie(issuer))
  if (issuer !== null && jti !== null) ties.push(tokenTie(issuer, jti))
  return ties
}

/** What a change pulls at; null when no session hangs on it. */
function tieOf(change: Exclude<Change, { kind: 'policy' }>): string | null {
  switch (change.kind) {
    case 'device':
    case 'client':
      return ownerTie(change.id)
    case 'credential':
      return credentialTie(change.id)
    case 'token':
      return tokenTie(change.issuer, change.jti)
    case 'issuer':
      return issuerTie(change.id)
    case 'key':
      return null
  }
}
