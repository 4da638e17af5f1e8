// Copies of a PUBLISH on the fast path: the publisher's bytes with another packet identifier, where that is enough.
import { handOver } from '../bus/handing-over.ts'
import { Message, type Publisher } from '../bus/message.ts'
import type { Overflow } from '../bus/overflow.ts'
import type { Route, Target } from '../bus/route.ts'
import { Delivery } from './delivery.ts'
import { EMPTY, isLarge } from './encode.ts'
import { type FrameLane, laneOf } from './lanes.ts'
import { type ProtocolVersion, TYPE } from './packets.ts'

export const PLAIN = { retain: false, identifiers: [] }

/** A QoS 1 or 2 PUBLISH without properties, RETAIN and DUP, where it lies in the read buffer. */
export interface PublishedBytes {
  readonly bytes: Buffer
  /** Its first byte, its packet identifier, its payload, and the byte after it. */
  readonly at: number
  readonly packetIdAt: number
  readonly payloadAt: number
  readonly end: number
  readonly version: ProtocolVersion
  readonly qos: 1 | 2
  readonly topic: string
  readonly publisher: Publisher
}

/** Makes of it what each receiver needs, and nothing that none does. */
export class PublishedFrame {
  readonly #published: PublishedBytes
  #message: Message | null = null

  constructor(published: PublishedBytes) {
    this.#published = published
  }

  /** Whose members can take its bytes. */
  get lane(): FrameLane {
    return laneOf(this.#published.version)
  }

  get qos(): 1 | 2 {
    return this.#published.qos
  }

  /** For whoever cannot take its bytes. */
  get message(): Message {
    if (this.#message !== null) return this.#message
    const { bytes, payloadAt, end, topic, qos, publisher } = this.#published
    const payload = bytes.subarray(payloadAt, end)
    this.#message = new Message({ topic, payload, qos, retain: false, expiresAt: null, publisher })
    return this.#message
  }

  /** The payload when it is large: it follows the head. */
  get tail(): Buffer {
    const { bytes, payloadAt, end } = this.#published
    return isLarge(end - payloadAt) ? bytes.subarray(payloadAt, end) : EMPTY
  }

  /** For a receiver on its lane; without the payload, when that is large. */
  head(qos: 1 | 2, packetId: number): Buffer {
    const { bytes, at, packetIdAt, payloadAt, end } = this.#published
    const to = isLarge(end - payloadAt) ? payloadAt : end
    const copy = Buffer.allocUnsafe(to - at)
    bytes.copy(copy, 0, at, to)
    copy[0] = (TYPE.publish << 4) | (qos << 1)
    copy[packetIdAt - at] = packetId >> 8
    copy[packetIdAt - at + 1] = packetId & 255
    return copy
  }
}

/** One receiver's copy, by a route on which nothing has to be stored and no copy has anything particular. */
export function sendCopy(target: Target, frame: PublishedFrame, overflow: Overflow): void {
  const { receiver } = target.session
  const qos = Math.min(target.qos, frame.qos) as 0 | 1 | 2
  if (qos > 0 && receiver instanceof Delivery && receiver.lane === frame.lane && target.permits(qos, false)) {
    const packetId = receiver.takePacketId(qos as 1 | 2)
    if (packetId !== 0) {
      receiver.push(frame.head(qos as 1 | 2, packetId), frame.tail)
      return
    }
  }
  handOver(target, frame.message, overflow)
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
