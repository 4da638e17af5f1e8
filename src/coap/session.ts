import type { LiveSession } from '../access/live-sessions.ts'
import type { Rights } from '../access/rights.ts'
import type { FailureCode } from '../model/failure.ts'
import type { Principal } from '../model/principal.ts'
import { isSecure } from '../model/transport.ts'
import { type Endpoint, hasShown } from './endpoint.ts'

/** What a session holds that falls with it. */
export interface Held {
  /** The rights are others, or somebody else's. */
  accessChanged(principal: Principal): void
  end(failure: FailureCode): void
}

export interface SessionKeeper {
  rights(principal: Principal): Rights
  admitsClientId(principal: Principal, clientId: string): boolean
  /** Takes it off every list. */
  ended(session: CoapSession, failure: FailureCode | null): void
}

export interface SessionFields {
  readonly id: string
  readonly principal: Principal
  readonly clientId: string | null
  /** Milliseconds since the epoch. */
  readonly since: number
  /** Closed when the session ends by a failure: it spoke for nobody else. null for those opened by token. */
  readonly channel: Endpoint | null
}

/** Somebody whose requests and observations belong together: a session token, a proved channel, or an anonymous peer. */
export class CoapSession implements LiveSession {
  readonly id: string
  readonly clientId: string | null
  readonly since: number
  /** For no-local. No MQTT client can have this name: `#` is in no client identifier. */
  readonly publishesAs: string
  /** When it last asked for or acknowledged something; milliseconds since the epoch. */
  lastSeen: number
  readonly #keeper: SessionKeeper
  readonly #channel: Endpoint | null
  #principal: Principal
  #rights: Rights
  #ended = false
  /** Most sessions observe nothing. */
  #held: Set<Held> | null = null

  constructor({ id, principal, clientId, since, channel }: SessionFields, keeper: SessionKeeper) {
    this.id = id
    this.clientId = clientId
    this.since = this.lastSeen = since
    this.publishesAs = `#coap/${id}`
    this.#keeper = keeper
    this.#channel = channel
    this.#principal = principal
    this.#rights = keeper.rights(principal)
  }

  get principal(): Principal {
    return this.#principal
  }

  get rights(): Rights {
    return this.#rights
  }

  get held(): Set<Held> {
    this.#held ??= new Set()
    return this.#held
  }

  get isEnded(): boolean {
    return this.#ended
  }

  /** A failure of it ends the DTLS or TLS session too: nothing that is said last can be repeated or acknowledged. */
  get takesChannelAlong(): boolean {
    return this.#channel !== null && isSecure(this.#channel.transport)
  }

  /** The token alone has ended, on a channel that had shown nothing beside it: the next may come by the same one. */
  #mayGoOn(failure: FailureCode): boolean {
    return failure === 'token-expired' && this.#channel !== null && !hasShown(this.#channel.shown)
  }

  /** A gateway on the id of a child that has left it goes too. */
  accessChanged(principal: Principal): void {
    if (this.#ended) return
    this.#principal = principal
    this.#rights = this.#keeper.rights(principal)
    if (this.clientId !== null && !this.#keeper.admitsClientId(principal, this.clientId)) {
      this.end('client-id-not-yours')
      return
    }
    for (const each of [...(this.#held ?? [])]) each.accessChanged(principal)
  }

  end(failure: FailureCode): void {
    this.#leave(failure)
  }

  /** The client has said goodbye, or is gone. */
  close(): void {
    this.#leave(null)
  }

  /** All its observers are told that they are not authorized any more, and that is the last their channel carries. */
  #leave(failure: FailureCode | null): void {
    if (this.#ended) return
    this.#ended = true
    this.#keeper.ended(this, failure)
    for (const each of [...(this.#held ?? [])]) each.end(failure ?? 'session-unknown')
    this.#held?.clear()
    if (failure !== null && !this.#mayGoOn(failure)) this.#channel?.close()
  }
}
