// The exchanges that the RFCs draw, as a server has them: the datagrams of the client go in as they are drawn, and what comes
// out is compared byte by byte. `id` and `id2` stand for message ids that the server chooses.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Resource } from '../../src/coap/resource.ts'
import { CODE, codeText } from '../../src/coap-wire/codes.ts'
import { encode } from '../../src/coap-wire/encode.ts'
import { type CoapMessage, TYPE } from '../../src/coap-wire/message.ts'
import { OPTION, optionOf } from '../../src/coap-wire/options.ts'
import { FREE_PORTS_WITH_COAP, startBroker, type TestBroker } from '../fixtures/broker.ts'
import { CoapDevice, numberIn } from '../fixtures/coap-device.ts'
import { blockOption, fetchRest, shownBlock } from '../wire/coap-blocks.ts'
import { exchange, start } from '../wire/coap-datagrams.ts'

interface Exchange {
  readonly source: string
  readonly what: string
  /** What the client sends, and all that comes for it; hex with blanks, ASCII in quotes. */
  readonly steps: readonly (readonly [sent: string, ...received: readonly string[]])[]
  /** How often a handler is to run. */
  readonly runs: number
}

const EXCHANGES: readonly Exchange[] = [
  {
    source: 'RFC 7252 2.1, figure 2, and 2.2, figure 4',
    what: 'two confirmable requests, each with a piggybacked response',
    steps: [
      ['41 01 bc90 71 bb "temperature"', '61 45 bc90 71 ff "22.3 C"'],
      ['41 01 bc91 72 bb "temperaturf"', '61 84 bc91 72 ff "Not found."'],
    ],
    runs: 1,
  },
  {
    source: 'RFC 7252 2.2, figure 5',
    what: 'a separate response',
    steps: [['41 01 7a10 73 b5 "later"', '60 00 7a10', '41 45 id 73 ff "22.5 C"'], ['60 00 id']],
    runs: 1,
  },
  {
    source: 'RFC 7252 2.2, figure 6',
    what: 'a non-confirmable request and response',
    steps: [['51 01 7a11 74 bb "temperature"', '51 45 id 74 ff "22.3 C"']],
    runs: 1,
  },
  {
    source: 'RFC 7252 A, figure 16',
    what: 'confirmable request, piggybacked response',
    steps: [['40 01 7d34 bb "temperature"', '60 45 7d34 ff "22.3 C"']],
    runs: 1,
  },
  {
    source: 'RFC 7252 A, figure 17',
    what: 'the same with a token',
    steps: [['41 01 7d35 20 bb "temperature"', '61 45 7d35 20 ff "22.3 C"']],
    runs: 1,
  },
  {
    source: 'RFC 7252 A, figures 18 and 19',
    what: 'a retransmitted request: whether it or its response was lost, it is answered alike, and handled once',
    steps: [
      ['41 01 7d37 42 bb "temperature"', '61 45 7d37 42 ff "22.3 C"'],
      ['41 01 7d37 42 bb "temperature"', '61 45 7d37 42 ff "22.3 C"'],
    ],
    runs: 1,
  },
  {
    source: 'RFC 7252 A, figure 20',
    what: 'separate response, acknowledged',
    steps: [['41 01 7d38 53 b5 "later"', '60 00 7d38', '41 45 id 53 ff "22.5 C"'], ['60 00 id']],
    runs: 1,
  },
  {
    source: 'RFC 7252 A, figure 21',
    what: 'separate response, which the client does not know any more and resets',
    steps: [['41 01 7d39 64 b5 "later"', '60 00 7d39', '41 45 id 64 ff "22.5 C"'], ['70 00 id']],
    runs: 1,
  },
  {
    source: 'RFC 7252 A, figure 22',
    what: 'non-confirmable request and response',
    steps: [['51 01 7d40 75 bb "temperature"', '51 45 id 75 ff "22.3 C"']],
    runs: 1,
  },
  {
    source: 'RFC 7252 4.3',
    what: 'ping',
    steps: [['40 00 0001', '70 00 0001']],
    runs: 0,
  },
]

function hexOf(text: string, id: string): string {
  const parts = text.match(/"[^"]*"|id|[0-9a-f]+/g) ?? []
  return parts
    .map(part => (part === 'id' ? id : part.startsWith('"') ? Buffer.from(part.slice(1, -1)).toString('hex') : part))
    .join('')
}

test.each(EXCHANGES)('$source: $what', async ({ steps, runs }) => {
  let release = () => {}
  let ran = 0
  const answer = (payload: string) => ({ code: CODE.Content, payload: Buffer.from(payload) })
  const resources: Resource[] = [
    {
      path: ['temperature'],
      methods: new Set([CODE.GET]),
      handle() {
        ran++
        return answer('22.3 C')
      },
    },
    {
      path: ['later'],
      methods: new Set([CODE.GET]),
      handle() {
        ran++
        return new Promise(resolve => {
          release = () => resolve(answer('22.5 C'))
        })
      },
    },
  ]
  const { server, client } = await start({}, resources)
  let id = ''
  for (const [sent, ...expected] of steps) {
    const came = await exchange(client, Buffer.from(hexOf(sent, id), 'hex'))
    if (expected.length > 1) {
      server.time.advance(600) // longer than the server waits before it acknowledges
      release()
      came.push(...(await exchange(client)))
    }
    const chosen = expected.findIndex(each => each.includes(' id '))
    if (chosen >= 0) id = came[chosen]?.toString('hex', 2, 4) ?? ''
    expect(
      came.map(bytes => bytes.toString('hex')),
      sent,
    ).toEqual(expected.map(each => hexOf(each, id)))
  }
  // Nothing is repeated once it is acknowledged or reset.
  server.time.advance(100_000)
  expect(await exchange(client)).toEqual([])
  expect(ran).toBe(runs)
})

// --- Observe, against a whole broker: its paths begin with /ps, and its numbers are its own ---------------------------------

describe('observations as they are drawn', () => {
  let broker: TestBroker
  let device: CoapDevice
  const token = (hex: string) => Buffer.from(hex, 'hex')
  const header = ({ type, code }: CoapMessage) =>
    `${type === TYPE.NON ? 'NON' : type === TYPE.CON ? 'CON' : 'ACK'} ${codeText(code)}`

  beforeAll(async () => {
    broker = await startBroker({ listeners: FREE_PORTS_WITH_COAP, limits: { coap: { blockSize: 128 } } })
    await broker.device('t1')
    device = await CoapDevice.login(broker, 't1', (await broker.secret('t1')).secret)
  })
  afterAll(async () => {
    await device?.close()
    await broker?.close()
  })

  test('RFC 7641 A.1, figures 3 and 4: two states, a lost one, and a registration anew under another token', async () => {
    const set = (payload: string) => device.put('device/t1/temperature', payload, { query: ['expiry=15'] })
    await set('18.5 Cel')
    const first = await device.observe('device/t1/temperature', { token: token('4a'), query: ['qos=0'] })
    expect([header(first.first), `${first.first.payload}`]).toEqual(['ACK 2.05', '18.5 Cel'])
    expect(numberIn(first.first, OPTION.MaxAge)).toBeLessThanOrEqual(15)
    await set('19.2 Cel')
    const notified = await first.next()
    expect([header(notified), `${notified.payload}`]).toEqual(['NON 2.05', '19.2 Cel'])
    expect(notified.token).toEqual(token('4a'))
    await set('19.7 Cel')
    await first.next() // which the figure lets get lost
    const second = await device.observe('device/t1/temperature', { token: token('b2'), query: ['qos=0'] })
    expect([header(second.first), `${second.first.payload}`]).toEqual(['ACK 2.05', '19.7 Cel'])
    const numbers = [first.first, notified, second.first].map(message => numberIn(message, OPTION.Observe) ?? -1)
    for (const [i, number] of numbers.slice(1).entries())
      expect((number - (numbers[i] ?? 0)) & 0xffffff).toBeLessThan(2 ** 23) // RFC 7641 3.4
    const etag = optionOf(second.first, OPTION.ETag)
    expect(etag?.length).toBe(8)
    // "... with the ETag": the state has not changed since (RFC 7641 3.3.1).
    const known = {
      token: token('b2'),
      query: ['qos=0'],
      options: [{ number: OPTION.ETag, value: etag ?? Buffer.alloc(0) }],
    }
    expect(header((await device.observe('device/t1/temperature', known)).first)).toBe('ACK 2.03')
  })

  const status = (name: string) =>
    Buffer.from(Array.from({ length: 300 }, (_, i) => (name.codePointAt(0) ?? 0) + (i % 9)))

  test.each([
    ['figure 12: an observation with block-wise responses', null, 128],
    ['figure 13: the same with early negotiation', 2, 64],
  ])('RFC 7959 3.4, %s', async (_, sizeExponent, size) => {
    await device.put('device/t1/status', status('a'))
    const options = sizeExponent === null ? [] : [blockOption(OPTION.Block2, { number: 0, more: false, sizeExponent })]
    const observation = await device.observe('device/t1/status', { token: token('fb'), options })
    const asked = { path: 'ps/device/t1/status', query: device.session }
    for (const [i, name] of ['a', 'b'].entries()) {
      if (i > 0) await device.put('device/t1/status', status(name))
      const first = i === 0 ? observation.first : await observation.next()
      expect([header(first), shownBlock(first, OPTION.Block2)]).toEqual([
        i === 0 ? 'ACK 2.05' : 'CON 2.05',
        `0/1/${size}`,
      ])
      expect([first.token, numberIn(first, OPTION.Observe) !== null]).toEqual([token('fb'), true])
      // The rest has tokens of its own and no Observe; all blocks bear one ETag, which fetchRest sees to.
      expect((await fetchRest(device.client, first, asked)).equals(status(name))).toBe(true)
    }
    await observation.cancel()
  })

  test('RFC 7641 3.6: a reset of a notification ends the observation', async () => {
    const observation = await device.observe('device/t1/reset', { token: token('01'), ack: 'reset' })
    await device.put('device/t1/reset', 'one')
    await observation.next()
    await device.client.ping()
    await device.put('device/t1/reset', 'two')
    await device.client.ping()
    expect(observation.inbox.messages).toEqual([])
  })

  test('RFC 7252 5.10.8: what has no If-Match to hold, and what should not be there', async () => {
    const none = { options: [{ number: OPTION.IfNoneMatch, value: Buffer.alloc(0) }] }
    const codes = [
      await device.put('device/t1/conditional', 'one', none),
      await device.put('device/t1/conditional', 'two', none),
      await device.put('device/t1/conditional', 'two', {
        options: [{ number: OPTION.IfMatch, value: Buffer.alloc(8) }],
      }),
      await device.put('device/t1/conditional', 'two', {
        options: [{ number: OPTION.IfMatch, value: Buffer.alloc(0) }],
      }),
    ].map(({ code }) => codeText(code))
    expect(codes).toEqual(['2.04', '4.12', '4.12', '2.04'])
  })
})

test('RFC 7641 2: the number of a registration with a longer Observe option is passed over', async () => {
  const { client, server } = await start()
  const asked = client.compose({
    path: 'observed',
    options: [{ number: OPTION.Observe, value: Buffer.from([0, 0, 0, 0]) }],
  })
  await exchange(client, encode(asked))
  expect(server.seen.map(({ observe }) => observe)).toEqual([null])
})
