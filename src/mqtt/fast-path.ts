// PUBLISH without properties, RETAIN and DUP, straight from the read buffer to the receivers' out-queues.
import { isUtf8 } from 'node:buffer'
import { Message } from '../bus/message.ts'
import type { Overflow } from '../bus/overflow.ts'
import type { Target } from '../bus/route.ts'
import type { Connection } from './connection.ts'
import { Delivery, LANES, laneOf, sharedFrame } from './delivery.ts'
import { EMPTY, encodeAcknowledgement, encodePublish } from './encode.ts'
import type { ProtocolVersion } from './packets.ts'
import type { PublishTopic, PublishTopics } from './publish-topics.ts'

const NO_TOPIC = Buffer.alloc(0)

export class FastPath {
  readonly #topics: PublishTopics
  readonly #connection: Connection
  readonly #version: ProtocolVersion
  readonly #overflow: Overflow
  /** The topic of the PUBLISH before: a publisher seldom changes it. */
  #topicBytes: Buffer = NO_TOPIC
  #topic: PublishTopic | null = null
  /** A run: consecutive QoS 0 packets with that topic, passed on as one slice. */
  #bytes: Buffer | null = null
  #from = 0
  #to = 0
  #count = 0

  constructor(topics: PublishTopics, connection: Connection, version: ProtocolVersion, overflow: Overflow) {
    this.#topics = topics
    this.#connection = connection
    this.#version = version
    this.#overflow = overflow
  }

  /** QoS 0. Returns false when the packet needs the whole gate. */
  offer0(bytes: Buffer, at: number, body: number, end: number): boolean {
    const topicAt = body + 2
    const topicEnd = topicAt + uint16(bytes, body)
    if (topicEnd > end || (this.#version === 5 && (topicEnd === end || bytes[topicEnd] !== 0))) return false
    const topic = this.#topicOf(bytes, topicAt, topicEnd)
    if (!topic?.permits(0)) return false
    if (this.#bytes === null) {
      this.#bytes = bytes
      this.#from = at
      this.#count = 0
    }
    this.#to = end
    this.#count++
    return true
  }

  /** QoS 1, when no receiver's copy has to be stored: it is acknowledged at once. */
  offer1(bytes: Buffer, at: number, body: number, end: number): boolean {
    this.flush()
    const topicAt = body + 2
    const topicEnd = topicAt + uint16(bytes, body)
    const payloadAt = topicEnd + (this.#version === 5 ? 3 : 2)
    if (payloadAt > end || (this.#version === 5 && bytes[topicEnd + 2] !== 0)) return false
    const topic = this.#topicOf(bytes, topicAt, topicEnd)
    if (!topic?.permits(1)) return false
    const { route, name } = topic
    const packetId = uint16(bytes, topicEnd)
    if (packetId === 0 || route.durable || !route.plain) return false
    const frame: Frame = {
      bytes: bytes.subarray(at, end),
      version: this.#version,
      packetIdAt: topicEnd - at,
      message: lazily(() => this.#message(name, bytes.subarray(payloadAt, end), 1)),
    }
    for (const target of route.targets) sendOne(target, frame, this.#overflow)
    this.#connection.push(encodeAcknowledgement('puback', packetId, this.#version))
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
    const messages = lazily(() => this.#messages(bytes))
    for (const { lane, receivers } of route.lanes) {
      const known = lane === LANES[3] || lane === LANES[5]
      if (known) {
        const form = lane === own ? bytes : Buffer.concat(messages().map(message => sharedFrame(message, lane)))
        for (const receiver of receivers) receiver.share(form, this.#count)
      } else for (const message of messages()) for (const receiver of receivers) receiver.send(message, PLAIN)
    }
    if (route.singly.length > 0 || route.groups.length > 0) for (const message of messages()) sendSingly(route, message)
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
      messages.push(this.#message(name, bytes.subarray(payloadAt, at), 0))
    }
    return messages
  }

  #message(topic: string, payload: Buffer, qos: 0 | 1): Message {
    const { publisher } = this.#topics
    return new Message({ topic, payload, qos, retain: false, expiresAt: null, publisher })
  }

  /** null when it is not the name of an ordinary topic. A run ends where the topic changes. */
  #topicOf(bytes: Buffer, from: number, to: number): PublishTopic | null {
    if (this.#topic !== null && isSame(this.#topicBytes, bytes, from, to)) return this.#topic
    this.flush()
    const topicBytes = Buffer.from(bytes.subarray(from, to))
    const topic = isUtf8(topicBytes) ? this.#topics.get(topicBytes.toString('utf8')) : null
    if (!topic?.isOrdinary) return null
    this.#topicBytes = topicBytes
    this.#topic = topic
    return topic
  }
}

const PLAIN = { retain: false, identifiers: [] }

interface Frame {
  readonly bytes: Buffer
  readonly version: ProtocolVersion
  readonly packetIdAt: number
  message(): Message
}

/** One receiver's copy of a QoS 1 message: the publisher's bytes with another packet identifier, where that is enough. */
function sendOne(target: Target, frame: Frame, overflow: Overflow): void {
  const { receiver, queue } = target.session
  const qos = target.qos === 0 ? 0 : 1
  if (receiver === null || !target.permits(qos, false)) return
  if (qos === 0) {
    receiver.send(frame.message(), target.delivered)
    return
  }
  const delivery = receiver instanceof Delivery && receiver.lane !== null ? receiver : null
  const packetId = delivery?.takePacketId() ?? 0
  if (delivery === null || packetId === 0) {
    if (queue.isFull && !overflow.makeRoom(target.session, false)) return // it does not outlive its connection
    queue.add(queue.reserve(frame.message().keep(), { ...PLAIN, qos: 1 }, false, -1))
    receiver.queued()
  } else if (laneOf(delivery.version) === laneOf(frame.version)) {
    const copy = Buffer.allocUnsafe(frame.bytes.length)
    frame.bytes.copy(copy)
    copy.writeUInt16BE(packetId, frame.packetIdAt)
    delivery.connection.push(copy)
  } else {
    const { topic, payload } = frame.message()
    const how = { qos: 1, retain: false, dup: false, packetId, properties: EMPTY } as const
    delivery.connection.push(encodePublish({ ...how, version: delivery.version, topic, payload }))
  }
}

function sendSingly(route: PublishTopic['route'], message: Message): void {
  for (const each of route.singly) {
    const target = each.for(message)
    if (target?.mayHave(message)) target.session.receiver?.send(message, target.delivered)
  }
  for (const group of route.groups) {
    const target = group.pick(message)
    target?.session.receiver?.send(message, target.delivered)
  }
}

const uint16 = (bytes: Buffer, at: number): number => ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)

function isSame(known: Buffer, bytes: Buffer, from: number, to: number): boolean {
  if (known.length !== to - from) return false
  for (let i = known.length - 1; i >= 0; i--) if (known[i] !== bytes[from + i]) return false
  return true
}

function lazily<T>(make: () => T): () => T {
  let made: T | undefined
  return () => {
    made ??= make()
    return made
  }
}
