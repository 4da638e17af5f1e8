// Two implementations of RFC 8613 that share no line must agree, whoever asks and whoever answers.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { CODE } from '../../src/coap-wire/codes.ts'
import { type CoapMessage, TYPE } from '../../src/coap-wire/message.ts'
import { OPTION, optionOf } from '../../src/coap-wire/options.ts'
import { inOrder } from '../../src/coap-wire/oscore-classes.ts'
import { LAST_SEQUENCE } from '../../src/coap-wire/oscore-cose.ts'
import { deriveKeys, type OscoreParameters } from '../../src/coap-wire/oscore-keys.ts'
import { protectRequest, protectResponse, verifyRequest, verifyResponse } from '../../src/coap-wire/oscore-message.ts'
import { decodeOscoreOption, encodeOscoreOption } from '../../src/coap-wire/oscore-option.ts'
import { ReplayWindow, WINDOW_SIZE } from '../../src/coap-wire/oscore-replay.ts'
import { reversed } from '../fixtures/oscore-parameters.ts'
import * as second from '../support/second-oscore.ts'

const bytes = (minLength: number, maxLength: number) =>
  fc.uint8Array({ minLength, maxLength }).map(array => Buffer.from(array))

const parameters: fc.Arbitrary<OscoreParameters> = fc
  .record({
    masterSecret: bytes(1, 64),
    masterSalt: bytes(0, 16),
    senderId: bytes(0, 7),
    recipientId: bytes(0, 7),
    idContext: fc.option(bytes(0, 40)),
  })
  .filter(({ senderId, recipientId }) => !senderId.equals(recipientId))

/** All that has a row, but Proxy-Uri, which is taken apart, and options that are added by protection. */
const NUMBERS = [1, 3, 4, 5, 7, 8, 11, 12, 14, 15, 16, 17, 20, 23, 27, 28, 39, 60, 252, 258, 292, 2049, 65_000]
const options = fc
  .array(fc.record({ number: fc.constantFrom(...NUMBERS), value: bytes(0, 300) }), { maxLength: 6 })
  .map(inOrder)
const payload = bytes(0, 200)
const sequence = fc.oneof(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 0, max: LAST_SEQUENCE }))
const observe = fc.option(fc.constantFrom(0, 1))

const withObserve = (list: CoapMessage['options'], value: Buffer | null) =>
  value === null ? list : inOrder([...list, { number: OPTION.Observe, value }])

const message = (code: number, list: CoapMessage['options'], body: Buffer): CoapMessage => ({
  type: TYPE.NON,
  code,
  messageId: 1,
  token: Buffer.from([7]),
  options: list,
  payload: body,
})

const plain = ({ code, options: list, payload: body }: CoapMessage): second.Plain => ({
  code,
  options: list.map(({ number, value }) => [number, value] as const),
  payload: body,
})

/** Comparable, and in one order: equal numbers keep theirs. */
const shown = (of: second.Plain | CoapMessage | null | undefined) =>
  of && {
    code: of.code,
    options: of.options
      .map(option => ('number' in option ? ([option.number, option.value] as const) : option))
      .map(([number, value]) => `${number} ${Buffer.from(value).toString('hex')}`)
      .sort((one, other) => Number.parseInt(one, 10) - Number.parseInt(other, 10)),
    payload: Buffer.from(of.payload).toString('hex'),
  }

const secondEnd = ({ masterSecret, masterSalt, senderId, recipientId, idContext }: OscoreParameters) =>
  second.contextOf(masterSecret, masterSalt, senderId, recipientId, idContext ?? undefined)

const observeValue = (value: number | null) => (value === null ? null : Buffer.from(value === 0 ? [] : [value]))

test('both derive the same keys', () => {
  fc.assert(
    fc.property(parameters, each => {
      const { senderKey, recipientKey, commonIv } = deriveKeys(each)
      const { sends, receives, iv } = secondEnd(each)
      expect([senderKey, recipientKey, commonIv].map(key => key.toString('hex'))).toEqual(
        [sends, receives, iv].map(key => Buffer.from(key).toString('hex')),
      )
    }),
  )
})

test('a request of either is the same bytes, and read by the other', () => {
  fc.assert(
    fc.property(parameters, options, payload, sequence, observe, (client, list, body, number, registers) => {
      const request = message(CODE.PUT, withObserve(list, observeValue(registers)), body)
      const ours = protectRequest(deriveKeys(client), request, number)
      const theirs = second.ask(secondEnd(client), plain(request), number)
      expect(shown(ours.message)).toEqual(shown(theirs.outside))
      expect(shown(second.asked(secondEnd(reversed(client)), plain(ours.message))?.plain)).toEqual(shown(request))
      const option = decodeOscoreOption(optionOf(ours.message, OPTION.OSCORE) ?? Buffer.alloc(0))
      const { kid, partialIv } = option ?? {}
      if (!kid || !partialIv) throw new Error('no request')
      const verified = verifyRequest(deriveKeys(reversed(client)), ours.message, { kid, partialIv })
      expect(shown(verified?.message)).toEqual(shown(request))
      expect(verified?.sequence).toBe(number)
    }),
  )
})

test('a response of either is the same bytes, and read by the other', () => {
  fc.assert(
    fc.property(
      parameters,
      options,
      payload,
      fc.tuple(sequence, fc.option(sequence), observe),
      (client, list, body, [number, own, registers]) => {
        const registration = observeValue(registers)
        const request = message(CODE.GET, withObserve([], registration), Buffer.alloc(0))
        const asked = protectRequest(deriveKeys(client), request, number)
        const server = deriveKeys(reversed(client))
        const notified = registration === null ? null : Buffer.from([1, 2, 3])
        const response = message(CODE.Content, withObserve(list, notified), body)
        const ours = protectResponse(server, response, asked.binding, own)
        const { asked: theirAsked } = second.ask(secondEnd(client), plain(request), number)
        const theirs = second.answer(secondEnd(reversed(client)), plain(response), theirAsked, own ?? undefined)
        expect(shown(ours)).toEqual(shown(theirs))
        // Inside, Observe has no value.
        const meant = { ...response, options: withObserve(list, notified === null ? null : Buffer.alloc(0)) }
        expect(shown(second.answered(secondEnd(client), plain(ours), theirAsked))).toEqual(shown(meant))
        const option = decodeOscoreOption(optionOf(ours, OPTION.OSCORE) ?? Buffer.from([0xff]))
        if (option === null) throw new Error('no OSCORE option')
        expect(shown(verifyResponse(deriveKeys(client), ours, option, asked.binding)?.message)).toEqual(shown(meant))
      },
    ),
  )
})

test('whatever is altered outside of what is class U, nothing else is read', () => {
  fc.assert(
    fc.property(
      parameters,
      payload,
      sequence,
      fc.nat(),
      fc.integer({ min: 0, max: 7 }),
      (client, body, number, at, bit) => {
        const { message: outer } = protectRequest(deriveKeys(client), message(CODE.POST, [], body), number)
        const spoiled = Buffer.from(outer.payload)
        spoiled[at % spoiled.length] = (spoiled[at % spoiled.length] ?? 0) ^ (1 << bit)
        const option = decodeOscoreOption(optionOf(outer, OPTION.OSCORE) ?? Buffer.alloc(0))
        const { kid, partialIv } = option ?? {}
        if (!kid || !partialIv) throw new Error('no request')
        const server = deriveKeys(reversed(client))
        expect(verifyRequest(server, { ...outer, payload: spoiled }, { kid, partialIv })).toBeNull()
        const other = Buffer.from([partialIv[0]! ^ (1 << bit), ...partialIv.subarray(1)])
        expect(verifyRequest(server, outer, { kid, partialIv: other })).toBeNull()
      },
    ),
  )
})

test('an option value is what it was made from, and nothing else is one', () => {
  const parts = fc.record({
    partialIv: fc.option(bytes(1, 5)),
    kidContext: fc.option(bytes(0, 30)),
    kid: fc.option(bytes(0, 7)),
  })
  fc.assert(
    fc.property(parts, each => {
      expect(decodeOscoreOption(encodeOscoreOption(each))).toEqual(each)
    }),
  )
  fc.assert(
    fc.property(bytes(0, 20), value => {
      const read = decodeOscoreOption(value)
      if (read !== null) expect(encodeOscoreOption(read)).toEqual(value)
    }),
  )
})

test('the replay window takes every number once, as a set of all numbers would within its reach', () => {
  const numbers = fc.array(fc.integer({ min: 0, max: 200 }), { maxLength: 120 })
  fc.assert(
    fc.property(numbers, fc.integer({ min: -1, max: 40 }), (list, from) => {
      const window = new ReplayWindow(from)
      const seen = new Set<number>()
      let highest = from
      for (const number of list) {
        const fresh = number > highest || (number > from && number > highest - WINDOW_SIZE && !seen.has(number))
        expect(window.isFresh(number)).toBe(fresh)
        expect(window.accept(number)).toBe(fresh)
        if (fresh) seen.add(number)
        highest = Math.max(highest, fresh ? number : highest)
        expect(window.highest).toBe(highest)
      }
    }),
  )
})
