// From valid packets to bad ones, and from bad ones to worse.
import { framed, packetIdOf, splitFrames } from './frames.ts'
import type { Sequence } from './gate-seeds.ts'

/** A number in [0, 1). */
export type Dice = () => number

const ODD_BYTES = [0, 1, 2, 3, 4, 0x0b, 0x11, 0x16, 0x1f, 0x21, 0x23, 0x26, 0x27, 0x2b, 0x7f, 0x80, 0xc0, 0xff]
const ODD_NUMBERS = [0, 1, 2, 4, 5, 127, 128, 255, 256, 0x7fff, 0xffff]
/** Bytes of a property as a client may send it, by its identifier, with a wrong place for most of them (MQTT 5, 2.2.2.2). */
const PROPERTIES = [
  [0x01, 1],
  [0x01, 2],
  [0x02, 0, 0, 0, 1],
  [0x03, 0, 1, 0x61],
  [0x08, 0, 1, 0x61],
  [0x08, 0, 1, 0x23],
  [0x09, 0, 1, 0xff],
  [0x0b, 5],
  [0x0b, 0],
  [0x0b, 0xff, 0xff, 0xff, 0x7f],
  [0x0b, 0xff, 0xff, 0xff, 0xff, 1],
  [0x11, 0, 0, 0, 0],
  [0x12, 0, 1, 0x61],
  [0x13, 0, 5],
  [0x15, 0, 3, 0x4a, 0x57, 0x54],
  [0x16, 0, 1, 0x61],
  [0x17, 0],
  [0x18, 0, 0, 0, 1],
  [0x19, 1],
  [0x1f, 0, 1, 0x61],
  [0x21, 0, 1],
  [0x21, 0, 0],
  [0x22, 0, 3],
  [0x23, 0, 1],
  [0x23, 0, 0],
  [0x24, 1],
  [0x26, 0, 1, 0x61, 0, 1, 0x62],
  [0x26, 0, 1, 0xff, 0, 0],
  [0x27, 0, 0, 0, 60],
  [0x27, 0, 0, 0, 0],
  [0x7e, 0],
].map(bytes => Buffer.from(bytes))

const among = <T>(dice: Dice, list: readonly T[]): T => list[Math.floor(dice() * list.length)] as T
const below = (dice: Dice, end: number): number => Math.floor(dice() * end)

type Mutation = (body: Buffer, dice: Dice, other: Buffer) => Buffer

const insert = (body: Buffer, at: number, bytes: Buffer): Buffer =>
  Buffer.concat([body.subarray(0, at), bytes, body.subarray(at)])

/** Each of a body, which gets a true Remaining Length afterwards. */
const MUTATIONS: readonly Mutation[] = [
  function flipsBits(body, dice) {
    const bytes = Buffer.from(body)
    for (let i = 1 + below(dice, 4); i > 0 && bytes.length > 0; i--) {
      const at = below(dice, bytes.length)
      bytes[at] = (bytes[at] ?? 0) ^ (1 << below(dice, 8))
    }
    return bytes
  },
  function setsOddBytes(body, dice) {
    const bytes = Buffer.from(body)
    if (bytes.length > 0) bytes[below(dice, bytes.length)] = among(dice, ODD_BYTES)
    return bytes
  },
  function liesAboutLengths(body, dice) {
    const bytes = Buffer.from(body)
    if (bytes.length >= 2) bytes.writeUInt16BE(among(dice, ODD_NUMBERS), below(dice, bytes.length - 1))
    return bytes
  },
  function cuts(body, dice) {
    return body.subarray(0, below(dice, body.length + 1))
  },
  function removesSome(body, dice) {
    const from = below(dice, body.length + 1)
    return Buffer.concat([body.subarray(0, from), body.subarray(from + 1 + below(dice, 8))])
  },
  function repeatsSome(body, dice) {
    const from = below(dice, body.length + 1)
    return insert(body, from, body.subarray(from, from + 1 + below(dice, 24)))
  },
  function appends(body, dice) {
    return Buffer.concat([body, Buffer.alloc(1 + below(dice, 3), among(dice, ODD_BYTES))])
  },
  function splices(body, dice, other) {
    return Buffer.concat([
      body.subarray(0, below(dice, body.length + 1)),
      other.subarray(below(dice, other.length + 1)),
    ])
  },
  function putsInProperty(body, dice) {
    return withProperties(body, dice, (list, property) => insert(list, 0, property))
  },
  function appendsProperty(body, dice) {
    return withProperties(body, dice, (list, property) => Buffer.concat([list, property]))
  },
  function replacesProperties(body, dice) {
    return withProperties(body, dice, (_, property) => property)
  },
  function repeatsProperty(body, dice) {
    return withProperties(body, dice, (_, property) => Buffer.concat([property, property]))
  },
  function shufflesProperties(body, dice) {
    return withProperties(body, dice, (list, property) => {
      const at = below(dice, list.length + 1)
      return Buffer.concat([list.subarray(at), property, list.subarray(0, at)])
    })
  },
]

/**
 * Changes what looks like a property list: any byte that says how many bytes follow it within the body may begin one. So
 * it meets the true list of every packet type sooner or later, and keeps its length true.
 */
function withProperties(body: Buffer, dice: Dice, change: (list: Buffer, property: Buffer) => Buffer): Buffer {
  const places: number[] = []
  for (let at = 0; at < body.length; at++) {
    const length = body[at] ?? 0
    const first = body[at + 1] ?? 0
    if (length < 128 && at + 1 + length <= body.length && (length === 0 || (first > 0 && first < 0x2b))) places.push(at)
  }
  const at = places.length === 0 ? body.length : among(dice, places)
  const length = body[at] ?? 0
  const list = change(body.subarray(at + 1, at + 1 + length), among(dice, PROPERTIES))
  const head = list.length < 128 ? [list.length] : [(list.length & 127) | 128, list.length >> 7]
  return Buffer.concat([body.subarray(0, at), Buffer.from(head), list, body.subarray(at + 1 + length)])
}

/** One bad packet: nine of ten with a true length, which gets deeper into the decoder. */
export function spoilPacket(dice: Dice, source: Buffer, other: Buffer): Buffer {
  const kind = dice()
  if (kind < 0.05) return randomPacket(dice)
  const { frames } = splitFrames(source)
  const frame = frames[below(dice, frames.length)]
  if (kind < 0.15 || frame === undefined) {
    const mutate = among(dice, MUTATIONS)
    const bytes = mutate(source, dice, other)
    return bytes.length > 0 ? bytes : randomPacket(dice)
  }
  const { frames: others } = splitFrames(other)
  let { body, header } = frame
  for (let i = 1 + below(dice, 2); i > 0; i--) body = among(dice, MUTATIONS)(body, dice, others[0]?.body ?? other)
  if (dice() < 0.1) header = header ^ (1 << below(dice, 8))
  return framed(header, body)
}

function randomPacket(dice: Dice): Buffer {
  const bytes = Buffer.alloc(2 + below(dice, 60))
  for (let i = 0; i < bytes.length; i++) bytes[i] = below(dice, 256)
  if (dice() < 0.7) bytes[1] = bytes.length - 2
  return bytes
}

/** Valid in itself, with another packet identifier: it meets exchanges that are under way. */
export function renumbered(dice: Dice, source: Buffer): Buffer {
  const { frames } = splitFrames(source)
  const bytes = Buffer.concat(
    frames.map(frame => {
      const packetId = packetIdOf(frame)
      if (packetId === 0) return frame.bytes
      const at = frame.header >> 4 === 3 ? 2 + frame.body.readUInt16BE(0) : 0
      const body = Buffer.from(frame.body)
      body.writeUInt16BE(1 + below(dice, 8), at)
      return framed(frame.header, body)
    }),
  )
  return bytes.length > 0 ? bytes : source
}

/** A sequence made of one or two others: some packets spoiled, left out, repeated, put in or exchanged. */
export function spoilSequence(dice: Dice, one: Sequence, other: Sequence, packets: readonly Buffer[]): Buffer[] {
  const at = below(dice, one.length + 1)
  const source = dice() < 0.25 ? [...one.slice(0, at), ...other.slice(below(dice, other.length))] : [...one]
  const sequence = source.flatMap(packet => {
    const kind = dice()
    if (kind < 0.45) return [packet]
    if (kind < 0.55) return [renumbered(dice, packet)]
    if (kind < 0.6) return [packet, packet]
    if (kind < 0.63) return []
    if (kind < 0.7) return [among(dice, packets), packet]
    return [spoilPacket(dice, packet, among(dice, packets))]
  })
  if (sequence.length === 0 || dice() < 0.5)
    sequence.push(spoilPacket(dice, among(dice, packets), among(dice, packets)))
  return sequence.slice(0, LONGEST)
}

/** Packets of one sequence. */
const LONGEST = 40
