// Frames of reliable transports: what is written is read however it is cut, and a slow, obvious reader agrees on bytes of
// all kinds.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { encodeFrame, encodeWebSocketFrame, type FramedMessage, frameBytes } from '../../src/coap-wire/frame.ts'
import { FrameReader, WebSocketFrameReader } from '../../src/coap-wire/frame-reader.ts'
import { generator } from '../fixtures/fuzz.ts'
import { bytes, options, spoiled } from './coap-generators.ts'

const SEED = 20_261_123
const RUNS = 1_000
const STREAMS = 20_000
const BOUNDS = { messageBytes: 200_000, tokenBytes: 65_804 }

/** Lengths on both sides of every boundary of RFC 8323 3.2 and RFC 8974 2.1. */
const token = fc.oneof(
  { weight: 8, arbitrary: bytes(8) },
  { weight: 1, arbitrary: fc.constantFrom(12, 13, 14, 268, 269, 270, 65_804).map(length => Buffer.alloc(length, 7)) },
)
const payload = fc.oneof(
  { weight: 8, arbitrary: bytes(20) },
  {
    weight: 2,
    arbitrary: fc
      .constantFrom(10, 11, 12, 13, 266, 267, 268, 269, 65_802, 65_803, 65_804, 65_805)
      .map(length => Buffer.alloc(length, 0xff)),
  },
)
/** Requests, responses and signals. */
const code = fc.oneof(
  fc.integer({ min: 0x01, max: 0x1f }),
  fc.integer({ min: 0x40, max: 0xbf }),
  fc.integer({ min: 0xe0, max: 0xff }),
)
const framed: fc.Arbitrary<FramedMessage> = fc.record({ code, token, options, payload })

/** Strings are compared a hundred times as fast as buffers. */
function textOf(read: FramedMessage | string): string {
  if (typeof read === 'string') return read
  const options = read.options.map(({ number, value }) => `${number}=${value.toString('hex')}`)
  return [read.code, read.token.toString('hex'), ...options, read.payload.toString('hex')].join(' ')
}

/** All that comes out, up to a fault or the end. */
function readAll(reader: FrameReader): (FramedMessage | string)[] {
  const read: (FramedMessage | string)[] = []
  for (let next = reader.next(); next !== null; next = reader.next()) {
    read.push(next)
    if (typeof next === 'string') break
  }
  return read
}

test('what is written is read, at once and in pieces', () => {
  const returns = fc.property(
    fc.array(framed, { minLength: 1, maxLength: 4 }),
    fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 8 }),
    (messages, cuts) => {
      const stream = Buffer.concat(messages.map(encodeFrame))
      expect(stream.length).toBe(messages.reduce((sum, message) => sum + frameBytes(message), 0))
      const whole = new FrameReader({ ...BOUNDS })
      whole.push(stream)
      expect(readAll(whole).map(textOf)).toEqual(messages.map(textOf))
      expect(whole.held).toBe(0)

      const piecewise = new FrameReader({ ...BOUNDS })
      const read: (FramedMessage | string)[] = []
      for (let at = 0, i = 0; at < stream.length; i++) {
        // Large ones in large pieces, or it would take for ever.
        const size = cuts[i % cuts.length]! * (stream.length > 2000 ? 97 : 1)
        piecewise.push(stream.subarray(at, at + size))
        at += size
        read.push(...readAll(piecewise))
      }
      expect(read.map(textOf)).toEqual(messages.map(textOf))
    },
  )
  fc.assert(returns, { seed: SEED, numRuns: RUNS })
})

test('over WebSocket as well, one message in each', () => {
  const returns = fc.property(framed, message => {
    const reader = new WebSocketFrameReader({ ...BOUNDS })
    reader.push(encodeWebSocketFrame(message))
    expect(textOf(reader.next() ?? 'nothing')).toBe(textOf(message))
    expect(reader.next()).toBeNull()
  })
  fc.assert(returns, { seed: SEED, numRuns: RUNS })
})

// --- the slow reader: RFC 8323 3.2 and RFC 7252 3.1, a byte at a time, from a list of numbers -----------------------------

class Short extends Error {}
class Bad extends Error {}

function slowly(stream: Buffer, { messageBytes, tokenBytes }: typeof BOUNDS): (FramedMessage | string)[] {
  const read: (FramedMessage | string)[] = []
  let rest = [...stream]
  while (rest.length > 0) {
    let used = 0
    const list = rest
    const byte = () => {
      if (used === list.length) throw new Short()
      return list[used++]!
    }
    const number = (count: number) => Array.from({ length: count }, byte).reduce((sum, next) => sum * 256 + next, 0)
    try {
      const first = byte()
      const len = first >> 4
      const length = len < 13 ? len : len === 13 ? number(1) + 13 : len === 14 ? number(2) + 269 : number(4) + 65_805
      const tkl = first % 16
      if (tkl === 15) throw new Bad('malformed')
      if (used + 1 + length > messageBytes) throw new Bad('too-large')
      const messageCode = byte()
      const tokenLength = tkl < 13 ? tkl : tkl === 13 ? number(1) + 13 : number(2) + 269
      if (tokenLength > tokenBytes) throw new Bad('malformed')
      if (used + tokenLength + length > messageBytes) throw new Bad('too-large')
      const parts = { token: Array.from({ length: tokenLength }, byte), body: Array.from({ length }, byte) }
      read.push(slowMessage(messageCode, parts.token, parts.body))
      rest = rest.slice(used)
    } catch (error) {
      if (error instanceof Short) return read
      if (!(error instanceof Bad)) throw error
      return [...read, error.message]
    }
  }
  return read
}

function slowMessage(code: number, token: number[], body: number[]): FramedMessage {
  if (code === 0) return { code, token: Buffer.alloc(0), options: [], payload: Buffer.alloc(0) }
  if ([1, 6].includes(Math.floor(code / 32))) throw new Bad('malformed')
  const found: { number: number; value: Buffer }[] = []
  const rest = [...body]
  const take = (): number => {
    const next = rest.shift()
    if (next === undefined) throw new Bad('malformed')
    return next
  }
  const extended = (nibble: number): number => {
    if (nibble === 15) throw new Bad('malformed')
    return nibble === 13 ? take() + 13 : nibble === 14 ? take() * 256 + take() + 269 : nibble
  }
  let number = 0
  while (rest.length > 0) {
    const head = take()
    if (head === 0xff) {
      if (rest.length === 0) throw new Bad('malformed')
      return { code, token: Buffer.from(token), options: found, payload: Buffer.from(rest) }
    }
    number += extended(head >> 4)
    const length = extended(head % 16)
    if (number > 0xffff) throw new Bad('malformed')
    found.push({ number, value: Buffer.from(Array.from({ length }, take)) })
  }
  return { code, token: Buffer.from(token), options: found, payload: Buffer.alloc(0) }
}

test('whatever comes is read as the slow reader reads it', () => {
  const random = generator(SEED)
  const below = (limit: number) => Math.floor(random() * limit)
  const bounds = { messageBytes: 300, tokenBytes: 20 }
  const corpus = fc.sample(framed, { seed: SEED, numRuns: 400 }).map(encodeFrame)
  const small = corpus.filter(frame => frame.length < 400)
  const counts = { messages: 0, malformed: 0, 'too-large': 0, waiting: 0 }
  for (let i = 0; i < STREAMS; i++) {
    const stream = Buffer.concat(Array.from({ length: 1 + below(4) }, () => spoiled(random, small)))
    const reader = new FrameReader({ ...bounds })
    const read: (FramedMessage | string)[] = []
    for (let at = 0; at < stream.length && typeof read.at(-1) !== 'string'; ) {
      const size = 1 + below(50)
      reader.push(stream.subarray(at, at + size))
      at += size
      read.push(...readAll(reader))
    }
    expect(read.map(textOf), stream.toString('hex')).toEqual(slowly(stream, bounds).map(textOf))
    const last = read.at(-1)
    if (last === 'malformed' || last === 'too-large') counts[last]++
    else counts.waiting++
    counts.messages += read.filter(one => typeof one !== 'string').length
  }
  console.info(`seed ${SEED}: ${JSON.stringify(counts)}`)
  for (const [what, count] of Object.entries(counts)) expect(count, what).toBeGreaterThan(STREAMS / 50)
})
