// Whose PUBLISH is the same, so that it is made once: by version and, in MQTT 5, by Subscription Identifier.
import type { Lane, Message } from '../bus/message.ts'
import { EMPTY, encodeForwarded, encodeProperties, encodePublish, encodePublishHead } from './encode.ts'
import type { ProtocolVersion } from './packets.ts'

/** The same frames but for the packet identifier, which QoS 1 and 2 have. */
export class FrameLane implements Lane {
  readonly name: string
  readonly identified: Readonly<Record<1 | 2, Lane>>

  constructor(name: string) {
    this.name = name
    this.identified = { 1: { name: `${name}, QoS 1` }, 2: { name: `${name}, QoS 2` } }
  }
}

/** MQTT 3.1 and 3.1.1 share their frames. */
export const LANES: Readonly<Record<3 | 5, FrameLane>> = { 3: new FrameLane('MQTT 3'), 5: new FrameLane('MQTT 5') }
const FORWARDED: Lane = { name: 'MQTT 5 properties' }

export const laneOf = (version: ProtocolVersion): FrameLane => LANES[version === 5 ? 5 : 3]

/** Subscription Identifiers that have a lane; who uses further ones gets each copy made singly. */
const IDENTIFIED_LANES = 1024
const identified = new Map<number, FrameLane>()

/** Of all MQTT 5 subscribers who gave the same Subscription Identifier. */
export function identifiedLane(identifier: number): FrameLane | null {
  const known = identified.get(identifier)
  if (known !== undefined) return known
  if (identified.size >= IDENTIFIED_LANES) return null
  const lane = new FrameLane(`MQTT 5, subscription ${identifier}`)
  identified.set(identifier, lane)
  return lane
}

/** The QoS 0 frame that everybody on a lane shares; `identifiers` are those of the lane (MQTT 5, 3.3.2.3.8). */
export const sharedFrame = (message: Message, lane: FrameLane, identifiers: readonly number[] = []): Buffer =>
  message.shared(lane, () => encodePublish(frameOf(message, lane, identifiers, 0)))

/** The same for QoS 1 and 2, with an identifier of its own; a payload that is large has to follow. */
export function identifiedHead(
  message: Message,
  lane: FrameLane,
  identifiers: readonly number[],
  qos: 1 | 2,
  packetId: number,
): Buffer {
  const shared = message.shared(lane.identified[qos], () => encodePublishHead(frameOf(message, lane, identifiers, qos)))
  const head = Buffer.allocUnsafe(shared.length)
  shared.copy(head)
  let at = 1
  while ((head[at++] ?? 0) > 127); // Remaining Length
  at += 2 + (((head[at] ?? 0) << 8) | (head[at + 1] ?? 0)) // the topic
  head[at] = packetId >> 8
  head[at + 1] = packetId & 255
  return head
}

function frameOf(message: Message, lane: FrameLane, identifiers: readonly number[], qos: 0 | 1 | 2) {
  const isOld = lane === LANES[3]
  return {
    version: isOld ? 4 : 5,
    topic: message.topic,
    payload: message.payload,
    qos,
    retain: false,
    dup: false,
    packetId: 0,
    properties: isOld ? EMPTY : encodeProperties(forwarded(message), { expiry: undefined, identifiers, alias: 0 }),
  } as const
}

/** What an MQTT 5 message carries on to all of its receivers. */
export const forwarded = (message: Message): Buffer =>
  message.properties === undefined ? EMPTY : message.shared(FORWARDED, ({ properties }) => encodeForwarded(properties))
