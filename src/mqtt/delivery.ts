// The outgoing half of a connection: what is in flight, and the limits that the client set in CONNECT.
import { Message } from '../bus/message.ts'
import type { QueueEntry } from '../bus/queue.ts'
import type { Delivered, Receiver, Requester } from '../bus/receiver.ts'
import type { Session } from '../bus/session.ts'
import type { Clock } from '../model/clock.ts'
import type { Meter } from '../model/meter.ts'
import type { Connection } from './connection.ts'
import { EMPTY, encodeAcknowledgement, encodeProperties, encodePublishHead, tailOf } from './encode.ts'
import { type FrameLane, forwarded, identifiedHead, identifiedLane, laneOf, sharedFrame } from './lanes.ts'
import { type ProtocolVersion, REASON } from './packets.ts'
import { violation } from './property-table.ts'

/** What the client takes (MQTT 5, 3.1.2.11); before MQTT 5 there are no such limits. */
export interface DeliveryTerms {
  readonly version: ProtocolVersion
  readonly receiveMaximum: number
  /** Bytes; Infinity without a limit. */
  readonly maximumPacketSize: number
  readonly topicAliasMaximum: number
}

/** What a delivery needs from around it. */
export interface DeliveryParts {
  readonly session: Session
  readonly connection: Connection
  /** For its epoch. */
  readonly access: { readonly epoch: number }
  readonly clock: Clock
  readonly meter: Meter
}

/** Deterministic, so that a QoS 2 redelivery after a crash has the identifier that the client knows [MQTT-4.4.0-1]. */
export const packetIdOf = (sequence: number): number => ((sequence - 1) % 65_535) + 1

/** The next acknowledgement of a copy that is not kept. */
type Awaited = 'puback' | 'pubrec' | 'pubcomp'

export class Delivery implements Receiver, Requester {
  readonly lane: FrameLane | null
  readonly version: ProtocolVersion
  readonly connection: Connection
  readonly #parts: DeliveryParts
  readonly #terms: DeliveryTerms
  /** By packet identifier; only what is awaited where nothing has to be repeated (see `takePacketId`). */
  #inflightOrNone: Map<number, QueueEntry | Awaited> | null = null
  /** null for a client that takes none. */
  readonly #aliases: Map<string, number> | null

  constructor(parts: DeliveryParts, terms: DeliveryTerms) {
    this.#parts = parts
    this.#terms = terms
    this.connection = parts.connection
    this.version = terms.version
    const plain = terms.topicAliasMaximum === 0 && terms.maximumPacketSize === Number.POSITIVE_INFINITY
    this.lane = plain ? laneOf(terms.version) : null
    this.#aliases = terms.topicAliasMaximum > 0 ? new Map() : null
  }

  /** Made when first needed: an idle connection has none. */
  get #inflight(): Map<number, QueueEntry | Awaited> {
    this.#inflightOrNone ??= new Map()
    return this.#inflightOrNone
  }

  get congested(): boolean {
    return this.connection.congested
  }

  get room(): number {
    return this.#terms.maximumPacketSize
  }

  /** Also to a slow reader: whoever asks without reading is cut off by its connection. */
  answer({ topic, payload, properties }: Parameters<Requester['answer']>[0]): boolean {
    const fields = { topic, payload, qos: 0, retain: false, ...(properties && { properties }) } as const
    const message = new Message({ ...fields, expiresAt: null, publisher: null })
    const head = this.#encode(message, { qos: 0, retain: false, identifiers: [], dup: false, packetId: 0 })
    if (head === null || this.connection.closed) return false
    this.push(head, tailOf(message.payload))
    return true
  }

  /** The connection is gone: what is not finished goes back to the session. */
  detach(): void {
    const entries = [...(this.#inflightOrNone?.values() ?? [])].filter(entry => typeof entry === 'object')
    this.#inflightOrNone = null
    this.#parts.session.queue.putBack(entries)
  }

  // --- sending ------------------------------------------------------------------------------------------------------------

  share(bytes: Buffer, count: number): void {
    if (this.congested) this.#dropped(count)
    else {
      this.connection.traffic.publishesSent += count
      this.connection.push(bytes, count)
    }
  }

  send(message: Message, delivered: Delivered): void {
    if (this.congested) {
      this.#dropped(1)
      return
    }
    const lane = this.#laneOf(message, delivered)
    if (lane !== null) {
      this.push(sharedFrame(message, lane, delivered.identifiers), EMPTY)
      return
    }
    const head = this.#encode(message, { ...delivered, qos: 0, dup: false, packetId: 0 })
    if (head !== null) this.push(head, tailOf(message.payload))
  }

  /** See `Receiver.pass`. */
  pass(message: Message, delivered: Delivered, qos: 1 | 2): boolean {
    if (message.hasExpired(this.#parts.clock.now())) return true // [MQTT-3.3.2-5]
    const packetId = this.takePacketId(qos)
    if (packetId === 0) return false
    const { retain, identifiers } = delivered
    const lane = this.#laneOf(message, delivered)
    const head =
      lane === null
        ? this.#encode(message, { qos, retain, identifiers, dup: false, packetId })
        : identifiedHead(message, lane, identifiers, qos, packetId)
    if (head === null) this.#inflight.delete(packetId)
    else this.push(head, tailOf(message.payload))
    return true
  }

  /** Who gets the very same bytes, but for the identifier of QoS 1 and 2; null when this copy is like no other. */
  #laneOf(message: Message, { retain, identifiers }: Delivered): FrameLane | null {
    if (this.lane === null || retain || message.expiresAt !== null) return null
    const [identifier] = identifiers
    if (identifier === undefined) return this.lane
    return identifiers.length === 1 ? identifiedLane(identifier) : null
  }

  /** A PUBLISH: a large payload follows its head, and is the same for everybody. */
  push(head: Buffer, tail: Buffer): void {
    this.connection.traffic.publishesSent++
    this.connection.push(head)
    if (tail.length > 0) this.connection.push(tail, 0)
  }

  #dropped(count: number): void {
    this.#parts.meter.count('latchkey_messages_dropped_total', { reason: 'slow-reader' }, count)
  }

  queued(): void {
    this.pump()
  }

  /** Sends what waits, as far as the client's window and the socket allow. */
  pump(): void {
    const { queue, backlog } = this.#parts.session
    while (!queue.isEmpty && this.#inflight.size < this.#terms.receiveMaximum && !this.congested) {
      const entry = queue.peek()
      if (entry === undefined) break
      const packetId = packetIdOf(entry.sequence)
      if (this.#inflight.has(packetId)) break // 65 535 messages after one that is still not acknowledged
      queue.shift()
      this.#sendEntry(entry, packetId)
    }
    if (!backlog.isEmpty && !this.congested) backlog.goOn()
  }

  #sendEntry(entry: QueueEntry, packetId: number): void {
    if (entry.released) {
      this.#inflight.set(packetId, entry)
      this.#release(entry, packetId)
      return
    }
    const tail = tailOf(entry.message?.payload ?? EMPTY)
    const head = this.#headOf(entry, packetId)
    if (head !== null) {
      entry.sent = true
      this.#inflight.set(packetId, entry)
      this.push(head, tail)
    } else if (entry.sent && entry.qos === 2) {
      // The client may hold this identifier: it is told to forget it, without the message.
      this.#inflight.set(packetId, entry)
      this.#release(entry, packetId)
    } else this.#parts.session.queue.finish(entry)
  }

  /** null when the message must not leave any more, or is too large for this client. */
  #headOf(entry: QueueEntry, packetId: number): Buffer | null {
    const { message, qos, retain, identifiers, sent } = entry
    const { session, clock, access } = this.#parts
    if (message === null) return null
    if (!sent && message.hasExpired(clock.now())) return null // [MQTT-3.3.2-5]
    if (entry.permittedAt !== access.epoch && !session.mayReceive(message.topic, qos, retain)) return null
    return this.#encode(message, { qos, retain, identifiers, dup: sent, packetId }) // DUP [MQTT-3.3.1-1]
  }

  /**
   * For what is passed: an identifier, if the message may leave at once, else 0. All that is kept of it is which
   * acknowledgement comes next; the last one opens the window again.
   */
  takePacketId(qos: 1 | 2): number {
    const { queue } = this.#parts.session
    if (!queue.isEmpty || this.#inflight.size >= this.#terms.receiveMaximum || this.congested) return 0
    const packetId = packetIdOf(queue.nextSequence())
    if (this.#inflight.has(packetId)) return 0
    this.#inflight.set(packetId, qos === 1 ? 'puback' : 'pubrec')
    return packetId
  }

  /** See `push`; null when the whole is larger than the client takes: then it is as if delivered [MQTT-3.1.2-25]. */
  #encode(message: Message, how: Delivered & { qos: 0 | 1 | 2; dup: boolean; packetId: number }): Buffer | null {
    const { version, maximumPacketSize, topicAliasMaximum } = this.#terms
    const { topic, payload } = message
    const { qos, retain, dup, packetId } = how
    // Fields one by one: to spread an object for each message takes longer than to encode it.
    if (version !== 5)
      return encodePublishHead({ version, topic, payload, qos, retain, dup, packetId, properties: EMPTY })
    const known = this.#aliases?.get(topic) ?? 0
    const count = this.#aliases?.size ?? 0
    const fresh = known === 0 && count < topicAliasMaximum ? count + 1 : 0
    const expiry = message.secondsLeft(this.#parts.clock.now())
    const encode = (name: string, alias: number) => {
      const properties = encodeProperties(forwarded(message), { expiry, identifiers: how.identifiers, alias })
      return encodePublishHead({ version, topic: name, payload, qos, retain, dup, packetId, properties })
    }
    const most = maximumPacketSize - tailOf(payload).length
    const head = encode(known ? '' : topic, known || fresh) // (MQTT 5, 3.3.2.3.4)
    if (head.length <= most) {
      if (fresh) this.#aliases?.set(topic, fresh)
      return head
    }
    const plain = known || fresh ? encode(topic, 0) : head // an alias takes three bytes
    return plain.length <= most ? plain : null // [MQTT-3.1.2-24]
  }

  // --- acknowledgements ---------------------------------------------------------------------------------------------------

  puback(packetId: number): void {
    const entry = this.#inflight.get(packetId)
    if (entry === undefined) return
    if (qosOf(entry) === 2) throw violation('PUBACK for a QoS 2 message')
    this.#finish(packetId, entry)
  }

  pubrec(packetId: number, reason: number): void {
    const entry = this.#inflight.get(packetId)
    if (entry === undefined) {
      this.connection.push(encodeAcknowledgement('pubrel', packetId, this.version, REASON.packetIdentifierNotFound))
      return
    }
    if (qosOf(entry) === 1) throw violation('PUBREC for a QoS 1 message')
    if (reason >= 0x80)
      this.#finish(packetId, entry) // the exchange ends here (MQTT 5, 4.3.3)
    else this.#release(entry, packetId)
  }

  pubcomp(packetId: number): void {
    const entry = this.#inflight.get(packetId)
    if (entry === undefined) return
    const isReleased = typeof entry === 'object' ? entry.released : entry === 'pubcomp'
    if (!isReleased) throw violation('PUBCOMP before PUBREL')
    this.#finish(packetId, entry)
  }

  /**
   * The release must outlive a crash: a PUBLISH repeated after PUBCOMP would be a second message. PUBREL that is sent
   * again waits as well: what the connection before began may still be on its way to the store.
   */
  #release(entry: QueueEntry | Awaited, packetId: number): void {
    const send = () => this.connection.push(encodeAcknowledgement('pubrel', packetId, this.version))
    if (typeof entry !== 'object') {
      this.#inflight.set(packetId, 'pubcomp')
      send()
      return
    }
    const stored = this.#parts.session.queue.release(entry)
    if (stored === null) send()
    else stored.then(send).catch(() => this.connection.destroy())
  }

  #finish(packetId: number, entry: QueueEntry | Awaited): void {
    this.#inflight.delete(packetId)
    if (typeof entry === 'object') this.#parts.session.queue.finish(entry)
    this.pump()
  }
}

const qosOf = (entry: QueueEntry | Awaited): 1 | 2 =>
  typeof entry === 'object' ? entry.qos : entry === 'puback' ? 1 : 2
