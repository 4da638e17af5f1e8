// The `coap` package over OSCORE: the socket that it is given, against a server that does what the test says.
import { createSocket, type RemoteInfo } from 'node:dgram'
import { once } from 'node:events'
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { CoapExchange } from '../../simulator/devices/coap-exchange.ts'
import { OscoreSocket } from '../../simulator/devices/oscore-socket.ts'
import { CODE } from '../../src/coap-wire/codes.ts'
import { decode, isMalformed } from '../../src/coap-wire/decode.ts'
import { encode } from '../../src/coap-wire/encode.ts'
import { type CoapMessage, TYPE } from '../../src/coap-wire/message.ts'
import { OPTION, optionOf, optionsOf } from '../../src/coap-wire/options.ts'
import { freshSequence, OscoreContext, type OscoreSequence } from '../../src/coap-wire/oscore-client.ts'
import { deriveKeys } from '../../src/coap-wire/oscore-keys.ts'
import { protectResponse, type VerifiedRequest, verifyRequest } from '../../src/coap-wire/oscore-message.ts'
import { decodeOscoreOption } from '../../src/coap-wire/oscore-option.ts'
import { reversed } from '../fixtures/oscore-parameters.ts'

const PARAMETERS = {
  masterSecret: Buffer.alloc(16, 3),
  masterSalt: Buffer.alloc(8, 4),
  senderId: Buffer.from([1]),
  recipientId: Buffer.from([0]),
  idContext: null,
}
const NOTHING = Buffer.alloc(0)
const keys = deriveKeys(reversed(PARAMETERS))

const server = createSocket('udp4')
let answer: (request: VerifiedRequest, message: CoapMessage) => Buffer[]
let received: Buffer[] = []
let exchange: CoapExchange

server.on('message', (bytes: Buffer, from: RemoteInfo) => {
  received.push(bytes)
  const message = decode(bytes)
  if (message === null || isMalformed(message) || message.code === CODE.Empty) return
  const { kid = null, partialIv = null } = decodeOscoreOption(optionOf(message, OPTION.OSCORE) ?? NOTHING) ?? {}
  const verified = kid && partialIv ? verifyRequest(keys, message, { kid, partialIv }) : null
  if (verified === null) throw new Error('a request was not protected')
  for (const datagram of answer(verified, message)) server.send(datagram, from.port, from.address)
})

async function open(sequence: OscoreSequence = freshSequence()): Promise<CoapExchange> {
  const { address: host, port } = server.address()
  const context = new OscoreContext(PARAMETERS, sequence)
  const socket = await OscoreSocket.open({ host, port }, context, new AbortController().signal)
  return new CoapExchange({ host, port }, socket, () => {})
}

beforeAll(async () => {
  server.bind(0, '127.0.0.1')
  await once(server, 'listening')
})
beforeEach(async () => {
  received = []
  exchange = await open()
})
afterEach(() => exchange.close())

const plainAnswer = (message: CoapMessage, text: string, code: number = CODE.Content): CoapMessage => ({
  ...message,
  type: TYPE.ACK,
  code,
  options: [],
  payload: Buffer.from(text),
})
const ask = (timeout = 4_000) => exchange.request({ method: 'GET', path: '/ps/a/b', query: { qos: '1' } }, timeout)

test('requests are hidden, and answers are read', async () => {
  answer = (verified, message) => {
    expect(optionsOf(verified.message, OPTION.UriPath).map(String)).toEqual(['ps', 'a', 'b'])
    return [encode(protectResponse(keys, plainAnswer(message, 'hello'), verified.binding, null))]
  }
  const { code, payload } = await ask()
  expect([code, payload.toString()]).toEqual(['2.05', 'hello'])
  expect(Buffer.concat(received).includes('qos')).toBe(false)
})

test('a success that nothing protects is not believed, an error is', async () => {
  answer = (verified, message) => [
    encode(plainAnswer(message, 'forged')),
    encode(protectResponse(keys, plainAnswer(message, 'true'), verified.binding, null)),
  ]
  expect((await ask()).payload.toString()).toBe('true')
  answer = (_, message) => [encode(plainAnswer(message, 'Security context not found', CODE.Unauthorized))]
  expect((await ask()).code).toBe('4.01')
})

test('a challenge is answered with its Echo, in another request', async () => {
  answer = (verified, message) => {
    const echo = optionOf(verified.message, OPTION.Echo)
    if (echo !== null) return [encode(protectResponse(keys, plainAnswer(message, `${echo}`), verified.binding, null))]
    const options = [{ number: OPTION.Echo, value: Buffer.from('fresh') }]
    const challenge = { ...plainAnswer(message, '', CODE.Unauthorized), options }
    return [encode(protectResponse(keys, challenge, verified.binding, null))]
  }
  expect((await ask()).payload.toString()).toBe('fresh')
  expect(new Set(received.map(String)).size).toBe(2)
})

test('what nobody asked for is rejected, so that it does not come again', async () => {
  answer = (verified, message) => {
    const stray = { ...plainAnswer(message, 'stray'), type: TYPE.CON, messageId: 7, token: Buffer.from('unknown') }
    return [stray, plainAnswer(message, 'mine')].map(each =>
      encode(protectResponse(keys, each, verified.binding, each.messageId === 7 ? 1 : null)),
    )
  }
  await ask()
  const reset = Buffer.from([0x70, 0, 0, 7])
  await expect.poll(() => received.some(bytes => bytes.equals(reset))).toBe(true)
})

test('without a sequence number nothing leaves', async () => {
  await exchange.close()
  exchange = await open({
    next() {
      throw new RangeError('the disk is behind')
    },
  })
  await expect(ask()).rejects.toThrow(/disk/)
  expect(received).toEqual([])
})

test('where nobody listens any more, that is noticed', async () => {
  server.close()
  await once(server, 'close')
  await expect(ask()).rejects.toThrow(/not reached: .*ECONNREFUSED/)
})
