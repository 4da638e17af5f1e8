// The life of one MQTT connection, and the rules every packet meets before the session engine sees it.
import type { SessionEvent } from '../access/session-event.ts'
import type { Session } from '../bus/session.ts'
import { asFailure, type FailureCode } from '../model/failure.ts'
import type { Principal } from '../model/principal.ts'
import { printable } from '../model/printable.ts'
import type { Place } from '../stream/fair-line.ts'
import type { PeerSocket } from '../stream/peer-socket.ts'
import { answerTerms } from './answer-terms.ts'
import { connackProperties, deliveryTerms, evidenceOf } from './connect-terms.ts'
import { Connection, type Peer } from './connection.ts'
import { decodePacket } from './decode.ts'
import { Delivery } from './delivery.ts'
import { encodeConnack } from './encode.ts'
import { type Authenticated, EnhancedAuthentication } from './enhanced-authentication.ts'
import { FastPath } from './fast-path.ts'
import type { GateContext } from './gate-context.ts'
import { goodbye } from './goodbye.ts'
import { IncomingPublishes } from './incoming-publishes.ts'
import { type Opener, Opening } from './opening.ts'
import {
  type AuthPacket,
  type ClientPacket,
  type ConnectPacket,
  type DisconnectPacket,
  REASON,
  TYPE,
} from './packets.ts'
import { violation } from './property-table.ts'
import { PublishTopics } from './publish-topics.ts'
import type { EngineSession, EngineSide } from './session-engine.ts'
import { Subscribing } from './subscribing.ts'
import { Throttle } from './throttle.ts'

/** What works on packets between CONNACK and the end. */
interface Traffic {
  readonly session: Session
  readonly delivery: Delivery
  readonly fast: FastPath
  readonly incoming: IncomingPublishes
  readonly subscribing: Subscribing
}

/**
 * Whoever ends for one of these reasons was not who it had to be any more: its will is the word of somebody who may not
 * speak, so it is not sent. A credential that ran out was good to its end.
 */
const SILENCED: ReadonlySet<FailureCode> = new Set<FailureCode>([
  'credential-revoked',
  'credential-not-active',
  'owner-suspended',
  'token-revoked',
  'unknown-identity',
  'certificate-unknown',
  'certificate-untrusted',
  'superseded',
])

export class Gate implements Peer, EngineSide, Opener {
  /** Of the connection: stands in every log line and audit event about it. */
  readonly id: string
  /** Milliseconds since the epoch. */
  readonly since: number
  readonly #peer: PeerSocket
  readonly #context: GateContext
  readonly #connection: Connection
  readonly #engine: EngineSession
  readonly #onGone: (gate: Gate) => void
  #connect: ConnectPacket | null = null
  #opening: Opening | null = null
  #conversation: EnhancedAuthentication | null = null
  /** Where CONNECT stands in line, while it is worked on. */
  #place: Place | null = null
  #traffic: Traffic | null = null
  #received = 0
  /** null until something is read after CONNACK. */
  #throttle: Throttle | null = null
  #keepWill = true
  #ended = false

  constructor(peer: PeerSocket, context: GateContext, onGone: (gate: Gate) => void) {
    const { limits, clock, turn, random } = context
    this.id = random.bytes(9).toString('base64url')
    this.since = clock.now()
    this.#peer = peer
    this.#context = context
    this.#onGone = onGone
    this.#connection = new Connection(peer.stream, limits, clock, turn)
    this.#engine = context.engine.open(this)
    this.#connection.start(this)
  }

  get isConnected(): boolean {
    return this.#traffic !== null
  }

  get isEnded(): boolean {
    return this.#ended
  }

  /** Resolves when the socket is closed. */
  closed(): Promise<void> {
    return this.#connection.whenClosed()
  }

  /** Ends whoever was silent for too long. */
  sweep(now: number): void {
    const { connectTimeout } = this.#context.limits
    const keepAlive = this.#opening?.keepAlive ?? 0
    if (this.#traffic === null) {
      if (now - this.since > connectTimeout * 1000) this.end('connect-timeout')
    } else if (this.#connection.isDeaf) this.startTimeAt(now)
    else if (keepAlive > 0 && now - this.#connection.lastSeen > keepAlive * 1500) this.end('keep-alive') // [MQTT-3.1.2-22]
  }

  /** Counts silence from now on. */
  startTimeAt(now: number): void {
    this.#connection.lastSeen = now
  }

  // --- packets --------------------------------------------------------------------------------------------------------------

  packet(bytes: Buffer, at: number, body: number, end: number): void {
    const traffic = this.#traffic
    if (traffic === null) {
      this.#beforeConnack(decodePacket(bytes, at, body, end, this.#connect?.version ?? null))
      return
    }
    if ((bytes[at] ?? 0) >> 4 === TYPE.publish) this.#received++
    if (traffic.fast.take(bytes, at, body, end)) return
    traffic.fast.flush()
    this.#act(decodePacket(bytes, at, body, end, this.#connect?.version ?? null), traffic)
  }

  endOfRead(bytes: number): void {
    this.#traffic?.fast.flush()
    this.#context.turn.traffic.publishesReceived += this.#received
    if (this.#received > 0) this.#context.meter.count('latchkey_messages_received_total', undefined, this.#received)
    if (this.#traffic !== null && !this.#ended) this.#throttled.endOfRead(this.#received, bytes)
    this.#received = 0
  }

  get #throttled(): Throttle {
    this.#throttle ??= new Throttle(this.id, this.#connection, this.#context)
    return this.#throttle
  }

  drained(): void {
    this.#traffic?.delivery.pump()
  }

  #beforeConnack(packet: ClientPacket): void {
    if (packet.type === 'connect') {
      this.#connect = packet
      this.#context.reception.judge(this.#peer.address)
      this.#connection.hold()
      this.#engine.connect(packet, () => this.#connack())
    } else if (packet.type === 'auth' && this.#conversation !== null) this.#conversation.received(packet)
    else throw violation(`${packet.type} before CONNACK`)
  }

  #act(packet: ClientPacket, { delivery, incoming, subscribing }: Traffic): void {
    switch (packet.type) {
      case 'publish':
        incoming.publish(packet)
        break
      case 'puback':
        delivery.puback(packet.packetId)
        break
      case 'pubrec':
        delivery.pubrec(packet.packetId, packet.reason)
        break
      case 'pubcomp':
        delivery.pubcomp(packet.packetId)
        break
      case 'pubrel':
        incoming.pubrel(packet.packetId)
        break
      case 'subscribe':
        subscribing.subscribe(packet).catch(error => this.failed(error))
        break
      case 'unsubscribe':
        subscribing.unsubscribe(packet).catch(error => this.failed(error))
        break
      case 'pingreq':
        this.#engine.ping()
        break
      case 'disconnect':
        this.#disconnect(packet)
        break
      case 'auth':
        this.#authenticateAgain(packet)
        break
      default:
        throw violation(`${packet.type} after CONNACK`)
    }
  }

  /** Only who named a method in CONNECT may send AUTH [MQTT-4.12.0-7]. Whatever fails ends the connection [MQTT-4.12.1-2]. */
  #authenticateAgain(packet: AuthPacket): void {
    const conversation = this.#conversation
    const opening = this.#opening
    const connect = this.#connect
    if (conversation === null || connect === null || !opening?.live) throw violation('AUTH without a method in CONNECT')
    const before = opening.live.principal
    if (packet.reason !== REASON.reAuthenticate) {
      conversation.received(packet)
      return
    }
    const begin = (method: string) => this.#context.door.begin(evidenceOf(this.#peer, connect), method, before)
    const renew = async (principal: Principal) => {
      if (!this.#ended) await opening.renew(principal)
    }
    conversation.again(packet, begin, renew).catch(error => this.failed(error))
  }

  /** The client leaves (MQTT 5, 3.14). */
  #disconnect({ reason, properties }: DisconnectPacket): void {
    const { sessionExpiryInterval } = properties
    if (sessionExpiryInterval !== undefined && this.#opening !== null) {
      if (sessionExpiryInterval > 0 && this.#opening.expiry === 0) throw violation('session expiry') // (MQTT 5, 3.14.2.2.2)
      this.#opening.expiry = Math.min(sessionExpiryInterval, this.#context.limits.sessionExpiry)
    }
    this.#keepWill = reason !== 0 // [MQTT-3.14.4-3]
    this.#connection.leave()
    this.#leave(null)
  }

  // --- the end ----------------------------------------------------------------------------------------------------------------

  /** At once: what is queued is dropped, and nothing is written after it but the goodbye. MQTT 5 clients learn why. */
  end(failure: FailureCode): void {
    if (this.#ended) return
    if (SILENCED.has(failure)) this.#keepWill = false
    const terms = this.#connect === null ? null : answerTerms(this.#connect)
    this.#connection.cut(goodbye(failure, terms, this.#traffic !== null))
    this.#leave(failure)
  }

  failed(error: unknown): void {
    if (this.#ended) return
    const failure = asFailure(error)
    const { log } = this.#context
    const connection = this.id
    if (failure.code === 'internal') log.error({ connection, err: error }, 'a packet could not be handled')
    else log.debug({ connection, failure: failure.code, reason: failure.message }, 'connection ended')
    this.#traffic?.fast.flush() // what came before was valid
    this.end(failure.code)
  }

  gone(): void {
    if (!this.#ended) this.#leave(null)
  }

  #leave(failure: FailureCode | null): void {
    this.#ended = true
    this.#engine.close()
    this.#traffic?.delivery.detach()
    this.#throttle?.stop()
    this.#opening?.leave(this.#keepWill)
    if (this.#traffic !== null) this.#record('session-end', failure)
    if (failure !== null) this.#context.meter.count('latchkey_mqtt_ended_total', { failure })
    this.#onGone(this)
  }

  #record(type: SessionEvent['type'], failure: FailureCode | null): void {
    const live = this.#opening?.live
    if (!live) return
    const { transport, address } = this.#peer
    const { kind, id } = live.principal.subject
    const principal = kind === 'anonymous' ? null : id
    const { clientId } = live
    // in the order in which the trail writes them
    this.#context.recordSession({ address, clientId, failure, principal, session: this.id, transport, type })
    const client = printable(live.clientId ?? '')
    this.#context.log.info({ connection: this.id, principal: id, client, transport, address, failure }, type)
  }

  // --- what opening and the engine ask ------------------------------------------------------------------------------------------

  async admit(): Promise<boolean> {
    const connect = this.#connect
    if (connect === null || this.#ended) return false
    const place = await this.#context.reception.connect(this.#peer.address)
    this.#place = place
    try {
      if (this.#ended) return false
      this.#opening = new Opening(connect, this.#peer, this, this.#context)
      await this.#opening.pass()
    } catch (error) {
      this.failed(error)
    } finally {
      place.leave()
      this.#place = null
    }
    return !this.#ended
  }

  async converse(method: string): Promise<Authenticated> {
    const connect = this.#connect
    if (connect === null) throw violation('AUTH before CONNECT')
    const exchange = this.#context.door.begin(evidenceOf(this.#peer, connect), method)
    const { maximumPacketSize, authenticationData = null } = connect.properties
    this.#conversation = new EnhancedAuthentication(method, this.#connection, maximumPacketSize)
    const step = async (data: Buffer | null) => {
      const taken = await exchange.step(data)
      this.#place?.leave() // the time that the client takes for its answer is not ours
      return taken
    }
    return this.#conversation.run({ step }, authenticationData)
  }

  #connack(): void {
    const connect = this.#connect
    const opening = this.#opening
    const session = opening?.session
    if (this.#ended || connect === null || !opening || !session) return
    const { limits, bus, access, clock, meter } = this.#context
    const properties = connackProperties(connect, opening, limits)
    this.#connection.push(encodeConnack(connect.version, 0, opening.isPresent, properties))
    this.#connection.flush() // it is out before what was held can end the connection [MQTT-3.2.0-1]
    this.#peer.admitted()
    const { version } = connect
    const connection = this.#connection
    const engine = this.#engine
    const terms = deliveryTerms(connect)
    const { maximumPacketSize } = terms
    const topics = new PublishTopics(session, bus.router, this.#context)
    // No spreads: what one makes can have a hidden class of its own, half a kilobyte for each connection.
    const delivery = new Delivery({ session, connection, access, clock, meter }, terms)
    const { wantsReasons } = answerTerms(connect)
    const parts = {
      bus,
      session,
      connection,
      engine,
      limits,
      version,
      maximumPacketSize,
      wantsReasons,
      topics,
      delivery,
      meter,
    }
    const incoming = new IncomingPublishes(parts)
    this.#traffic = {
      session,
      delivery,
      fast: new FastPath(parts, incoming),
      incoming,
      subscribing: new Subscribing(parts),
    }
    connect.will = null
    if (this.#conversation === null) {
      connect.password = null
      this.#peer.forget()
    } // else it may begin anew, with all that was shown
    bus.attach(session, delivery)
    this.#record('session-start', null)
    delivery.pump()
    this.#connection.release()
  }

  write(bytes: Buffer): void {
    this.#connection.push(bytes, 0)
  }

  answered(): void {
    this.#connection.traffic.packetsSent++
  }

  isReceived(packetId: number): boolean {
    return this.#opening?.session?.received.has(packetId) ?? false
  }

  async release(packetId: number): Promise<void> {
    const session = this.#opening?.session
    if (session) await this.#context.bus.sessions.release(session, packetId)
  }
}
