// A datagram in somebody else's name makes the broker answer him. Whoever has not shown that he reads where he claims to be
// gets less than three times of what was sent in his name, whatever it was (RFC 9175 2.4), and over minutes too: nothing is
// repeated to him. The broker lets anybody do anything here, so that it is not the policy that refuses.
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { connectAsync } from 'mqtt'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { CODE } from '../../src/coap-wire/codes.ts'
import { encode } from '../../src/coap-wire/encode.ts'
import { type CoapMessage, TYPE } from '../../src/coap-wire/message.ts'
import { OPTION } from '../../src/coap-wire/options.ts'
import { encodeOscoreOption } from '../../src/coap-wire/oscore-option.ts'
import { FREE_PORTS_WITH_COAP, startBroker, type TestBroker } from '../fixtures/broker.ts'
import { datagram } from '../fixtures/coap-fuzz.ts'
import { generator } from '../fixtures/fuzz.ts'
import { contextOf, issueContext } from '../fixtures/oscore-device.ts'
import { blockOption } from '../wire/coap-blocks.ts'
import { CoapClient, type RequestOptions } from '../wire/coap-wire.ts'
import { TESTER } from '../wire/mqtt-broker.ts'

const BIG = 'x'.repeat(60_000)
const EMPTY = Buffer.alloc(0)
/** A retransmission would have come by then: the broker's are this short here. */
const ACK_TIMEOUT = 50
const RETRANSMISSIONS = 2

let broker: TestBroker
let composer: CoapClient
let oscore: Buffer
const closings: (() => Promise<unknown>)[] = []

beforeAll(async () => {
  broker = await startBroker(
    {
      listeners: FREE_PORTS_WITH_COAP,
      auth: { anonymous: { role: 'tester' } },
      limits: { coap: { ackTimeout: ACK_TIMEOUT, maxRetransmit: RETRANSMISSIONS } },
    },
    { policy: TESTER },
  )
  const mqtt = await connectAsync(`mqtt://127.0.0.1:${broker.port('mqtt')}`, { protocolVersion: 5 })
  closings.push(() => mqtt.endAsync(true))
  for (let at = 0; at < 40; at += 1)
    await mqtt.publishAsync(`a/${'long'.repeat(20)}/${at}`, 'y'.repeat(900), { qos: 1, retain: true })
  await mqtt.publishAsync('a/b', BIG, { qos: 1, retain: true })
  await mqtt.publishAsync('a/c', 'y'.repeat(900), { qos: 1, retain: true })
  composer = await CoapClient.open(broker.port('coap'))
  closings.push(() => composer.close())
  await broker.device('t1')
  const issued = await issueContext(broker, 't1')
  oscore = encode(contextOf(issued.oscore).protectRequest(composer.compose({ path: 'ps/a/b' })).message)
})
afterAll(async () => {
  for (const close of closings) await close()
  await broker?.close()
})

type Cases = Record<string, () => (Buffer | RequestOptions)[]>

const block2 = (number: number) => [blockOption(OPTION.Block2, { number, more: false, sizeExponent: 6 })]
const block1 = (number: number, more: boolean) => [blockOption(OPTION.Block1, { number, more, sizeExponent: 0 })]
const empty = (type: 0 | 1 | 2 | 3): Buffer => encode(bare({ type, code: CODE.Empty }))
const bare = (message: Partial<CoapMessage>): CoapMessage => ({
  type: TYPE.CON,
  code: CODE.GET,
  messageId: composer.messageId(),
  token: EMPTY,
  options: [],
  payload: EMPTY,
  ...message,
})
/** The same datagram again and again. */
const again = (many: number, asked: RequestOptions): Buffer[] => Array(many).fill(encode(composer.compose(asked)))
const oscoreOption = (kid: string) => [
  {
    number: OPTION.OSCORE,
    value: encodeOscoreOption({ partialIv: Buffer.from([1]), kidContext: null, kid: Buffer.from(kid) }),
  },
]

const CASES: Cases = {
  'GET of a value of 60 000 bytes': () => [{ path: 'ps/a/b' }],
  'GET of a value of 900 bytes': () => [{ path: 'ps/a/c' }],
  'GET of it, non-confirmable': () => [{ path: 'ps/a/c', type: TYPE.NON }],
  'GET of it with nothing but its path': () => [encode(bare({ options: ['ps', 'a', 'c'].map(pathOption) }))],
  'GET of a later block': () => [{ path: 'ps/a/b', options: block2(3) }],
  discovery: () => [{ path: '.well-known/core' }],
  'discovery, the shortest': () => [encode(bare({ options: ['.well-known', 'core'].map(pathOption) }))],
  'discovery below /ps': () => [{ path: 'ps' }],
  'discovery below /ps, the shortest': () => [encode(bare({ options: [pathOption('ps')] }))],
  Observe: () => [{ path: 'ps/a/c', observe: 0 }],
  'Observe of a filter': () => [{ path: 'ps/a/#', observe: 0 }],
  'FETCH of everything': () => [{ path: 'ps', code: CODE.FETCH, contentFormat: 50, payload: '"#"' }],
  'a login that fails': () => [{ path: 'mqtt/connection', code: CODE.POST, query: ['clientid=t1'], payload: 'wrong' }],
  'a token at /authz-info in the clear': () => [{ path: 'authz-info', code: CODE.POST, payload: 'eyJ.x.y' }],
  'a first block': () => [{ path: 'ps/a/z', code: CODE.PUT, options: block1(0, true), payload: 'x'.repeat(16) }],
  'a later block': () => [{ path: 'ps/a/z', code: CODE.PUT, options: block1(2, false), payload: 'x' }],
  'paths that are not there': () => ['', 'x', 'ps2', 'mqtt', 'a/b/c'].map(path => ({ path })),
  'the shortest request': () => [encode(bare({}))],
  'methods that are not served': () => [5, 6, 7, 8, 31].map(code => ({ path: 'ps/a/b', code })),
  'critical options': () => [9, 13, 65_001].map(number => ({ path: 'ps/a/b', options: [{ number, value: EMPTY }] })),
  'a critical option of one byte': () => [encode(bare({ options: [{ number: 9, value: EMPTY }] }))],
  'a proxy': () => [{ options: [{ number: OPTION.ProxyUri, value: Buffer.from('coap://a/b') }] }],
  pings: () => [0, 0, 0].map(() => empty(TYPE.CON)),
  'empty messages of every other type': () => [empty(TYPE.NON), empty(TYPE.ACK), empty(TYPE.RST)],
  'malformed ones': () =>
    ['40', '4001', '40010000ff', '40010000f0', '4f010000', '49010000', '60450000', '80010000', '4001'].map(hex),
  'a payload too long for one datagram': () => [{ path: 'ps/a/z', code: CODE.PUT, payload: 'x'.repeat(4_500) }],
  'OSCORE of somebody unknown': () => [{ code: CODE.POST, options: oscoreOption('nobody'), payload: 'x'.repeat(9) }],
  'OSCORE that is none': () => [{ code: CODE.POST, options: [{ number: OPTION.OSCORE, value: Buffer.from([0x1f]) }] }],
  'OSCORE without a payload': () => [{ code: CODE.POST, options: oscoreOption('a') }],
  'OSCORE, overheard and sent on': () => [oscore],
  'OSCORE, overheard and sent on again and again': () => Array(10).fill(oscore),
  'the same GET twenty times': () => again(20, { path: 'ps/a/c' }),
  'the same Observe twenty times': () => again(20, { path: 'ps/a/c', observe: 0 }),
  'twenty Observes': () => Array.from({ length: 20 }, () => ({ path: 'ps/a/c', observe: 0 })),
  'whatever a seed gives': () => {
    const random = generator(20_261_123)
    return Array.from({ length: 300 }, () => datagram(random, ['a'], [])).filter(({ length }) => length > 0)
  },
}

/** Bytes for bytes, of each case. */
const ratios = new Map<string, number>()

beforeAll(async () => {
  await Promise.all(Object.entries(CASES).map(async ([name, make]) => ratios.set(name, await ratioOf(make()))))
  console.info([...ratios].map(([name, ratio]) => `${ratio.toFixed(2)} ${name}`).join('\n'))
})

test.each(Object.keys(CASES))('%s', name => {
  expect(ratios.get(name)).toBeLessThan(3)
})

test('they are answered at all', () => {
  expect([...ratios.values()].filter(ratio => ratio > 0).length).toBeGreaterThan(ratios.size / 2)
})

/** What the victim gets for what is sent in his name. */
async function ratioOf(requests: readonly (Buffer | RequestOptions)[]): Promise<number> {
  const victim = await victimsSocket()
  const mark = await CoapClient.open(broker.port('coap'))
  let received = 0
  victim.on('message', ({ length }) => {
    received += length
  })
  const sent = requests.map(each => (Buffer.isBuffer(each) ? each : encode(composer.compose(each))))
  for (const bytes of sent) victim.send(bytes, broker.port('coap'), '127.0.0.1')
  // Time for answers that are made later, and for their retransmissions.
  for (let look = 0; look < 10; look += 1) {
    await mark.ping()
    await new Promise(resolve => setTimeout(resolve, ACK_TIMEOUT))
  }
  await Promise.all([mark.close(), closed(victim)])
  return received / sent.reduce((sum, { length }) => sum + length, 0)
}

/** He knows nothing of it. */
async function victimsSocket(): Promise<Socket> {
  const socket = createSocket({ type: 'udp4', recvBufferSize: 1 << 22 })
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  return socket
}

async function closed(socket: Socket): Promise<void> {
  socket.close()
  await once(socket, 'close')
}

function pathOption(level: string) {
  return { number: OPTION.UriPath, value: Buffer.from(level) }
}

function hex(text: string): Buffer {
  return Buffer.from(text, 'hex')
}
