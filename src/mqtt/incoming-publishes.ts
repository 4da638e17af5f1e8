// PUBLISH and PUBREL as they come in: rules, permission, and the hand-over to the bus (MQTT 5, 3.3 and 4.3).
import { type Bus, refusalOf } from '../bus/bus.ts'
import type { Requester, ServiceTopic } from '../bus/receiver.ts'
import type { Session } from '../bus/session.ts'
import { Failure } from '../model/failure.ts'
import type { IncomingMessage, MessageProperties } from '../model/message.ts'
import type { Meter } from '../model/meter.ts'
import { printable } from '../model/printable.ts'
import { isTopicName } from '../model/topic.ts'
import type { Connection } from './connection.ts'
import type { MqttLimits } from './limits.ts'
import type { Properties, ProtocolVersion, PublishPacket } from './packets.ts'
import { keepsItsFormat } from './payload-format.ts'
import { violation } from './property-table.ts'
import type { PublishTopics } from './publish-topics.ts'
import type { Accepted, EngineSession } from './session-engine.ts'

export interface IncomingParts {
  readonly bus: Bus
  readonly session: Session
  readonly topics: PublishTopics
  readonly connection: Connection
  readonly engine: EngineSession
  readonly limits: MqttLimits
  readonly version: ProtocolVersion
  /** What a service topic answers to. */
  readonly delivery: Requester
  readonly meter: Meter
}

export class IncomingPublishes {
  readonly #parts: IncomingParts
  #aliases: Map<number, string> | null = null
  /** Packet identifiers of this connection's unfinished QoS 1 and 2 exchanges: the window begins anew (MQTT 5, 4.9). */
  #unfinished: Set<number> | null = null
  /** The acceptance before, by QoS, while it is not settled: acknowledgements keep the order of arrival. */
  #before: { 1: Promise<Accepted> | null; 2: Promise<Accepted> | null } | null = null
  #inEngine = 0

  constructor(parts: IncomingParts) {
    this.#parts = parts
  }

  /** Nothing of this client is inside the engine: a packet that goes past it overtakes none. */
  get isIdle(): boolean {
    return this.#inEngine === 0
  }

  publish(packet: PublishPacket): void {
    const { qos, packetId } = packet
    const topic = this.#topicOf(packet)
    if (!isTopicName(topic))
      throw new Failure('topic-name-invalid', `The client published to ${printable(topic)}, which is no topic name.`)
    if (qos === 0) {
      const accepted = this.#accept(packet, topic)
      if (accepted instanceof Promise) accepted.catch(() => {})
      return
    }
    this.#begin(packetId)
    const { engine, connection, limits } = this.#parts
    if (++this.#inEngine === limits.outstanding) connection.pause()
    engine.publish(
      { qos, packetId },
      () => this.#inOrder(qos, this.#accept(packet, topic)),
      () => {
        if (qos === 1) this.#unfinished?.delete(packetId)
        if (this.#inEngine-- === limits.outstanding) connection.resume()
      },
    )
  }

  pubrel(packetId: number): void {
    this.#parts.engine.pubrel(packetId, () => this.#unfinished?.delete(packetId))
  }

  /**
   * A QoS 2 message that goes past the engine: its identifier is remembered until PUBREL. False when it has to go through
   * it: the session outlives its connection, so that the identifier is stored, or the message is a repetition.
   */
  beginInMemory(packetId: number): boolean {
    const { session } = this.#parts
    if (session.onDisk || session.received.has(packetId)) return false
    this.#begin(packetId)
    session.received.add(packetId)
    return true
  }

  /** PUBREL: false when the engine has to answer it, because something is to be stored first, or it is not known. */
  endInMemory(packetId: number): boolean {
    const { session } = this.#parts
    if (session.onDisk || !this.isIdle || !session.received.delete(packetId)) return false
    this.#unfinished?.delete(packetId)
    return true
  }

  #begin(packetId: number): void {
    this.#unfinished ??= new Set() // an idle connection has none
    this.#unfinished.add(packetId)
    const { version, limits } = this.#parts
    const most = version === 5 ? limits.receiveMaximum : limits.halfOpenMaximum
    if (this.#unfinished.size <= most) return
    throw new Failure('receive-maximum', `The client has more than ${most} messages in flight.`) // [MQTT-3.3.4-7]
  }

  /** Resolves a topic alias (MQTT 5, 3.3.2.3.4). */
  #topicOf({ topic, properties }: PublishPacket): string {
    const alias = properties?.topicAlias
    if (alias === undefined) return topic
    const most = this.#parts.limits.topicAliasMaximum
    if (alias === 0 || alias > most)
      throw new Failure('topic-alias-invalid', `The client used the topic alias ${alias}; 1 to ${most} are allowed.`) // [MQTT-3.3.2-8], [MQTT-3.3.2-9]
    if (topic !== '') {
      this.#aliases ??= new Map()
      this.#aliases.set(alias, topic)
      return topic
    }
    const known = this.#aliases?.get(alias)
    if (known === undefined) throw violation(`topic alias ${alias} stands for nothing`)
    return known
  }

  /** Decides and hands over. A refusal is a code; null means that the message is taken care of. */
  #accept(packet: PublishPacket, topic: string): Accepted | Promise<Accepted> {
    const { session } = this.#parts
    const { qos, packetId } = packet
    const isRepetition = qos === 2 && session.received.has(packetId) // [MQTT-4.3.3-10]
    const accepted = isRepetition ? (session.arriving.get(packetId) ?? null) : this.#decideAndAccept(packet, topic)
    if (!(accepted instanceof Promise)) return this.#settled(packetId, accepted)
    // The connection may be lost meanwhile, and the repetition come by the next one.
    if (qos === 2) session.arriving.set(packetId, accepted)
    return accepted.then(refusal => {
      if (qos === 2) session.arriving.delete(packetId)
      return this.#settled(packetId, refusal)
    })
  }

  #settled(packetId: number, refusal: Accepted): Accepted {
    if (refusal !== null) this.#unfinished?.delete(packetId)
    return refusal
  }

  #decideAndAccept(packet: PublishPacket, topic: string): Accepted | Promise<Accepted> {
    const { bus, session, topics } = this.#parts
    const { qos, retain, payload } = packet
    const properties = forwardedProperties(packet.properties)
    const plain = { topic, payload, qos, retain }
    const incoming: IncomingMessage = properties === undefined ? plain : { ...plain, properties }
    const service = bus.service(topic)
    if (service !== undefined) return settled(this.#ask(service, incoming, packet.packetId))
    const decision = topics.get(topic).decide(qos, retain)
    if (!decision.permit) return refusalOf(decision)
    if (!keepsItsFormat(packet)) {
      this.#parts.meter.count('latchkey_messages_refused_total', { reason: 'payload-format' })
      return 'payload-format-invalid'
    }
    try {
      const exchange = qos === 2 ? { session, packet: packet.packetId } : null
      const stored = bus.accept(bus.arriving(incoming, topics.publisher), exchange)
      return stored === null ? null : settled(stored)
    } catch (error) {
      return codeOf(error)
    }
  }

  /** A QoS 2 request is remembered by this session in memory, so that its repetition does not ask again [MQTT-4.3.3-10]. */
  async #ask(service: ServiceTopic, request: IncomingMessage, packetId: number): Promise<void> {
    const { session, delivery, connection } = this.#parts
    if (connection.closed) throw new Failure('superseded') // the session may be somebody else's by now
    if (request.qos === 2) session.received.add(packetId)
    try {
      await service.handle(request, session.principal, delivery)
    } catch (error) {
      if (request.qos === 2) session.received.delete(packetId)
      throw error
    }
  }

  #inOrder(qos: 1 | 2, accepted: Accepted | Promise<Accepted>): Accepted | Promise<Accepted> {
    const before = this.#before?.[qos] ?? null
    if (before === null && !(accepted instanceof Promise)) return accepted
    const turn = before?.then(() => accepted) ?? Promise.resolve(accepted)
    this.#before ??= { 1: null, 2: null }
    const last = this.#before
    last[qos] = turn
    const over = () => {
      if (last[qos] === turn) last[qos] = null
    }
    turn.then(over, over)
    return turn
  }
}

/** Without the alias, which is the connection's; undefined when nothing is left. */
function forwardedProperties(properties: Properties | undefined): MessageProperties | undefined {
  if (properties === undefined) return undefined
  const { topicAlias: _, ...forwarded } = properties
  return Object.keys(forwarded).length > 0 ? forwarded : undefined
}

/** The message is taken care of, or refused with a code. */
const settled = (work: Promise<void>): Promise<Accepted> => work.then(() => null, codeOf)

function codeOf(error: unknown): Accepted {
  if (error instanceof Failure) return error.code
  throw error
}
