// PUBLISH without properties, RETAIN and DUP, and acknowledgements that say no more than an identifier, straight from the
// read buffer to the receivers' out-queues.
import { isUtf8 } from 'node:buffer'
import { type Lane, Message } from '../bus/message.ts'
import type { Overflow } from '../bus/overflow.ts'
import type { Route } from '../bus/route.ts'
import type { Connection } from './connection.ts'
import { PLAIN, PublishedFrame, sendCopy, sendSingly } from './copies.ts'
import type { Delivery } from './delivery.ts'
import { encodeAcknowledgement } from './encode.ts'
import type { IncomingPublishes } from './incoming-publishes.ts'
import { FrameLane, laneOf, sharedFrame } from './lanes.ts'
import type { ProtocolVersion } from './packets.ts'
import type { PublishTopic, PublishTopics } from './publish-topics.ts'

/** First bytes of the packets it takes. */
const PUBLISH_QOS_0 = 0x30
const PUBLISH_QOS_1 = 0x32
const PUBLISH_QOS_2 = 0x34
const PUBACK = 0x40
const PUBREC = 0x50
const PUBREL = 0x62
const PUBCOMP = 0x70

const NO_TOPIC = Buffer.alloc(0)

export interface FastPathParts {
  readonly bus: { readonly overflow: Overflow }
  readonly topics: PublishTopics
  readonly connection: Connection
  readonly delivery: Delivery
  readonly version: ProtocolVersion
}

export class FastPath {
  readonly #parts: FastPathParts
  readonly #incoming: IncomingPublishes
  readonly #version: ProtocolVersion
  /** The topic of the PUBLISH before: a publisher seldom changes it. */
  #topicBytes: Buffer = NO_TOPIC
  #topic: PublishTopic | null = null
  /** A run: consecutive QoS 0 packets with that topic, passed on as one slice. */
  #bytes: Buffer | null = null
  #from = 0
  #to = 0
  #count = 0

  constructor(parts: FastPathParts, incoming: IncomingPublishes) {
    this.#parts = parts
    this.#incoming = incoming
    this.#version = parts.version
  }

  /** One packet, as in `Peer.packet`. Returns false when it needs the whole gate. */
  take(bytes: Buffer, at: number, body: number, end: number): boolean {
    const header = bytes[at]
    switch (header) {
      case PUBLISH_QOS_0:
        return this.#publish(bytes, at, body, end)
      case PUBLISH_QOS_1:
        return this.#publishAcknowledged(1, bytes, at, body, end)
      case PUBLISH_QOS_2:
        return this.#publishAcknowledged(2, bytes, at, body, end)
      case PUBACK:
      case PUBREC:
      case PUBREL:
      case PUBCOMP:
        this.flush()
        return this.#saysNoMore(bytes, body, end) && this.#acknowledge(header, uint16(bytes, body))
      default:
        return false
    }
  }

  #publish(bytes: Buffer, at: number, body: number, end: number): boolean {
    const topicAt = body + 2
    const topicEnd = topicAt + uint16(bytes, body)
    if (topicEnd > end || (this.#version === 5 && (topicEnd === end || bytes[topicEnd] !== 0))) return false
    const topic = this.#topicOf(bytes, topicAt, topicEnd)
    if (topic === null) return false
    if (this.#bytes === null) {
      if (!topic.permits(0)) return false
      this.#bytes = bytes
      this.#from = at
      this.#count = 0
    }
    this.#to = end
    this.#count++
    return true
  }

  /** When no receiver's copy has to be stored it is acknowledged at once: QoS 2 also remembers the identifier. */
  #publishAcknowledged(qos: 1 | 2, bytes: Buffer, at: number, body: number, end: number): boolean {
    this.flush()
    const topicAt = body + 2
    const topicEnd = topicAt + uint16(bytes, body)
    const payloadAt = topicEnd + (this.#version === 5 ? 3 : 2)
    if (payloadAt > end || (this.#version === 5 && bytes[topicEnd + 2] !== 0) || !this.#incoming.isIdle) return false
    const topic = this.#topicOf(bytes, topicAt, topicEnd)
    if (!topic?.permits(qos)) return false
    const { route, name } = topic
    const packetId = uint16(bytes, topicEnd)
    if (packetId === 0 || route.durable || !route.plain) return false
    if (qos === 2 && !this.#incoming.beginInMemory(packetId)) return false
    const { bus, connection, topics } = this.#parts
    const { publisher } = topics
    const version = this.#version
    const packetIdAt = topicEnd
    const frame = new PublishedFrame({ bytes, at, packetIdAt, payloadAt, end, version, qos, topic: name, publisher })
    for (const target of route.targets) sendCopy(target, frame, bus.overflow)
    connection.push(encodeAcknowledgement(qos === 1 ? 'puback' : 'pubrec', packetId, this.#version))
    return true
  }

  /** An identifier alone; in MQTT 5 also with the reason 0, and no properties. */
  #saysNoMore(bytes: Buffer, body: number, end: number): boolean {
    const length = end - body
    if (length === 2) return true
    if (this.#version !== 5 || length > 4 || bytes[body + 2] !== 0) return false
    return length === 3 || bytes[body + 3] === 0
  }

  #acknowledge(header: number, packetId: number): boolean {
    const { delivery, connection } = this.#parts
    if (packetId === 0) return false
    if (header === PUBACK) delivery.puback(packetId)
    else if (header === PUBREC) delivery.pubrec(packetId, 0)
    else if (header === PUBCOMP) delivery.pubcomp(packetId)
    else if (this.#incoming.endInMemory(packetId))
      connection.push(encodeAcknowledgement('pubcomp', packetId, this.#version)) // [MQTT-4.3.3-11]
    else return false
    return true
  }

  /** Ends the run: the bytes that came in are the bytes that go out. */
  flush(): void {
    const whole = this.#bytes
    if (whole === null || this.#topic === null) return
    this.#bytes = null
    const bytes = this.#from === 0 && this.#to === whole.length ? whole : whole.subarray(this.#from, this.#to)
    const { route } = this.#topic
    const own = laneOf(this.#version)
    let others = route.singly.length + route.groups.length
    for (const { lane, receivers } of route.lanes) {
      if (lane !== own) others++
      else for (const receiver of receivers) receiver.share(bytes, this.#count)
    }
    if (others > 0) this.#sendOthers(route, own, this.#messages(bytes))
  }

  /** To whoever takes other bytes than the publisher's own. */
  #sendOthers(route: Route, own: Lane, messages: readonly Message[]): void {
    for (const { lane, receivers } of route.lanes) {
      if (lane === own) continue
      if (lane instanceof FrameLane) {
        const bytes = Buffer.concat(messages.map(message => sharedFrame(message, lane)))
        for (const receiver of receivers) receiver.share(bytes, this.#count)
      } else for (const message of messages) for (const receiver of receivers) receiver.send(message, PLAIN)
    }
    for (const message of messages) sendSingly(route, message)
  }

  #messages(bytes: Buffer): Message[] {
    const messages: Message[] = []
    const name = this.#topic?.name ?? ''
    for (let at = 0; at < bytes.length; ) {
      let body = at + 1
      let length = 0
      for (let shift = 0, digit = 128; digit > 127; shift += 7) {
        digit = bytes[body++] ?? 0
        length |= (digit & 127) << shift
      }
      at = body + length
      const payloadAt = body + 2 + this.#topicBytes.length + (this.#version === 5 ? 1 : 0)
      messages.push(this.#message(name, bytes.subarray(payloadAt, at)))
    }
    return messages
  }

  #message(topic: string, payload: Buffer): Message {
    const { publisher } = this.#parts.topics
    return new Message({ topic, payload, qos: 0, retain: false, expiresAt: null, publisher })
  }

  /** null when it is not the name of an ordinary topic. A run ends where the topic changes. */
  #topicOf(bytes: Buffer, from: number, to: number): PublishTopic | null {
    if (this.#topic !== null && isSame(this.#topicBytes, bytes, from, to)) return this.#topic
    this.flush()
    const topicBytes = Buffer.from(bytes.subarray(from, to))
    const topic = isUtf8(topicBytes) ? this.#parts.topics.get(topicBytes.toString('utf8')) : null
    if (!topic?.isOrdinary) return null
    this.#topicBytes = topicBytes
    this.#topic = topic
    return topic
  }
}

const uint16 = (bytes: Buffer, at: number): number => ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)

function isSame(known: Buffer, bytes: Buffer, from: number, to: number): boolean {
  if (known.length !== to - from) return false
  const { length } = known
  let i = 0
  // Four at a time: this is most of what one more packet of a run costs.
  for (; i + 3 < length; i += 4) {
    const at = from + i
    if (
      known[i] !== bytes[at] ||
      known[i + 1] !== bytes[at + 1] ||
      known[i + 2] !== bytes[at + 2] ||
      known[i + 3] !== bytes[at + 3]
    )
      return false
  }
  for (; i < length; i++) if (known[i] !== bytes[from + i]) return false
  return true
}
