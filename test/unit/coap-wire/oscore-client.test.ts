import { describe, expect, test } from 'vitest'
import { CODE } from '../../../src/coap-wire/codes.ts'
import { decode, isMalformed } from '../../../src/coap-wire/decode.ts'
import { encode } from '../../../src/coap-wire/encode.ts'
import { type CoapMessage, type MessageType, TYPE } from '../../../src/coap-wire/message.ts'
import { OPTION, optionOf, uintOf, uintValue } from '../../../src/coap-wire/options.ts'
import { freshSequence, OscoreContext } from '../../../src/coap-wire/oscore-client.ts'
import { LAST_SEQUENCE } from '../../../src/coap-wire/oscore-cose.ts'
import { OscoreDatagrams } from '../../../src/coap-wire/oscore-datagrams.ts'
import { deriveKeys, type OscoreParameters } from '../../../src/coap-wire/oscore-keys.ts'
import { protectResponse, type RequestBinding, verifyRequest } from '../../../src/coap-wire/oscore-message.ts'
import { decodeOscoreOption } from '../../../src/coap-wire/oscore-option.ts'
import { reversed } from '../../fixtures/oscore-parameters.ts'

const PARAMETERS: OscoreParameters = {
  masterSecret: Buffer.alloc(16, 1),
  masterSalt: Buffer.alloc(8, 2),
  senderId: Buffer.from([1]),
  recipientId: Buffer.from([2]),
  idContext: null,
}
const SERVER = deriveKeys(reversed(PARAMETERS))
const NOTHING = Buffer.alloc(0)

const message = (more: Partial<CoapMessage> = {}): CoapMessage => ({
  type: TYPE.CON,
  code: CODE.GET,
  messageId: 7,
  token: Buffer.from([9]),
  options: [],
  payload: NOTHING,
  ...more,
})
const observe = (value: number) => ({ number: OPTION.Observe, value: uintValue(value) })
const response = (payload: string, more: Partial<CoapMessage> = {}): CoapMessage =>
  message({ type: TYPE.ACK, code: CODE.Content, payload: Buffer.from(payload), ...more })

const fresh = () => new OscoreContext(PARAMETERS, freshSequence())
const payloadOf = (what: CoapMessage | string): string => (typeof what === 'string' ? what : what.payload.toString())

describe('a context', () => {
  test('numbers its requests, and has an end', () => {
    const context = new OscoreContext(PARAMETERS, freshSequence(LAST_SEQUENCE))
    expect(context.protectRequest(message()).binding.partialIv.toString('hex')).toBe('ffffffffff')
    expect(() => context.protectRequest(message())).toThrow(RangeError)
  })

  test('is made of two ids that differ and are short enough', () => {
    const same = { ...PARAMETERS, recipientId: PARAMETERS.senderId }
    expect(() => new OscoreContext(same, freshSequence())).toThrow(/same id/)
    expect(() => new OscoreContext({ ...PARAMETERS, senderId: Buffer.alloc(8) }, freshSequence())).toThrow(/8 bytes/)
    const long = { ...PARAMETERS, idContext: Buffer.alloc(256) }
    expect(() => new OscoreContext(long, freshSequence())).toThrow(/256 bytes/)
  })

  test('believes no response to another request, nor one that somebody altered or nobody protected', () => {
    const context = fresh()
    const [one, other] = [context.protectRequest(message()), context.protectRequest(message())]
    const answer = protectResponse(SERVER, response('one'), one.binding, null)
    const withOwn = protectResponse(SERVER, response('one'), one.binding, 5)
    expect(payloadOf(context.unprotectResponse(answer, one))).toBe('one')
    expect(payloadOf(context.unprotectResponse(withOwn, one))).toBe('one')
    expect(context.unprotectResponse(answer, other)).toBe('unverified')
    expect(context.unprotectResponse(withOwn, other)).toBe('unverified')
    expect(context.unprotectResponse(response('plain'), one)).toBe('unprotected')
    const spoiled = { ...answer, payload: Buffer.from([...answer.payload.subarray(1), 0]) }
    expect(context.unprotectResponse(spoiled, one)).toBe('unverified')
    expect(context.unprotectResponse({ ...answer, payload: NOTHING }, one)).toBe('unverified')
    // A request is no response, whoever protected it.
    const request = protectResponse(SERVER, message({ code: CODE.POST }), one.binding, 6)
    expect(context.unprotectResponse(request, one)).toBe('unverified')
  })

  test('takes options of class E from inside alone, and those of class U from outside', () => {
    const context = fresh()
    const exchange = context.protectRequest(message())
    const answer = protectResponse(
      SERVER,
      response('x', { options: [{ number: OPTION.ETag, value: Buffer.from('e') }] }),
      exchange.binding,
      null,
    )
    const outside = [
      { number: OPTION.UriHost, value: Buffer.from('h') },
      { number: OPTION.ETag, value: Buffer.from('f') },
      ...answer.options,
      { number: OPTION.MaxAge, value: Buffer.from([9]) },
      { number: 2049, value: Buffer.from('?') },
    ]
    const read = context.unprotectResponse({ ...answer, options: outside }, exchange)
    if (typeof read === 'string') throw new Error(read)
    expect(read.options.map(({ number, value }) => `${number} ${value}`)).toEqual(['3 h', '4 e'])
  })

  test('takes notifications that are newer than those before, and none that it did not ask for', () => {
    const context = fresh()
    const registration = context.protectRequest(message({ options: [observe(0)] }))
    const notify = (text: string, sequence: number | null, binding: RequestBinding = registration.binding) =>
      protectResponse(SERVER, response(text, { options: [observe(17)] }), binding, sequence)
    const taken = (notification: CoapMessage) => {
      const read = context.unprotectResponse(notification, registration)
      return typeof read === 'string' ? read : `${read.payload} ${uintOf(optionOf(read, OPTION.Observe) ?? NOTHING)}`
    }
    const first = notify('first', null)
    expect(taken(first)).toBe('first 0')
    expect(taken(first)).toBe('stale')
    expect(taken(notify('three', 3))).toBe('three 3')
    expect(taken(notify('two', 2))).toBe('stale')
    expect(taken(notify('three again', 3))).toBe('stale')
    expect(taken(notify('far', 0x1000005))).toBe('far 5')
    const plain = context.protectRequest(message())
    expect(context.unprotectResponse(notify('unasked', 9, plain.binding), plain)).toBe('unverified')
  })

  test('takes a Proxy-Uri apart, so that the path is hidden and the proxy is told the rest', () => {
    const uri = Buffer.from('coap://hub.example:5700/ps/a%20b?qos=1&nl')
    const { message: outer } = fresh().protectRequest(message({ options: [{ number: OPTION.ProxyUri, value: uri }] }))
    expect(
      outer.options.filter(({ number }) => number !== OPTION.OSCORE).map(({ number, value }) => [number, value]),
    ).toEqual([
      [OPTION.UriHost, Buffer.from('hub.example')],
      [OPTION.UriPort, uintValue(5700)],
      [OPTION.ProxyScheme, Buffer.from('coap')],
    ])
    const { kid, partialIv } = decodeOscoreOption(optionOf(outer, OPTION.OSCORE) ?? NOTHING) ?? {}
    const inner = kid && partialIv ? verifyRequest(SERVER, outer, { kid, partialIv }) : null
    const path = inner?.message.options.filter(({ number }) => number === OPTION.UriPath).map(({ value }) => `${value}`)
    const query = inner?.message.options
      .filter(({ number }) => number === OPTION.UriQuery)
      .map(({ value }) => `${value}`)
    expect([path, query]).toEqual([
      ['ps', 'a b'],
      ['qos=1', 'nl'],
    ])
    const nowhere = [{ number: OPTION.ProxyUri, value: Buffer.from('nowhere') }]
    expect(() => fresh().protectRequest(message({ options: nowhere }))).toThrow(RangeError)
  })
})

describe('between a client and its socket', () => {
  const read = (bytes: Buffer): CoapMessage => {
    const decoded = decode(bytes)
    if (decoded === null || isMalformed(decoded)) throw new Error('no message')
    return decoded
  }
  /** What the server knows of a request. */
  const bindingOf = (bytes: Buffer): RequestBinding => {
    const outer = read(bytes)
    const { kid, partialIv } = decodeOscoreOption(optionOf(outer, OPTION.OSCORE) ?? NOTHING) ?? {}
    const verified = kid && partialIv ? verifyRequest(SERVER, outer, { kid, partialIv }) : null
    if (verified === null) throw new Error('not protected')
    return verified.binding
  }
  const answerTo = (
    request: Buffer,
    payload: string,
    more: Partial<CoapMessage> = {},
    sequence: number | null = null,
  ) => encode(protectResponse(SERVER, response(payload, more), bindingOf(request), sequence))
  const arrived = (what: ReturnType<OscoreDatagrams['unprotect']>): string =>
    typeof what === 'string' ? what : `${what.isProtected} ${read(what.bytes).payload}`

  test('a repeated request is the same bytes, and a new one under its message id is not', () => {
    const datagrams = new OscoreDatagrams(fresh())
    const plain = encode(message())
    const sent = datagrams.protect(plain)
    expect(datagrams.protect(Buffer.from(plain))).toEqual(sent)
    expect(datagrams.protect(encode(message({ payload: Buffer.from('x') })))).not.toEqual(sent)
  })

  test('acknowledgements and resets leave as they are', () => {
    const datagrams = new OscoreDatagrams(fresh())
    for (const type of [TYPE.ACK, TYPE.RST, TYPE.CON] as MessageType[]) {
      const empty = Buffer.from([0x40 | (type << 4), 0, 1, 2])
      expect(datagrams.protect(empty)).toBe(empty)
      expect(datagrams.unprotect(empty)).toEqual({ bytes: empty, isProtected: false })
    }
  })

  test('a confirmable notification whose acknowledgement was lost is handed on again, for the client to acknowledge', () => {
    const datagrams = new OscoreDatagrams(fresh())
    const request = datagrams.protect(encode(message({ options: [observe(0)] })))
    const more = { type: TYPE.CON, messageId: 300, options: [observe(1)] }
    const notification = answerTo(request, 'state', more, 4)
    expect(arrived(datagrams.unprotect(notification))).toBe('true state')
    expect(arrived(datagrams.unprotect(Buffer.from(notification)))).toBe('true state')
    expect(arrived(datagrams.unprotect(answerTo(request, 'state', { ...more, messageId: 301 }, 4)))).toBe('stale')
  })

  test('what is under way when an observation is cancelled is still read', () => {
    const datagrams = new OscoreDatagrams(fresh())
    const registration = datagrams.protect(encode(message({ options: [observe(0)] })))
    const cancellation = datagrams.protect(encode(message({ messageId: 8, options: [observe(1)] })))
    const late = { type: TYPE.NON, messageId: 302, options: [observe(1)] }
    expect(arrived(datagrams.unprotect(answerTo(registration, 'late', late, 1)))).toBe('true late')
    expect(arrived(datagrams.unprotect(answerTo(cancellation, 'over')))).toBe('true over')
  })

  test('an error of a server that could not read the request is told apart from what was protected', () => {
    const datagrams = new OscoreDatagrams(fresh())
    datagrams.protect(encode(message()))
    const error = encode(response('Replay detected', { code: CODE.Unauthorized }))
    expect(arrived(datagrams.unprotect(error))).toBe('false Replay detected')
  })
})
