// CoAP messages and what is left of them on a bad way.
import fc from 'fast-check'
import { type CoapMessage, type MessageType, TYPE } from '../../src/coap-wire/message.ts'
import { OPTION_RULES } from '../../src/coap-wire/options.ts'

export const bytes = (maxLength: number, minLength = 0) =>
  fc.uint8Array({ minLength, maxLength, size: 'max' }).map(array => Buffer.from(array))

/** Lengths and deltas on both sides of every boundary of RFC 7252 3.1. */
const BOUNDARIES = [12, 13, 14, 268, 269, 270]
const value = fc.oneof(
  { weight: 8, arbitrary: bytes(9) },
  { weight: 1, arbitrary: fc.constantFrom(...BOUNDARIES).map(length => Buffer.alloc(length, 0xff)) },
)
const number = fc.oneof(
  fc.constantFrom(...OPTION_RULES.keys()),
  fc.constantFrom(0, ...BOUNDARIES, 65_534, 65_535),
  fc.integer({ min: 0, max: 65_535 }),
)
export const options = fc
  .array(fc.record({ number, value }), { maxLength: 6 })
  .map(list => list.sort((a, b) => a.number - b.number))
const messageId = fc.integer({ min: 0, max: 0xffff })
const type = fc.constantFrom<MessageType>(...Object.values(TYPE))
/** Codes of requests and responses. */
const code = fc.oneof(fc.integer({ min: 0x01, max: 0x1f }), fc.integer({ min: 0x40, max: 0xbf }))

/** RFC 7252 and, in their other form, RFC 8974. */
const token = fc.oneof({ weight: 4, arbitrary: bytes(8) }, { weight: 1, arbitrary: bytes(64) })

/** Anything but an empty message. */
export const full = fc.record({ type, code, messageId, token, options, payload: bytes(20) })
const empty = fc.record({
  type,
  code: fc.constant(0),
  messageId,
  token: fc.constant(Buffer.alloc(0)),
  options: fc.constant([]),
  payload: fc.constant(Buffer.alloc(0)),
})
export const message: fc.Arbitrary<CoapMessage> = fc.oneof(
  { weight: 12, arbitrary: full },
  { weight: 1, arbitrary: empty },
)

/** A datagram of random bytes, or one of the corpus: as it is, with flipped bits, cut, lengthened or with a byte replaced. */
export function spoiled(random: () => number, corpus: readonly Buffer[]): Buffer {
  const below = (limit: number): number => Math.floor(random() * limit)
  const kind = random()
  if (kind < 0.25) {
    const datagram = Buffer.from(Array.from({ length: below(40) }, () => below(256)))
    // Mostly with a plausible header: it gets deeper into the decoder.
    if (datagram.length > 1 && random() < 0.9) {
      datagram[0] = 0x40 | (below(4) << 4) | (random() < 0.9 ? below(5) : below(16))
      datagram[1] = random() < 0.8 ? 1 + below(4) : below(256)
    }
    return datagram
  }
  const source = corpus[below(corpus.length)] ?? Buffer.alloc(4)
  if (kind < 0.35) return source
  if (kind < 0.5) return source.subarray(0, below(source.length + 1))
  if (kind < 0.6) return Buffer.concat([source, Buffer.from([random() < 0.5 ? 0xff : below(256)])])
  if (kind < 0.65) return Buffer.concat([source, source])
  const datagram = Buffer.from(source)
  for (let flips = 1 + below(3); flips > 0; flips--) {
    const at = below(Math.min(datagram.length, 30))
    datagram[at] = random() < 0.6 ? (datagram[at] ?? 0) ^ (1 << below(8)) : below(256)
  }
  return datagram
}
