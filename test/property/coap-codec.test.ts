// The codec against itself, and against a foreign one: coap-packet. Where they differ, the clause says who is right.
import { isDeepStrictEqual } from 'node:util'
import { generate, type ParsedPacket, parse } from 'coap-packet'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { codeText } from '../../src/coap-wire/codes.ts'
import { decode, isMalformed } from '../../src/coap-wire/decode.ts'
import { encode } from '../../src/coap-wire/encode.ts'
import { type CoapMessage, TYPE } from '../../src/coap-wire/message.ts'
import { generator } from '../fixtures/fuzz.ts'
import { full, message, spoiled } from './coap-generators.ts'

const SEED = 20_261_123
const RUNS = 3_000
const DATAGRAMS = 80_000

test('what is written is read', () => {
  const returns = fc.property(message, written => {
    expect(decode(encode(written))).toEqual(written)
  })
  fc.assert(returns, { seed: SEED, numRuns: RUNS })
})

test('coap-packet writes the same bytes', () => {
  const agrees = fc.property(full, written => {
    const { type, code, messageId, token, options, payload } = written
    const theirs = generate(
      {
        confirmable: type === TYPE.CON,
        ack: type === TYPE.ACK,
        reset: type === TYPE.RST,
        code: codeText(code),
        messageId,
        token,
        options: options.map(({ number, value }) => ({ name: String(number), value })),
        payload,
      },
      10_000,
    )
    expect(encode(written).toString('hex')).toBe(theirs.toString('hex'))
  })
  fc.assert(agrees, { seed: SEED, numRuns: RUNS })
})

interface Difference {
  readonly what: string
  readonly clause: string
  /** Whether coap-packet takes such a datagram, which is malformed. `theirs` is what it read. */
  applies(datagram: Buffer, theirs: ParsedPacket): boolean
}

const lengthNibble = (datagram: Buffer): number => (datagram[0] ?? 0) & 15
/** RFC 8974 2.1. */
function tokenLength(datagram: Buffer): number {
  const nibble = lengthNibble(datagram)
  if (nibble === 13) return 13 + (datagram[4] ?? 0)
  return nibble === 14 ? 269 + (((datagram[4] ?? 0) << 8) | (datagram[5] ?? 0)) : nibble
}
const tokenStart = (datagram: Buffer): number => 4 + Math.max(0, lengthNibble(datagram) - 12)
const codeByte = (datagram: Buffer): number => datagram[1] ?? 0

/** Where coap-packet is lenient. It is never stricter than we are. */
const DIFFERENCES: readonly Difference[] = [
  {
    what: 'a token of more than 64 bytes',
    clause: 'RFC 8974 2.1: lengths beyond what the receiver takes are processed as a message format error',
    applies: datagram => tokenLength(datagram) > 64,
  },
  {
    what: 'token cut short',
    clause: 'RFC 7252 3: the header is followed by the token, of the length it tells',
    applies: datagram => codeByte(datagram) !== 0 && tokenStart(datagram) + tokenLength(datagram) > datagram.length,
  },
  {
    what: 'empty message with a token length',
    clause: 'RFC 7252 4.1: in an Empty message the token length must be 0',
    applies: datagram => codeByte(datagram) === 0 && lengthNibble(datagram) > 0,
  },
  {
    what: 'reserved class',
    clause: 'RFC 7252 4.2: a code with a reserved class (1, 6 or 7) is rejected',
    applies: datagram => [1, 6, 7].includes(codeByte(datagram) >> 5),
  },
  {
    what: 'marker without a payload',
    clause: 'RFC 7252 3: a marker followed by a zero-length payload is a message format error',
    applies: (datagram, { options, payload }) => {
      if (datagram.at(-1) !== 0xff || payload.length > 0 || codeByte(datagram) === 0) return false
      const without = parsed(datagram.subarray(0, -1))
      return (
        without !== null && without.token.length === tokenLength(datagram) && sizeOf(without) === sizeOf({ options })
      )
    },
  },
  {
    what: 'value cut short',
    clause: 'RFC 7252 3.1: the value is a sequence of exactly Option Length bytes',
    applies: (datagram, theirs) => {
      const longer = parsed(Buffer.concat([datagram, Buffer.alloc(1)]))
      const last = theirs.options.length - 1
      return longer !== null && longer.options[last]?.value.length !== theirs.options[last]?.value.length
    },
  },
  {
    what: 'option number above 65535',
    clause: 'RFC 7252 12.2: option numbers range from 0 to 65535',
    applies: (_, { options }) => options.some(({ name }) => numberOf(name) > 65_535),
  },
]

type Verdict = 'taken' | 'refused' | 'differed' | 'unexplained'

test('every datagram is read as coap-packet reads it, or a clause says otherwise', () => {
  const random = generator(SEED)
  const corpus = fc.sample(message, { seed: SEED, numRuns: 400 }).map(encode)
  const met = new Map(DIFFERENCES.map(({ what }) => [what, 0]))
  const counts: Record<Verdict, number> = { taken: 0, refused: 0, differed: 0, unexplained: 0 }
  const unexplained: string[] = []
  for (let i = 0; i < DATAGRAMS; i++) {
    const datagram = spoiled(random, corpus)
    const theirs = parsed(datagram)
    const reasons = theirs === null ? [] : DIFFERENCES.filter(({ applies }) => applies(datagram, theirs))
    for (const { what } of reasons) met.set(what, (met.get(what) ?? 0) + 1)
    const verdict = compare(datagram, theirs, reasons.length > 0)
    counts[verdict]++
    if (verdict === 'unexplained') unexplained.push(datagram.toString('hex'))
  }
  console.info(`seed ${SEED}: ${JSON.stringify(counts)}, ${JSON.stringify(Object.fromEntries(met))}`)
  expect(unexplained).toEqual([])
  for (const [what, times] of met) expect(times, what).toBeGreaterThan(50)
  for (const verdict of ['taken', 'refused', 'differed'] as const) {
    expect(counts[verdict], verdict).toBeGreaterThan(DATAGRAMS / 20)
  }
})

/** `theirs`: null when coap-packet threw. `isExplained`: a clause forbids what it took. */
function compare(datagram: Buffer, theirs: ParsedPacket | null, isExplained: boolean): Verdict {
  const ours = decode(datagram)
  if (ours === null) {
    const isSilent = datagram.length < 4 || (datagram[0] ?? 0) >> 6 !== 1
    return theirs === null && isSilent ? 'refused' : 'unexplained'
  }
  if (!isMalformed(ours)) {
    return theirs !== null && !isExplained && isDeepStrictEqual(fieldsOf(theirs), ours) ? 'taken' : 'unexplained'
  }
  const [type, code, messageId] = [((datagram[0] ?? 0) >> 4) & 3, codeByte(datagram), datagram.readUInt16BE(2)]
  if (!isDeepStrictEqual(ours, { malformed: true, type, messageId, code })) return 'unexplained'
  if (theirs === null) return 'refused'
  return isExplained ? 'differed' : 'unexplained'
}

function parsed(datagram: Buffer): ParsedPacket | null {
  try {
    return parse(datagram)
  } catch {
    return null
  }
}

/** What coap-packet read, as we would tell it. */
function fieldsOf({ code, confirmable, ack, reset, messageId, token, options, payload }: ParsedPacket): CoapMessage {
  const [category = '', detail = ''] = code.split('.')
  return {
    type: confirmable ? TYPE.CON : ack ? TYPE.ACK : reset ? TYPE.RST : TYPE.NON,
    code: Number(category) * 32 + Number(detail),
    messageId,
    token,
    options: options.map(({ name, value }) => ({ number: numberOf(name), value })),
    payload,
  }
}

/** Bytes in option values, and how many options: a byte of a value more or less changes it. */
const sizeOf = ({ options }: Pick<ParsedPacket, 'options'>): number => {
  return options.reduce((sum, { value }) => sum + value.length, options.length)
}

/** coap-packet's names for numbers; others it writes as digits. */
const NAMES = new Map<string, number>([
  ['If-Match', 1],
  ['Uri-Host', 3],
  ['ETag', 4],
  ['If-None-Match', 5],
  ['Observe', 6],
  ['Uri-Port', 7],
  ['Location-Path', 8],
  ['OSCORE', 9],
  ['Uri-Path', 11],
  ['Content-Format', 12],
  ['Max-Age', 14],
  ['Uri-Query', 15],
  ['Hop-Limit', 16],
  ['Accept', 17],
  ['Q-Block1', 19],
  ['Location-Query', 20],
  ['Block2', 23],
  ['Block1', 27],
  ['Size2', 28],
  ['Q-Block2', 31],
  ['Proxy-Uri', 35],
  ['Proxy-Scheme', 39],
  ['Size1', 60],
  ['No-Response', 258],
  ['OCF-Accept-Content-Format-Version', 2049],
  ['OCF-Content-Format-Version', 2053],
])

function numberOf(name: string | number): number {
  return NAMES.get(String(name)) ?? Number(name)
}
