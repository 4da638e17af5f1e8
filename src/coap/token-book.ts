// Sessions that whoever has their token speaks for (/mqtt/connection), and how many there may be.
import { hash } from 'node:crypto'
import { Failure } from '../model/failure.ts'
import type { Principal } from '../model/principal.ts'
import { printable } from '../model/printable.ts'
import type { CoapLimits } from './limits.ts'
import type { CoapSession } from './session.ts'

export class TokenBook {
  readonly #limits: CoapLimits
  readonly #byToken = new Map<string, CoapSession>()
  /** One for each client identifier. */
  readonly #byClientId = new Map<string, CoapSession>()
  /** How many there are, by owner. */
  readonly #owned = new Map<string, number>()

  constructor(limits: CoapLimits) {
    this.#limits = limits
  }

  /** The session of a token that somebody shows. */
  find(token: string): CoapSession | undefined {
    return this.#byToken.get(hashOf(token))
  }

  ofClient(clientId: string): CoapSession | undefined {
    return this.#byClientId.get(clientId)
  }

  sessions(): CoapSession[] {
    return [...this.#byToken.values()]
  }

  /** Throws `quota-exceeded` when there is no room for one more; `replaced` is about to make room. */
  checkRoom(principal: Principal, replaced: CoapSession | undefined): void {
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

  /** Returns what `remove` takes. The one before of this client id must have ended. */
  add(session: CoapSession, clientId: string, token: string): string {
    const tokenHash = hashOf(token)
    this.#byToken.set(tokenHash, session)
    this.#byClientId.set(clientId, session)
    const owner = ownerOf(session.principal)
    this.#owned.set(owner, (this.#owned.get(owner) ?? 0) + 1)
    return tokenHash
  }

  remove(session: CoapSession, tokenHash: string): void {
    this.#byToken.delete(tokenHash)
    const { clientId, principal } = session
    if (clientId !== null && this.#byClientId.get(clientId) === session) this.#byClientId.delete(clientId)
    const owner = ownerOf(principal)
    const left = (this.#owned.get(owner) ?? 1) - 1
    if (left === 0) this.#owned.delete(owner)
    else this.#owned.set(owner, left)
  }
}

/** A token is looked up by its hash: how long that takes says nothing about the token. */
const hashOf = (token: string): string => hash('sha256', token, 'base64url')

const ownerOf = ({ subject }: Principal): string => `${subject.kind} ${subject.id}`
