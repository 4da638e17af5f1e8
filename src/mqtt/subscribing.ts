// SUBSCRIBE and UNSUBSCRIBE (MQTT 5, 3.8 and 3.10).
import type { Bus } from '../bus/bus.ts'
import type { Session } from '../bus/session.ts'
import type { Subscription } from '../bus/subscription.ts'
import { FAILURES, Failure, type FailureCode } from '../model/failure.ts'
import { printable } from '../model/printable.ts'
import { parseFilter } from '../model/topic.ts'
import { type AnswerTerms, reasonFor } from './answer-terms.ts'
import { malformed } from './byte-reader.ts'
import type { Connection } from './connection.ts'
import { encodeSuback, variableLength } from './encode.ts'
import type { MqttLimits } from './limits.ts'
import type { SubscribePacket, SubscriptionRequest, UnsubscribePacket } from './packets.ts'
import { violation } from './property-table.ts'
import type { EngineSession } from './session-engine.ts'

export interface SubscribingParts extends AnswerTerms {
  readonly bus: Bus
  readonly session: Session
  readonly connection: Connection
  readonly engine: EngineSession
  readonly limits: MqttLimits
}

/** SUBACK of MQTT 3 knows one failure. */
const FAILED = 0x80

interface GrantedName {
  readonly name: string
  /** The QoS granted, or why not. */
  readonly code: number
  readonly failure: FailureCode | null
}

/** What follows either packet is read when it has been answered. */
export class Subscribing {
  readonly #parts: SubscribingParts

  constructor(parts: SubscribingParts) {
    this.#parts = parts
  }

  /** Throws when the packet is not valid. Resolves when it is with the engine; rejects when it could not be stored. */
  subscribe(packet: SubscribePacket): Promise<void> {
    for (const { name, noLocal } of packet.subscriptions) this.#check(name, noLocal) // all, before any takes effect
    this.#checkAnswerFits(packet.subscriptions.length)
    this.#parts.connection.hold()
    return this.#subscribe(packet)
  }

  /** The same for UNSUBSCRIBE. */
  unsubscribe(packet: UnsubscribePacket): Promise<void> {
    for (const name of packet.names) this.#check(name, false)
    this.#checkAnswerFits(packet.names.length)
    this.#parts.connection.hold()
    return this.#unsubscribe(packet)
  }

  async #subscribe({ packetId, subscriptions, properties }: SubscribePacket): Promise<void> {
    const { bus, session, connection, engine, limits } = this.#parts
    const wantRetained: Subscription[] = []
    const granted = subscriptions.map((request, i) =>
      i < limits.filtersPerPacket
        ? this.#grant(request, properties.subscriptionIdentifier, wantRetained)
        : this.#refuse(request.name, 'quota-exceeded'),
    )
    await bus.storeSubscriptions(
      session,
      granted.filter(({ code }) => code < FAILED).map(({ name }) => name),
    )
    if (connection.closed) return
    const codes = granted.map(({ code }) => code)
    const answered = () => {
      for (const subscription of wantRetained) bus.sendRetained(subscription)
      connection.release()
    }
    const refused = granted.flatMap(({ failure }) => (failure === null ? [] : [failure]))
    if (refused.length === 0 || !this.#tell(packetId, codes, refused)) engine.subscribe(packetId, codes, answered)
    else answered()
  }

  /** The engine's SUBACK holds codes alone. Returns false where there is no reason to tell, or no room [MQTT-3.9.2-1]. */
  #tell(packetId: number, codes: readonly number[], refused: readonly FailureCode[]): boolean {
    const { connection, maximumPacketSize } = this.#parts
    const reason = reasonFor(refused, this.#parts)
    const answer = reason === null ? null : encodeSuback(packetId, codes, reason)
    if (answer === null || answer.length > maximumPacketSize) return false
    connection.push(answer)
    return true
  }

  #grant(request: SubscriptionRequest, identifier: number | undefined, wantRetained: Subscription[]): GrantedName {
    const { bus, session } = this.#parts
    const { name, qos, noLocal, retainAsPublished, retainHandling } = request
    const options = { qos, noLocal, retainAsPublished, identifier: identifier ?? null }
    const granted = bus.subscribe(session, name, options)
    if (granted.failure !== null) return this.#refuse(name, granted.failure)
    const { subscription, isNew } = granted
    // (MQTT 5, 3.8.3.1); a shared subscription gets none (MQTT 5, 4.8.2)
    if (subscription.group === null && (retainHandling === 0 || (retainHandling === 1 && isNew)))
      wantRetained.push(subscription)
    return { name, code: subscription.qos, failure: null }
  }

  #refuse(name: string, failure: FailureCode): GrantedName {
    return { name, code: this.#parts.version === 5 ? FAILURES[failure].mqtt5 : FAILED, failure }
  }

  async #unsubscribe({ packetId, names }: UnsubscribePacket): Promise<void> {
    const { bus, session, connection, engine } = this.#parts
    const before = new Set<string>()
    const existed = names.map(name => {
      const isFirst = !before.has(name)
      before.add(name)
      return isFirst && session.subscriptions.has(name) // what occurs again is gone by then [MQTT-3.10.4-6]
    })
    await bus.sessions.unsubscribe(session, names)
    engine.unsubscribe(packetId, existed, () => connection.release())
  }

  /** SUBACK and UNSUBACK: a packet identifier, no properties, a code for each name [MQTT-3.1.2-24]. */
  #checkAnswerFits(codes: number): void {
    const { maximumPacketSize } = this.#parts
    const body = 3 + codes
    const length = 1 + variableLength(body) + body
    if (length <= maximumPacketSize) return
    throw new Failure(
      'too-large',
      `The answer to ${codes} filters has ${length} bytes, and the client takes ${maximumPacketSize}: let it name fewer at once.`,
    )
  }

  #check(name: string, noLocal: boolean): void {
    const parsed = parseFilter(name)
    if (parsed === null) {
      if (this.#parts.version === 5 && name.startsWith('$share'))
        throw new Failure('topic-filter-invalid', `${printable(name)} is no shared subscription.`) // [MQTT-4.8.2-1]
      throw malformed('topic filter')
    }
    if (parsed.group !== null && noLocal) throw violation('no-local on a shared subscription') // [MQTT-3.8.3-4]
  }
}
