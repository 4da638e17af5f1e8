// Copies of a PUBLISH on the fast path: the publisher's bytes with another packet identifier, where that is enough.
import type { Message } from '../bus/message.ts'
import type { Overflow } from '../bus/overflow.ts'
import type { Route, Target } from '../bus/route.ts'
import { Delivery, laneOf } from './delivery.ts'
import { EMPTY, encodePublishHead, isLarge, tailOf } from './encode.ts'
import { type ProtocolVersion, TYPE } from './packets.ts'

export const PLAIN = { retain: false, identifiers: [] }

/** A QoS 1 or 2 PUBLISH without properties, RETAIN and DUP, as it came in. */
export class PublishedFrame {
  readonly version: ProtocolVersion
  readonly qos: 1 | 2
  readonly #bytes: Buffer
  readonly #payloadAt: number
  readonly #packetIdAt: number
  readonly #make: () => Message
  #message: Message | null = null

  constructor(
    bytes: Buffer,
    { packetIdAt, payloadAt }: { packetIdAt: number; payloadAt: number },
    version: ProtocolVersion,
    qos: 1 | 2,
    message: () => Message,
  ) {
    this.#bytes = bytes
    this.#payloadAt = payloadAt
    this.version = version
    this.qos = qos
    this.#packetIdAt = packetIdAt
    this.#make = message
  }

  /** For whoever cannot take its bytes. */
  get message(): Message {
    this.#message ??= this.#make()
    return this.#message
  }

  /** The payload when it is large: it follows the head. */
  get tail(): Buffer {
    return this.#isLarge ? this.#bytes.subarray(this.#payloadAt) : EMPTY
  }

  get #isLarge(): boolean {
    return isLarge(this.#bytes.length - this.#payloadAt)
  }

  /** For a receiver of the same version; without the payload, when that is large. */
  head(qos: 1 | 2, packetId: number): Buffer {
    const length = this.#isLarge ? this.#payloadAt : this.#bytes.length
    const copy = Buffer.allocUnsafe(length)
    this.#bytes.copy(copy, 0, 0, length)
    copy[0] = (TYPE.publish << 4) | (qos << 1)
    copy[this.#packetIdAt] = packetId >> 8
    copy[this.#packetIdAt + 1] = packetId & 255
    return copy
  }
}

/** One receiver's copy, by a route on which nothing has to be stored. */
export function sendCopy(target: Target, frame: PublishedFrame, overflow: Overflow): void {
  const { session } = target
  const { receiver, queue } = session
  const qos = Math.min(target.qos, frame.qos) as 0 | 1 | 2
  if (receiver === null || !target.permits(qos, false)) return
  if (qos === 0) {
    receiver.send(frame.message, target.delivered)
    return
  }
  const delivery = receiver instanceof Delivery && receiver.lane !== null ? receiver : null
  const packetId = delivery?.takePacketId(qos) ?? 0
  if (delivery === null || packetId === 0) {
    if (queue.isFull && !overflow.makeRoom(session, false)) return // it does not outlive its connection
    queue.add(queue.reserve(frame.message.keep(), { retain: false, identifiers: [], qos }, false, -1))
    receiver.queued()
  } else if (laneOf(delivery.version) === laneOf(frame.version)) delivery.push(frame.head(qos, packetId), frame.tail)
  else {
    const { topic, payload } = frame.message
    const { version } = delivery
    const plain = { version, topic, payload, qos, retain: false, dup: false, packetId, properties: EMPTY }
    delivery.push(encodePublishHead(plain), tailOf(payload))
  }
}

/** A QoS 0 message to everybody who gets each one by itself. */
export function sendSingly(route: Route, message: Message): void {
  for (const each of route.singly) {
    const target = each.for(message)
    if (target?.mayHave(message)) target.session.receiver?.send(message, target.delivered)
  }
  for (const group of route.groups) {
    const target = group.pick(message)
    target?.session.receiver?.send(message, target.delivered)
  }
}
