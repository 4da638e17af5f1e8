// The exchanges of RFC 7959 section 3, datagram by datagram, in the notation of its figures: number/more/size of Block1 (1:)
// and Block2 (2:). Where a figure names no token or payload, there is none, or it follows from the sizes.
import { expect, test } from 'vitest'
import type { CoapLimits } from '../../src/coap/limits.ts'
import { CODE, codeText } from '../../src/coap-wire/codes.ts'
import { encode } from '../../src/coap-wire/encode.ts'
import { TYPE } from '../../src/coap-wire/message.ts'
import { OPTION, optionOf } from '../../src/coap-wire/options.ts'
import { blockOption, shownBlock } from '../wire/coap-blocks.ts'
import { exchange, messageOf, start } from '../wire/coap-datagrams.ts'
import type { CoapClient } from '../wire/coap-wire.ts'

interface Figure {
  readonly source: string
  readonly what: string
  /** Of the server's blocks. */
  readonly blockSize: number
  /** What is sent, and what comes back. Other paths than ours are those of the figure. */
  readonly steps: readonly (readonly [string, string])[]
  /** Bytes of the body that is put or posted. */
  readonly body?: number
}

/** As long as figures 2 to 6 need it: two blocks of 128 bytes and a part of a third, which is six of 64. */
const STATUS = Buffer.from(Array.from({ length: 350 }, (_, i) => 97 + (i % 26)))
const PATHS = new Map([
  ['/status', 'status'],
  ['/options', 'store'],
  ['/soap', 'store'],
])

const get = (id: number, block: string | null, answer: string) =>
  [`CON ${id} GET /status${block === null ? '' : ` 2:${block}`}`, `ACK ${id} 2.05 2:${answer}`] as const

const FIGURES: readonly Figure[] = [
  {
    source: 'RFC 7959 3.1, figure 2',
    what: 'simple block-wise GET',
    blockSize: 128,
    steps: [get(1234, null, '0/1/128'), get(1235, '1/0/128', '1/1/128'), get(1236, '2/0/128', '2/0/128')],
  },
  {
    source: 'RFC 7959 3.1, figure 3',
    what: 'block-wise GET with early negotiation',
    blockSize: 128,
    steps: [...[0, 1, 2, 3, 4].map(n => get(1234 + n, `${n}/0/64`, `${n}/1/64`)), get(1239, '5/0/64', '5/0/64')],
  },
  {
    source: 'RFC 7959 3.1, figure 4',
    what: 'block-wise GET with late negotiation',
    blockSize: 128,
    steps: [
      get(1234, null, '0/1/128'),
      ...[2, 3, 4].map(n => get(1233 + n, `${n}/0/64`, `${n}/1/64`)),
      get(1238, '5/0/64', '5/0/64'),
    ],
  },
  {
    source: 'RFC 7959 3.1, figures 5 and 6',
    what: 'late negotiation and a lost request or answer: the retransmission is answered alike',
    blockSize: 128,
    steps: [
      get(1234, null, '0/1/128'),
      get(1235, '2/0/64', '2/1/64'),
      get(1236, '3/0/64', '3/1/64'),
      get(1236, '3/0/64', '3/1/64'),
      get(1237, '4/0/64', '4/1/64'),
      get(1238, '5/0/64', '5/0/64'),
    ],
  },
  {
    source: 'RFC 7959 3.2, figure 7',
    what: 'simple atomic block-wise PUT',
    blockSize: 128,
    body: 350,
    steps: [
      ['CON 1234 PUT /options 1:0/1/128', 'ACK 1234 2.31 1:0/1/128'],
      ['CON 1235 PUT /options 1:1/1/128', 'ACK 1235 2.31 1:1/1/128'],
      ['CON 1236 PUT /options 1:2/0/128', 'ACK 1236 2.04 1:2/0/128'],
    ],
  },
  {
    source: 'RFC 7959 3.2, figure 9',
    what: 'simple atomic block-wise PUT with negotiation',
    blockSize: 32,
    body: 210,
    steps: [
      ['CON 1234 PUT /options 1:0/1/128', 'ACK 1234 2.31 1:0/1/32'],
      ['CON 1235 PUT /options 1:4/1/32', 'ACK 1235 2.31 1:4/1/32'],
      ['CON 1236 PUT /options 1:5/1/32', 'ACK 1236 2.31 1:5/1/32'],
      ['CON 1237 PUT /options 1:6/0/32', 'ACK 1237 2.04 1:6/0/32'],
    ],
  },
  {
    source: 'RFC 7959 3.3, figure 10',
    what: 'atomic block-wise POST with a block-wise response',
    blockSize: 128,
    body: 500,
    steps: [
      ['CON 1234 POST /soap 1:0/1/128', 'ACK 1234 2.31 1:0/1/128'],
      ['CON 1235 POST /soap 1:1/1/128', 'ACK 1235 2.31 1:1/1/128'],
      ['CON 1236 POST /soap 1:2/1/128', 'ACK 1236 2.31 1:2/1/128'],
      ['CON 1237 POST /soap 1:3/0/128', 'ACK 1237 2.04 2:0/1/128 1:3/0/128'],
      ['CON 1238 POST /soap 2:1/0/128', 'ACK 1238 2.04 2:1/1/128'],
      ['CON 1239 POST /soap 2:2/0/128', 'ACK 1239 2.04 2:2/1/128'],
      ['CON 1240 POST /soap 2:3/0/128', 'ACK 1240 2.04 2:3/0/128'],
    ],
  },
  {
    source: 'RFC 7959 3.3, figure 11',
    what: 'the same with an initiative of the requester for the size of the response',
    blockSize: 128,
    body: 300,
    steps: [
      ['CON 1234 POST /soap 1:0/1/128 2:0/0/64', 'ACK 1234 2.31 1:0/1/128'],
      ['CON 1235 POST /soap 1:1/1/128 2:0/0/64', 'ACK 1235 2.31 1:1/1/128'],
      ['CON 1236 POST /soap 1:2/0/128 2:0/0/64', 'ACK 1236 2.04 2:0/1/64 1:2/0/128'],
      ...[1, 2, 3].map(n => [`CON ${1236 + n} POST /soap 2:${n}/0/64`, `ACK ${1236 + n} 2.04 2:${n}/1/64`] as const),
      ['CON 1240 POST /soap 2:4/0/64', 'ACK 1240 2.04 2:4/0/64'],
    ],
  },
]

const METHODS = { GET: CODE.GET, POST: CODE.POST, PUT: CODE.PUT } as const
const isMethod = (name: string): name is keyof typeof METHODS => name in METHODS

function datagramOf(text: string, client: CoapClient, body: Buffer): Buffer {
  const [, id = '', method = '', path = '', ...blocks] = text.split(' ')
  if (!isMethod(method)) throw new Error(`no method: ${text}`)
  let payload: Buffer = Buffer.alloc(0)
  const options = blocks.map(block => {
    const [, option = '', number = '', more = '', size = ''] = /^(\d):(\d+)\/(\d)\/(\d+)$/.exec(block) ?? []
    const at = Number(number) * Number(size)
    if (option === '1') payload = body.subarray(at, at + Number(size))
    const fields = { number: Number(number), more: more === '1', sizeExponent: Math.log2(Number(size)) - 4 }
    return blockOption(option === '1' ? OPTION.Block1 : OPTION.Block2, fields)
  })
  const asked = { code: METHODS[method], path: PATHS.get(path) ?? path, messageId: Number(id), options, payload }
  return encode(client.compose({ ...asked, token: Buffer.alloc(0) }))
}

function shown(bytes: Buffer | undefined): string {
  const message = messageOf(bytes)
  const [block1, block2] = [shownBlock(message, OPTION.Block1), shownBlock(message, OPTION.Block2)]
  const blocks = [...(block2 === null ? [] : [`2:${block2}`]), ...(block1 === null ? [] : [`1:${block1}`])]
  return [message.type === TYPE.ACK ? 'ACK' : 'other', message.messageId, codeText(message.code), ...blocks].join(' ')
}

/** A client whose address is proved, as the figures take for granted. */
async function proved(limits: Partial<CoapLimits>) {
  const { server, client } = await start(limits, [
    { path: ['status'], methods: new Set([CODE.GET]), handle: () => ({ code: CODE.Content, payload: STATUS }) },
  ])
  const challenge = messageOf(
    (await exchange(client, encode(client.compose({ path: 'hello', code: CODE.GET, observe: 0 }))))[0],
  )
  const options = [{ number: OPTION.Echo, value: optionOf(challenge, OPTION.Echo) ?? Buffer.alloc(0) }]
  await exchange(client, encode(client.compose({ path: 'hello', options })))
  server.seen.length = 0
  return { server, client }
}

test.each(FIGURES)('$source: $what', async ({ blockSize, steps, body: length = 0 }) => {
  const { server, client } = await proved({ blockSize })
  const body = Buffer.from(Array.from({ length }, (_, i) => 65 + (i % 26)))
  const answers: Buffer[] = []
  for (const [sent, expected] of steps) {
    const [answer] = await exchange(client, datagramOf(sent, client, body))
    expect(shown(answer), sent).toBe(expected)
    const { payload } = messageOf(answer)
    if (payload.length > 0 && answers.at(-1)?.equals(payload) !== true) answers.push(payload)
  }
  const isGet = steps[0]?.[0].includes('GET')
  const isPut = steps[0]?.[0].includes('PUT')
  // Resources saw one whole request; the client has the whole answer.
  expect(server.seen.map(({ payload }) => payload.equals(body))).toEqual(isGet ? [] : [true])
  expect(Buffer.concat(answers).toString()).toBe(isGet ? STATUS.toString() : isPut ? '' : body.toString())
})
