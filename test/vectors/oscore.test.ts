// RFC 8613 appendix C, byte by byte: keys and nonces (C.1 - C.3), requests (C.4 - C.6), responses (C.7, C.8).
import { describe, expect, test } from 'vitest'
import { decode, isMalformed } from '../../src/coap-wire/decode.ts'
import { encode } from '../../src/coap-wire/encode.ts'
import type { CoapMessage } from '../../src/coap-wire/message.ts'
import { OPTION, optionOf } from '../../src/coap-wire/options.ts'
import { additionalData, nonceOf } from '../../src/coap-wire/oscore-cose.ts'
import { deriveKeys, keyInfo } from '../../src/coap-wire/oscore-keys.ts'
import { protectRequest, protectResponse, verifyRequest, verifyResponse } from '../../src/coap-wire/oscore-message.ts'
import { decodeOscoreOption } from '../../src/coap-wire/oscore-option.ts'
import { reversed } from '../fixtures/oscore-parameters.ts'

const hex = (text: string): Buffer => Buffer.from(text, 'hex')

const MASTER_SECRET = hex('0102030405060708090a0b0c0d0e0f10')
const MASTER_SALT = hex('9e7ca92223786340')
const ID_CONTEXT = hex('37cbf3210017a2d3')
const ZERO = hex('00')

const CLIENT_C1 = {
  masterSecret: MASTER_SECRET,
  masterSalt: MASTER_SALT,
  senderId: hex(''),
  recipientId: hex('01'),
  idContext: null,
}
const CLIENT_C2 = { ...CLIENT_C1, masterSalt: hex(''), senderId: hex('00') }
const CLIENT_C3 = { ...CLIENT_C1, idContext: ID_CONTEXT }

const DERIVATIONS = [
  {
    source: 'RFC 8613 C.1.1',
    what: 'client with a master salt',
    parameters: CLIENT_C1,
    senderInfo: '8540f60a634b657910',
    recipientInfo: '854101f60a634b657910',
    ivInfo: '8540f60a6249560d',
    senderKey: 'f0910ed7295e6ad4b54fc793154302ff',
    recipientKey: 'ffb14e093c94c9cac9471648b4f98710',
    commonIv: '4622d4dd6d944168eefb54987c',
    senderNonce: '4622d4dd6d944168eefb54987c',
    recipientNonce: '4722d4dd6d944169eefb54987c',
  },
  {
    source: 'RFC 8613 C.1.2',
    what: 'server with a master salt',
    parameters: reversed(CLIENT_C1),
    senderInfo: '854101f60a634b657910',
    recipientInfo: '8540f60a634b657910',
    ivInfo: '8540f60a6249560d',
    senderKey: 'ffb14e093c94c9cac9471648b4f98710',
    recipientKey: 'f0910ed7295e6ad4b54fc793154302ff',
    commonIv: '4622d4dd6d944168eefb54987c',
    senderNonce: '4722d4dd6d944169eefb54987c',
    recipientNonce: '4622d4dd6d944168eefb54987c',
  },
  {
    source: 'RFC 8613 C.2.1',
    what: 'client without a master salt',
    parameters: CLIENT_C2,
    senderInfo: '854100f60a634b657910',
    recipientInfo: '854101f60a634b657910',
    ivInfo: '8540f60a6249560d',
    senderKey: '321b26943253c7ffb6003b0b64d74041',
    recipientKey: 'e57b5635815177cd679ab4bcec9d7dda',
    commonIv: 'be35ae297d2dace910c52e99f9',
    senderNonce: 'bf35ae297d2dace910c52e99f9',
    recipientNonce: 'bf35ae297d2dace810c52e99f9',
  },
  {
    source: 'RFC 8613 C.2.2',
    what: 'server without a master salt',
    parameters: reversed(CLIENT_C2),
    senderInfo: '854101f60a634b657910',
    recipientInfo: '854100f60a634b657910',
    ivInfo: '8540f60a6249560d',
    senderKey: 'e57b5635815177cd679ab4bcec9d7dda',
    recipientKey: '321b26943253c7ffb6003b0b64d74041',
    commonIv: 'be35ae297d2dace910c52e99f9',
    senderNonce: 'bf35ae297d2dace810c52e99f9',
    recipientNonce: 'bf35ae297d2dace910c52e99f9',
  },
  {
    source: 'RFC 8613 C.3.1',
    what: 'client with an ID Context',
    parameters: CLIENT_C3,
    senderInfo: '85404837cbf3210017a2d30a634b657910',
    recipientInfo: '8541014837cbf3210017a2d30a634b657910',
    ivInfo: '85404837cbf3210017a2d30a6249560d',
    senderKey: 'af2a1300a5e95788b356336eeecd2b92',
    recipientKey: 'e39a0c7c77b43f03b4b39ab9a268699f',
    commonIv: '2ca58fb85ff1b81c0b7181b85e',
    senderNonce: '2ca58fb85ff1b81c0b7181b85e',
    recipientNonce: '2da58fb85ff1b81d0b7181b85e',
  },
  {
    source: 'RFC 8613 C.3.2',
    what: 'server with an ID Context',
    parameters: reversed(CLIENT_C3),
    senderInfo: '8541014837cbf3210017a2d30a634b657910',
    recipientInfo: '85404837cbf3210017a2d30a634b657910',
    ivInfo: '85404837cbf3210017a2d30a6249560d',
    senderKey: 'e39a0c7c77b43f03b4b39ab9a268699f',
    recipientKey: 'af2a1300a5e95788b356336eeecd2b92',
    commonIv: '2ca58fb85ff1b81c0b7181b85e',
    senderNonce: '2da58fb85ff1b81d0b7181b85e',
    recipientNonce: '2ca58fb85ff1b81c0b7181b85e',
  },
]

test.each(DERIVATIONS)('$source: $what', vector => {
  const { parameters } = vector
  const { senderId, recipientId, idContext } = parameters
  const keys = deriveKeys(parameters)
  const seen = {
    senderInfo: keyInfo(senderId, idContext, 'Key', 16),
    recipientInfo: keyInfo(recipientId, idContext, 'Key', 16),
    ivInfo: keyInfo(hex(''), idContext, 'IV', 13),
    senderKey: keys.senderKey,
    recipientKey: keys.recipientKey,
    commonIv: keys.commonIv,
    senderNonce: nonceOf(keys.commonIv, senderId, ZERO),
    recipientNonce: nonceOf(keys.commonIv, recipientId, ZERO),
  }
  for (const [name, bytes] of Object.entries(seen))
    expect(`${name} ${bytes.toString('hex')}`).toBe(`${name} ${vector[name as keyof typeof seen]}`)
})

const REQUESTS = [
  {
    source: 'RFC 8613 C.4',
    what: 'request of the client of C.1',
    parameters: CLIENT_C1,
    plain: '44015d1f00003974396c6f63616c686f737483747631',
    aad: '8368456e63727970743040488501810a40411440',
    nonce: '4622d4dd6d944168eefb549868',
    option: '0914',
    protected: '44025d1f00003974396c6f63616c686f7374620914ff612f1092f1776f1c1668b3825e',
  },
  {
    source: 'RFC 8613 C.5',
    what: 'request of the client of C.2',
    parameters: CLIENT_C2,
    plain: '440171c30000b932396c6f63616c686f737483747631',
    aad: '8368456e63727970743040498501810a4100411440',
    nonce: 'bf35ae297d2dace910c52e99ed',
    option: '091400',
    protected: '440271c30000b932396c6f63616c686f737463091400ff4ed339a5a379b0b8bc731fffb0',
  },
  {
    source: 'RFC 8613 C.6',
    what: 'request of the client of C.3',
    parameters: CLIENT_C3,
    plain: '44012f8eef9bbf7a396c6f63616c686f737483747631',
    aad: '8368456e63727970743040488501810a40411440',
    nonce: '2ca58fb85ff1b81c0b7181b84a',
    option: '19140837cbf3210017a2d3',
    protected: '44022f8eef9bbf7a396c6f63616c686f73746b19140837cbf3210017a2d3ff72cd7273fd331ac45cffbe55c3',
  },
]

function message(text: string): CoapMessage {
  const decoded = decode(hex(text))
  if (decoded === null || isMalformed(decoded)) throw new Error(`${text} is no message`)
  return decoded
}

const oscoreOption = (of: CoapMessage) => {
  const option = decodeOscoreOption(optionOf(of, OPTION.OSCORE) ?? hex('ff'))
  if (option === null) throw new Error('no OSCORE option')
  return option
}

describe.each(REQUESTS)('$source: $what', vector => {
  const sequence = 20

  test('is protected', () => {
    const { message: outer, binding } = protectRequest(deriveKeys(vector.parameters), message(vector.plain), sequence)
    expect(additionalData(binding.kid, binding.partialIv).toString('hex')).toBe(vector.aad)
    expect(binding.nonce.toString('hex')).toBe(vector.nonce)
    expect(optionOf(outer, OPTION.OSCORE)?.toString('hex')).toBe(vector.option)
    expect(encode(outer).toString('hex')).toBe(vector.protected)
  })

  test('is verified', () => {
    const outer = message(vector.protected)
    const { kid, partialIv } = oscoreOption(outer)
    if (kid === null || partialIv === null) throw new Error('no request')
    const verified = verifyRequest(deriveKeys(reversed(vector.parameters)), outer, { kid, partialIv })
    expect(verified?.sequence).toBe(sequence)
    expect(verified && encode(verified.message).toString('hex')).toBe(vector.plain)
  })
})

const PLAIN_RESPONSE = '64455d1f00003974ff48656c6c6f20576f726c6421'
const RESPONSES = [
  {
    source: 'RFC 8613 C.7',
    what: 'response to C.4 under the nonce of the request',
    sequence: null,
    option: '',
    protected: '64445d1f0000397490ffdbaad1e9a7e7b2a813d3c31524378303cdafae119106',
  },
  {
    source: 'RFC 8613 C.8',
    what: 'response to C.4 with a partial IV',
    sequence: 0,
    option: '0100',
    protected: '64445d1f00003974920100ff4d4c13669384b67354b2b6175ff4b8658c666a6cf88e',
  },
]

describe.each(RESPONSES)('$source: $what', vector => {
  const client = deriveKeys(CLIENT_C1)
  const server = deriveKeys(reversed(CLIENT_C1))
  const { binding } = protectRequest(client, message(REQUESTS[0]?.plain ?? ''), 20)

  test('is protected', () => {
    const outer = protectResponse(server, message(PLAIN_RESPONSE), binding, vector.sequence)
    expect(optionOf(outer, OPTION.OSCORE)?.toString('hex')).toBe(vector.option)
    expect(encode(outer).toString('hex')).toBe(vector.protected)
  })

  test('is verified', () => {
    const outer = message(vector.protected)
    const verified = verifyResponse(client, outer, oscoreOption(outer), binding)
    expect(verified?.sequence).toBe(vector.sequence)
    expect(verified && encode(verified.message).toString('hex')).toBe(PLAIN_RESPONSE)
  })
})
