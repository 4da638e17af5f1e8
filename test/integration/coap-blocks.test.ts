// Block-wise transfers datagram by datagram (RFC 7959 2.5, 2.7, 2.9): what goes wrong, and what only looks like it.
import { beforeEach, expect, test } from 'vitest'
import { CODE, codeText } from '../../src/coap-wire/codes.ts'
import { encode } from '../../src/coap-wire/encode.ts'
import { type CoapOption, TYPE } from '../../src/coap-wire/message.ts'
import { OPTION, optionOf, uintOf } from '../../src/coap-wire/options.ts'
import type { CoapTestServer } from '../fixtures/coap-server.ts'
import { blockOption, shownBlock } from '../wire/coap-blocks.ts'
import { connect, exchange, messageOf, start } from '../wire/coap-datagrams.ts'
import type { CoapClient } from '../wire/coap-wire.ts'

const BODY = Buffer.from(Array.from({ length: 200 }, (_, i) => 97 + (i % 26)))
const noResponse = (value: number): CoapOption => ({ number: OPTION.NoResponse, value: Buffer.from([value]) })

let server: CoapTestServer
let client: CoapClient

async function prove(who: CoapClient): Promise<void> {
  const [challenge] = await exchange(who, encode(who.compose({ path: 'hello', observe: 0 })))
  const options = [{ number: OPTION.Echo, value: optionOf(messageOf(challenge), OPTION.Echo) ?? Buffer.alloc(0) }]
  await exchange(who, encode(who.compose({ path: 'hello', options })))
}

beforeEach(async () => {
  ;({ server, client } = await start({ bodyBytes: 5000, transferTimeout: 10_000 }))
  await prove(client)
  server.seen.length = 0
})

interface Sent {
  readonly code?: number
  readonly type?: 0 | 1
  /** Of 16 bytes, unless said otherwise; null without Block1. */
  readonly block: readonly [number: number, more: boolean, size?: number] | null
  readonly payload?: string | Buffer
  readonly options?: readonly CoapOption[]
  readonly messageId?: number
  readonly path?: string
}

function datagram({ code = CODE.PUT, type = TYPE.CON, block, payload, options = [], messageId, path }: Sent): Buffer {
  const [number = 0, more = false, size = 16] = block ?? []
  const own = { number, more, sizeExponent: Math.log2(size) - 4 }
  return encode(
    client.compose({
      code,
      type,
      path: path ?? 'store',
      options: [...(block === null ? [] : [blockOption(OPTION.Block1, own)]), ...options],
      payload: payload ?? (block === null ? '' : BODY.subarray(number * size, (number + 1) * size)),
      ...(messageId !== undefined && { messageId }),
    }),
  )
}

/** `2.31 1:0/1/16`, or what else came back; nothing is ''. */
async function send(sent: Sent, by = client): Promise<string> {
  const [answer] = await exchange(by, datagram(sent))
  if (answer === undefined) return ''
  const message = messageOf(answer)
  const [one, two] = [shownBlock(message, OPTION.Block1), shownBlock(message, OPTION.Block2)]
  return [codeText(message.code), ...(one === null ? [] : [`1:${one}`]), ...(two === null ? [] : [`2:${two}`])].join(
    ' ',
  )
}
const bodies = () => server.seen.map(({ payload }) => payload.toString())

test.each<[string, readonly Sent[], readonly string[], readonly string[]]>([
  ['one block', [{ block: [0, false], payload: 'x' }], ['2.04 1:0/0/16'], ['x']],
  [
    'a size that shrinks midway',
    [{ block: [0, true, 64] }, { block: [4, true] }, { block: [5, false], payload: 'z' }],
    ['2.31 1:0/1/64', '2.31 1:4/1/16', '2.04 1:5/0/16'],
    [`${BODY.subarray(0, 80)}z`],
  ],
  [
    'a size that grows where its number is a whole one',
    [{ block: [0, true] }, { block: [1, true] }, { block: [1, false, 32], payload: 'z' }],
    ['2.31 1:0/1/16', '2.31 1:1/1/16', '2.04 1:1/0/32'],
    [`${BODY.subarray(0, 32)}z`],
  ],
  [
    'a block repeated under another message id',
    [{ block: [0, true] }, { block: [1, true] }, { block: [1, true] }, { block: [0, true] }, { block: [2, false] }],
    ['2.31 1:0/1/16', '2.31 1:1/1/16', '2.31 1:1/1/16', '2.31 1:0/1/16', '2.04 1:2/0/16'],
    [`${BODY.subarray(0, 48)}`],
  ],
  [
    'a new beginning',
    [{ block: [0, true] }, { block: [1, true] }, { block: [0, true], payload: 'y'.repeat(16) }, { block: [1, false] }],
    ['2.31 1:0/1/16', '2.31 1:1/1/16', '2.31 1:0/1/16', '2.04 1:1/0/16'],
    [`${'y'.repeat(16)}${BODY.subarray(16, 32)}`],
  ],
  ['a gap', [{ block: [0, true] }, { block: [2, false] }], ['2.31 1:0/1/16', '4.08'], []],
  [
    'a gap that is filled after all',
    [{ block: [0, true] }, { block: [2, true] }, { block: [1, true] }, { block: [2, false] }],
    ['2.31 1:0/1/16', '4.08', '2.31 1:1/1/16', '2.04 1:2/0/16'],
    [`${BODY.subarray(0, 48)}`],
  ],
  ['no beginning', [{ block: [1, false] }], ['4.08'], []],
  ['a block that is too short for others to follow', [{ block: [0, true], payload: 'x' }], ['4.00'], []],
  ['a block longer than its size', [{ block: [1, false], payload: 'x'.repeat(17) }], ['4.00'], []],
  ['a body that is too large', [{ block: [400, true], payload: 'x'.repeat(16) }], ['4.13'], []],
  [
    'a resource that takes no more than a datagram',
    [
      { block: [0, true], path: 'hello' },
      { block: [256, false], path: 'hello', payload: 'x' },
    ],
    ['2.31 1:0/1/16', '4.13'],
    [],
  ],
  [
    'a handler that refuses',
    [
      { block: [0, true, 16], payload: 'refused'.padEnd(16) },
      { block: [0, false], payload: 'refused' },
    ],
    ['2.31 1:0/1/16', '4.09'],
    ['refused'],
  ],
  [
    'two operations at once: they differ by method, Content-Format or Request-Tag',
    [
      { block: [0, true] },
      { block: [0, true], code: CODE.POST },
      { block: [0, true], options: [{ number: OPTION.ContentFormat, value: Buffer.from([50]) }] },
      { block: [0, true], options: [{ number: OPTION.RequestTag, value: Buffer.from([1]) }] },
      { block: [1, false], payload: 'put' },
      { block: [1, false], payload: 'tag', options: [{ number: OPTION.RequestTag, value: Buffer.from([1]) }] },
    ],
    ['2.31 1:0/1/16', '2.31 1:0/1/16', '2.31 1:0/1/16', '2.31 1:0/1/16', '2.04 1:1/0/16', '2.04 1:1/0/16'],
    [`${BODY.subarray(0, 16)}put`, `${BODY.subarray(0, 16)}tag`],
  ],
  [
    'No-Response: Continue is told all the same, the end is not',
    [
      { block: [0, true], type: TYPE.NON, options: [noResponse(2)] },
      { block: [1, false], type: TYPE.NON, options: [noResponse(2)] },
    ],
    ['2.31 1:0/1/16', ''],
    [`${BODY.subarray(0, 32)}`],
  ],
])('%s', async (_, sent, expected, seen) => {
  const answers: string[] = []
  for (const each of sent) answers.push(await send(each))
  expect([answers, bodies()]).toEqual([expected, seen])
})

test('a duplicate of the last block is answered as the last block was, and runs nothing', async () => {
  await send({ block: [0, true] })
  const last = datagram({ block: [1, false], messageId: 4711 })
  const answers = [...(await exchange(client, last)), ...(await exchange(client, last))]
  expect(answers[0]).toEqual(answers[1])
  expect([answers.length, server.seen.length]).toEqual([2, 1])
})

test('a duplicate of the first block does not begin the transfer anew', async () => {
  const first = datagram({ block: [0, true], messageId: 4711 })
  await exchange(client, first)
  expect(await send({ block: [1, true] })).toBe('2.31 1:1/1/16')
  await exchange(client, first)
  expect(await send({ block: [2, false] })).toBe('2.04 1:2/0/16')
})

test('what was begun and left for too long is 4.08, and counted', async () => {
  await send({ block: [0, true] })
  server.time.advance(9_999)
  expect(await send({ block: [1, true] })).toBe('2.31 1:1/1/16')
  server.time.advance(10_000)
  expect(await send({ block: [2, false] })).toBe('4.08')
  expect(server.metric('transfers_given_up_total time')).toBe(1)
})

test('the blocks of one peer are not those of another', async () => {
  const other = await connect(server)
  await prove(other)
  await send({ block: [0, true] })
  expect(await send({ block: [1, false] }, other)).toBe('4.08')
  expect(await send({ block: [1, false] })).toBe('2.04 1:1/0/16')
})

// --- answers to what is no GET (RFC 7959 2.7) ------------------------------------------------------------------------------

const asks = (number: number, size = 64): CoapOption =>
  blockOption(OPTION.Block2, { number, more: false, sizeExponent: Math.log2(size) - 4 })

test.each([
  ['POST', CODE.POST, '2.04'],
  ['FETCH', CODE.FETCH, '2.05'],
])('the answer to %s is made once and fetched in blocks', async (_, code, ok) => {
  expect(await send({ code, block: null, payload: BODY, options: [asks(0)] })).toBe(`${ok} 2:0/1/64`)
  for (const number of [1, 2])
    expect(await send({ code, block: null, options: [asks(number)] })).toBe(`${ok} 2:${number}/1/64`)
  expect(await send({ code, block: null, options: [asks(3)] })).toBe(`${ok} 2:3/0/64`)
  expect(await send({ code, block: null, options: [asks(4)] })).toBe('4.00')
  expect(bodies()).toEqual([BODY.toString()])
})

test('an answer that is not kept any more, or was never given, is 4.08', async () => {
  expect(await send({ code: CODE.POST, block: null, options: [asks(1)] })).toBe('4.08')
  await send({ code: CODE.POST, block: null, payload: BODY, options: [asks(0)] })
  server.time.advance(10_000)
  expect(await send({ code: CODE.POST, block: null, options: [asks(1)] })).toBe('4.08')
  expect(server.seen).toHaveLength(1)
})

test('the size of a body is told where it is refused (RFC 7959 4)', async () => {
  const size1 = { number: OPTION.Size1, value: Buffer.from([0x13, 0x89]) } // 5001
  const [answer] = await exchange(client, datagram({ block: [0, true], options: [size1] }))
  const message = messageOf(answer)
  expect([codeText(message.code), uintOf(optionOf(message, OPTION.Size1) ?? Buffer.alloc(0))]).toEqual(['4.13', 5000])
})
