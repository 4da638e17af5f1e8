// What a CONNECT must pass before CONNACK.
import type { LiveSession } from '../access/live-sessions.ts'
import { refusalOf } from '../bus/bus.ts'
import type { Link, Session } from '../bus/session.ts'
import { Failure, type FailureCode } from '../model/failure.ts'
import type { Principal } from '../model/principal.ts'
import { printable } from '../model/printable.ts'
import type { PeerSocket } from '../stream/peer-socket.ts'
import {
  askedExpiry,
  connackProperties,
  evidenceOf,
  grantedExpiry,
  grantedKeepAlive,
  type Opened,
  willOf,
} from './connect-terms.ts'
import { encodeConnack } from './encode.ts'
import type { Authenticated } from './enhanced-authentication.ts'
import type { GateContext } from './gate-context.ts'
import type { ConnectPacket } from './packets.ts'
import { keepsItsFormat } from './payload-format.ts'
import { responseInformationFor } from './response-information.ts'

/** The connection that asks. */
export interface Opener extends Link {
  readonly id: string
  readonly since: number
  readonly isEnded: boolean
  /** Holds the AUTH conversation that CONNECT began (MQTT 5, 4.12). */
  converse(method: string): Promise<Authenticated>
}

/** Somebody who was admitted, as `access` sees it. */
class AdmittedSession implements LiveSession {
  readonly id: string
  readonly clientId: string
  readonly since: number
  readonly #opener: Opener
  readonly #opening: Opening
  #principal: Principal

  constructor(opener: Opener, principal: Principal, clientId: string, opening: Opening) {
    this.id = opener.id
    this.since = opener.since
    this.clientId = clientId
    this.#opener = opener
    this.#principal = principal
    this.#opening = opening
  }

  get principal(): Principal {
    return this.#principal
  }

  end(failure: FailureCode): void {
    this.#opener.end(failure)
  }

  accessChanged(principal: Principal): void {
    this.#principal = principal
    this.#opening.accessChanged(principal, this.clientId)
  }
}

export class Opening implements Opened {
  readonly #connect: ConnectPacket
  readonly #peer: PeerSocket
  readonly #opener: Opener
  readonly #context: GateContext
  #live: AdmittedSession | null = null
  #session: Session | null = null
  readonly keepAlive: number
  /** Seconds; DISCONNECT may change it (MQTT 5, 3.14.2.2.2). */
  expiry: number
  assignedClientId: string | null = null
  responseInformation: string | null = null
  /** The method's last word, for CONNACK (MQTT 5, 3.2.2.3.18). */
  authenticationData: Buffer | null = null
  /** The session was there before. */
  isPresent = false

  constructor(connect: ConnectPacket, peer: PeerSocket, opener: Opener, context: GateContext) {
    this.#connect = connect
    this.#peer = peer
    this.#opener = opener
    this.#context = context
    this.keepAlive = grantedKeepAlive(connect, context.limits)
    this.expiry = grantedExpiry(askedExpiry(connect), context.limits)
  }

  /** null until the session is open. */
  get session(): Session | null {
    return this.#session
  }

  get live(): LiveSession | null {
    return this.#live
  }

  /** Throws the Failure that CONNACK tells; returns early when the connection ended meanwhile. */
  async pass(): Promise<void> {
    this.#checkEmptyClientId()
    const principal = await this.#authenticate()
    if (this.#opener.isEnded) return
    const clientId = this.#chooseClientId(principal)
    this.responseInformation = responseInformationFor(principal, this.#context.responseInformation)
    this.#checkAnswerFits()
    this.#checkWill(principal)
    const live = new AdmittedSession(this.#opener, principal, clientId, this)
    this.#context.access.sessions.register(live)
    this.#live = live
    await this.#openSession(live.principal, clientId)
  }

  /**
   * The peer proved itself anew (MQTT 5, 4.12.1): the session goes on under this principal, all of it at once. Resolves
   * when that is durable; throws when the principal does not hold any more, and then the connection must end.
   */
  async renew(principal: Principal): Promise<void> {
    if (this.#live === null || this.#session === null) throw new Failure('superseded')
    this.#context.access.sessions.renew(this.#live, principal)
    await this.#context.bus.sessions.rejudge(this.#session)
  }

  /** Undoes what was done so far: the connection is gone. */
  leave(keepWill: boolean): void {
    if (this.#live !== null) this.#context.access.sessions.remove(this.#live)
    if (this.#session !== null)
      this.#context.bus.sessions.disconnect(this.#session, this.#opener, { expiry: this.expiry, keepWill })
  }

  /** A gateway on the id of a child that has left it goes too. */
  accessChanged(principal: Principal, clientId: string): void {
    if (this.#context.door.admitsClientId(principal, clientId)) this.#session?.holdBy(principal)
    else this.#opener.end('client-id-not-yours')
  }

  /** MQTT 3.1 has no empty client identifier, 3.1.1 only with a clean session [MQTT-3.1.3-8]. */
  #checkEmptyClientId(): void {
    const { clientId, version, clean } = this.#connect
    if (clientId !== '' || version === 5 || (version === 4 && clean)) return
    throw new Failure(
      'invalid-identifier',
      'The client sent an empty client id and wants its session kept: give it one.',
    )
  }

  async #authenticate(): Promise<Principal> {
    const { authenticationMethod } = this.#connect.properties
    if (authenticationMethod === undefined)
      return this.#context.door.authenticate(evidenceOf(this.#peer, this.#connect))
    const { principal, data } = await this.#opener.converse(authenticationMethod)
    this.authenticationData = data
    return principal
  }

  /** [MQTT-3.1.3-6] an empty one is replaced; any other must be the principal's own to use. */
  #chooseClientId(principal: Principal): string {
    const { clientId } = this.#connect
    const { door, random } = this.#context
    if (clientId === '') {
      this.assignedClientId = door.assignClientId(principal, random)
      return this.assignedClientId
    }
    if (door.admitsClientId(principal, clientId)) return clientId
    throw new Failure(
      'client-id-not-yours',
      `${printable(principal.subject.id)} may not use the client id ${printable(clientId, 80)}.`,
    )
  }

  /** [MQTT-3.1.2-24] CONNACK must not be larger than the client takes: told before anything has happened. */
  #checkAnswerFits(): void {
    const { version, properties } = this.#connect
    const { maximumPacketSize } = properties
    if (version !== 5 || maximumPacketSize === undefined) return
    const { length } = encodeConnack(5, 0, false, connackProperties(this.#connect, this, this.#context.limits))
    if (length <= maximumPacketSize) return
    throw new Failure(
      'too-large',
      `CONNACK has ${length} bytes, and the client takes ${maximumPacketSize}: let it take more.`,
    )
  }

  /** A will is a publish; it is decided again when it is sent. */
  #checkWill(principal: Principal): void {
    const { will } = this.#connect
    if (will === null) return
    const { topic, qos, retain } = will
    const decision = this.#context.access.rights(principal).decide({ action: 'publish', target: topic, qos, retain })
    if (!decision.permit)
      throw new Failure(
        refusalOf(decision),
        `${printable(principal.subject.id)} may not publish its will to ${printable(topic)}.`,
      )
    if (!keepsItsFormat(will)) throw new Failure('payload-format-invalid') // (MQTT 5, 3.1.3.2.3)
  }

  async #openSession(principal: Principal, id: string): Promise<void> {
    const { clean: cleanStart } = this.#connect
    const { expiry } = this
    const will = willOf(this.#connect)
    const opened = this.#context.bus.sessions.open({ id, principal, cleanStart, expiry, will, link: this.#opener })
    this.#session = opened.session
    this.isPresent = opened.present
    await opened.stored
  }
}
