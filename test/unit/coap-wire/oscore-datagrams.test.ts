// OSCORE between a client and its socket: what is known again, and for how long.
import { beforeEach, describe, expect, test } from 'vitest'
import { CODE } from '../../../src/coap-wire/codes.ts'
import { decode, isMalformed } from '../../../src/coap-wire/decode.ts'
import { encode } from '../../../src/coap-wire/encode.ts'
import { type CoapMessage, TYPE } from '../../../src/coap-wire/message.ts'
import { OPTION, optionOf, uintValue } from '../../../src/coap-wire/options.ts'
import { freshSequence, OscoreContext } from '../../../src/coap-wire/oscore-client.ts'
import { OscoreDatagrams } from '../../../src/coap-wire/oscore-datagrams.ts'
import { deriveKeys } from '../../../src/coap-wire/oscore-keys.ts'
import { protectResponse, type RequestBinding, verifyRequest } from '../../../src/coap-wire/oscore-message.ts'
import { decodeOscoreOption } from '../../../src/coap-wire/oscore-option.ts'
import { reversed } from '../../fixtures/oscore-parameters.ts'

const PARAMETERS = {
  masterSecret: Buffer.alloc(16, 7),
  masterSalt: Buffer.alloc(8, 9),
  senderId: Buffer.from([1]),
  recipientId: Buffer.from([0]),
  idContext: null,
}
const NOTHING = Buffer.alloc(0)
const server = deriveKeys(reversed(PARAMETERS))

let client: OscoreDatagrams
let sequence = 0
beforeEach(() => {
  client = new OscoreDatagrams(new OscoreContext(PARAMETERS, freshSequence()))
})

function parsed(bytes: Buffer): CoapMessage {
  const message = decode(bytes)
  if (message === null || isMalformed(message)) throw new Error('no CoAP')
  return message
}

const request = (token: number, messageId: number, observe?: number): Buffer =>
  encode({
    type: TYPE.CON,
    code: CODE.GET,
    messageId,
    token: Buffer.from([token]),
    options: [
      ...(observe === undefined ? [] : [{ number: OPTION.Observe, value: uintValue(observe) }]),
      { number: OPTION.UriPath, value: Buffer.from('secret') },
    ],
    payload: NOTHING,
  })

function bindingOf(bytes: Buffer): RequestBinding {
  const message = parsed(bytes)
  const option = decodeOscoreOption(optionOf(message, OPTION.OSCORE) ?? NOTHING)
  const { kid = null, partialIv = null } = option ?? {}
  const verified = kid && partialIv ? verifyRequest(server, message, { kid, partialIv }) : null
  if (verified === null) throw new Error('it was not protected')
  return verified.binding
}

/** A notification, or with `observe` false a plain response. */
function response(binding: RequestBinding, token: number, messageId: number, text: string, observe = true): Buffer {
  const plain: CoapMessage = {
    type: TYPE.CON,
    code: CODE.Content,
    messageId,
    token: Buffer.from([token]),
    options: observe ? [{ number: OPTION.Observe, value: NOTHING }] : [],
    payload: Buffer.from(text),
  }
  sequence += 1
  return encode(protectResponse(server, plain, binding, sequence))
}

function read(bytes: Buffer): string {
  const arrived = client.unprotect(bytes)
  return typeof arrived === 'string' ? arrived : parsed(arrived.bytes).payload.toString()
}

test('a repetition leaves as the same bytes, another request does not', () => {
  const first = client.protect(request(1, 1))
  expect(client.protect(request(1, 1))).toEqual(first)
  expect(client.protect(request(1, 2))).not.toEqual(first)
  expect(first.includes('secret')).toBe(false)
})

test('acknowledgements and resets pass as they are, both ways', () => {
  const empty = Buffer.from([0x60, 0, 0x12, 0x34])
  expect(client.protect(empty)).toEqual(empty)
  expect(client.unprotect(empty)).toEqual({ bytes: empty, isProtected: false })
})

test('a response is read once it is verified, again when it is repeated, and never by another request', () => {
  const binding = bindingOf(client.protect(request(1, 1)))
  client.protect(request(2, 2))
  const answer = response(binding, 1, 90, 'here', false)
  expect([read(answer), read(answer)]).toEqual(['here', 'here'])
  expect(read(response(binding, 2, 91, 'here', false))).toBe('unverified')
})

test('what nobody asked for is left to the client, which rejects it', () => {
  const binding = bindingOf(client.protect(request(1, 1)))
  const bytes = response(binding, 9, 90, 'here')
  expect(client.unprotect(bytes)).toEqual({ bytes, isProtected: false })
})

test('an error of whoever could not read the request is told apart', () => {
  client.protect(request(1, 1))
  const bytes = encode({ ...parsed(request(1, 1)), type: TYPE.ACK, code: CODE.Unauthorized, options: [] })
  expect(client.unprotect(bytes)).toEqual({ bytes, isProtected: false })
})

describe('an observation', () => {
  let binding: RequestBinding
  beforeEach(() => {
    binding = bindingOf(client.protect(request(1, 1, 0)))
    expect(read(response(binding, 1, 100, 'first'))).toBe('first')
  })

  test('is still read after any number of other requests', () => {
    for (let i = 0; i < 500; i++) client.protect(request(2 + (i % 200), 1_000 + i))
    expect(read(response(binding, 1, 101, 'late'))).toBe('late')
  })

  test('is read while it is cancelled by its token, and so is the answer to that', () => {
    const cancelled = bindingOf(client.protect(request(1, 2, 1)))
    expect(read(response(binding, 1, 101, 'on its way'))).toBe('on its way')
    expect(read(response(cancelled, 1, 102, 'done', false))).toBe('done')
  })

  test('tells only what is newer', () => {
    const old = response(binding, 1, 101, 'old')
    expect(read(response(binding, 1, 102, 'new'))).toBe('new')
    expect(read(old)).toBe('stale')
  })
})
