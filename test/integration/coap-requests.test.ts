// What a request must be before a resource sees it, and how its answer may look (RFC 7252 5, 7959, 7967, 9175).
import { networkInterfaces } from 'node:os'
import { afterEach, expect, test } from 'vitest'
import type { CoapLimits } from '../../src/coap/limits.ts'
import { CODE, codeText } from '../../src/coap-wire/codes.ts'
import { encode } from '../../src/coap-wire/encode.ts'
import { type CoapMessage, type CoapOption, TYPE } from '../../src/coap-wire/message.ts'
import { OPTION, optionOf, uintOf } from '../../src/coap-wire/options.ts'
import { startCoapServer, WHOLE } from '../fixtures/coap-server.ts'
import { CoapClient, type RequestOptions } from '../wire/coap-wire.ts'

const opened: { close(): Promise<void> }[] = []

afterEach(async () => {
  for (const each of opened.splice(0).reverse()) await each.close()
})

async function start({ echo = false, ...limits }: Partial<CoapLimits> & { echo?: boolean } = {}) {
  const server = await startCoapServer(limits)
  const client = await CoapClient.open(server.port, { echo })
  opened.push(server, client)
  /** `4.04 Not found.` */
  const answer = async (asked: RequestOptions): Promise<string> => {
    const { code, payload } = await client.request(asked)
    return [codeText(code), ...(payload.length > 0 ? [payload.toString()] : [])].join(' ')
  }
  return { server, client, answer }
}

const option = (number: number, value: Buffer | string = ''): CoapOption => ({ number, value: Buffer.from(value) })
const numberIn = (message: CoapMessage, number: number): number | null => {
  const value = optionOf(message, number)
  return value && uintOf(value)
}
/** Long enough for an error's text to be less than thrice of it. */
const PADDING = { payload: 'x'.repeat(20) }
const INVALID = 'The request is not valid.'

test.each<[string, RequestOptions, string]>([
  ['a path that nobody serves', { path: 'nowhere' }, '4.04 Not found.'],
  ['no path', { path: [] }, '4.04 Not found.'],
  ['a name of an object', { path: '__proto__' }, '4.04 Not found.'],
  ['a path below one that is served', { path: 'hello/there' }, '2.05 hello'],
  ['a segment that goes on with a served one', { path: 'hello2' }, '4.04 Not found.'],
  ['a method the resource has not', { path: 'observed', code: CODE.POST }, `4.05 ${INVALID}`],
  ['FETCH', { path: 'hello', code: CODE.FETCH }, `4.05 ${INVALID}`],
  ['a method of the future', { path: 'hello', code: 0x1f }, `4.05 ${INVALID}`],
  ['a method of the future, nowhere', { path: 'nowhere', code: 0x1f }, `4.05 ${INVALID}`],
  ['a path with NUL', { path: ['hello', 'a\0b'] }, `4.00 ${INVALID}`],
  [
    'a path that is not UTF-8',
    { options: [option(11, 'hello'), option(11, Buffer.from('ff', 'hex'))] },
    `4.00 ${INVALID}`,
  ],
  [
    'a path with a surrogate',
    { options: [option(11, 'hello'), option(11, Buffer.from('eda080', 'hex'))] },
    `4.00 ${INVALID}`,
  ],
  ['a path with a replacement character', { path: ['hello', '\ufffd'] }, '2.05 hello'],
  [
    'a query that is not UTF-8',
    { path: 'hello', options: [option(15, Buffer.from('c328', 'hex'))] },
    `4.00 ${INVALID}`,
  ],
  ['an unknown critical option', { path: 'hello', options: [option(65_001, 'a')] }, `4.02 ${INVALID}`],
  ['an unknown elective option', { path: 'hello', options: [option(65_000, 'a')] }, '2.05 hello'],
  ['OSCORE', { path: 'hello', options: [option(9)] }, `4.02 ${INVALID}`],
  ['a critical option of a wrong length', { path: 'hello', options: [option(17, 'abc')] }, `4.02 ${INVALID}`],
  ['a critical option twice', { path: 'hello', options: [option(17, 'a'), option(17, 'b')] }, `4.02 ${INVALID}`],
  ['an elective option of a wrong length', { path: 'hello', options: [option(12, 'abc')] }, '2.05 hello'],
  ['Observe of a wrong length', { path: 'hello', options: [option(6, 'abcd')] }, '2.05 hello'],
  ['Proxy-Uri', { path: 'hello', options: [option(35, 'coap://elsewhere/')] }, '5.05'],
  ['Proxy-Scheme', { path: 'hello', options: [option(39, 'coap')] }, '5.05'],
  ['a host and a port', { path: 'hello', options: [option(3, 'house'), option(7, '\x16\x33')] }, '2.05 hello'],
  ['a handler that fails', { path: 'broken' }, '5.00 Internal error.'],
  ['the first of several blocks', { path: 'hello', code: CODE.PUT, options: [option(27, '\x0e')] }, '4.01'],
  ['a later block', { path: 'hello', code: CODE.PUT, options: [option(27, '\x16')] }, '4.01'],
  ['the only block', { path: 'hello', code: CODE.PUT, options: [option(27, '\x06')] }, '2.05 hello'],
  ['a block of the reserved size', { path: 'hello', options: [option(23, '\x07')] }, `4.00 ${INVALID}`],
  ['a later block of an answer to POST', { path: 'hello', code: CODE.POST, options: [option(23, '\x16')] }, '4.01'],
])('%s', async (_, asked, expected) => {
  const { server, answer } = await start()
  expect(await answer({ ...PADDING, ...asked })).toBe(expected)
  const served = expected.startsWith('2') || expected.startsWith('5.00')
  expect(server.seen).toHaveLength(served ? 1 : 0)
  expect(server.errors).toHaveLength(expected.startsWith('5.00') ? 1 : 0)
})

test('RFC 7252 5.4.1: a non-confirmable request with an unknown critical option is rejected', async () => {
  const { server, client } = await start()
  const asked = client.compose({ path: 'hello', type: TYPE.NON, options: [option(65_001)] })
  client.send(asked)
  expect(await client.next()).toMatchObject({ type: TYPE.RST, code: CODE.Empty, messageId: asked.messageId })
  expect(server.seen).toEqual([])
})

test.each([
  ['datagram', { messageBytes: 1000 }],
  ['payload', { payloadBytes: 900 }],
])('a %s that is too long is asked for in blocks, and told the longest body (RFC 7959 2.9.3)', async (_, limits) => {
  const { server, client } = await start({ ...limits, bodyBytes: 5000, blockSize: 512 })
  const answer = await client.request({ path: 'store', code: CODE.PUT, payload: 'x'.repeat(1000) })
  const told = [codeText(answer.code), numberIn(answer, OPTION.Block1), numberIn(answer, OPTION.Size1)]
  expect(told).toEqual(['4.13', 5, 5000])
  const most = await client.request({ path: 'store', code: CODE.PUT, payload: 'x'.repeat(900) })
  expect(codeText(most.code)).toBe('2.04')
  expect(server.seen).toHaveLength(1)
})

test('a resource reads path, query and formats out of the options', async () => {
  const { server, client } = await start()
  await client.request({
    code: CODE.POST,
    path: ['hello', '', 'a/b', 'ü'],
    query: ['a=1', 'b', 'a=2', '=x', 'c=d=e'],
    contentFormat: 50,
    options: [option(17, '\x3c')],
    payload: 'payload',
  })
  const [seen] = server.seen
  expect(seen).toMatchObject({
    method: CODE.POST,
    confirmable: true,
    path: ['hello', '', 'a/b', 'ü'],
    observe: null,
    contentFormat: 50,
    accept: 60,
    payload: Buffer.from('payload'),
  })
  expect([...(seen?.query ?? [])]).toEqual([
    ['a', '1'],
    ['b', ''],
    ['', 'x'],
    ['c', 'd=e'],
  ])
})

test.each<[string, RequestOptions, number | null]>([
  ['a registration', { observe: 0 }, 0],
  ['a cancellation', { observe: 1 }, 1],
  ['another value', { observe: 2 }, null],
  ['another method', { observe: 0, code: CODE.POST }, null],
  ['a later block', { observe: 0, path: 'big', options: [option(23, '\x16')] }, null],
])('RFC 7641 2: Observe in %s', async (_, asked, observe) => {
  const { server, client } = await start({ echo: true })
  await client.request({ path: 'hello', ...asked })
  expect(server.seen.at(-1)?.observe).toBe(observe)
})

test('requests are counted by method and code', async () => {
  const { server, client } = await start()
  await client.request({ path: 'hello' })
  await client.request({ path: 'hello' })
  await client.request({ path: 'nowhere', code: CODE.DELETE, ...PADDING })
  await client.request({ path: 'hello', code: 0x1f, ...PADDING })
  expect(
    ['GET 2.05', 'DELETE 4.04', 'other 4.05', 'PUT 2.05'].map(labels => server.metric(`requests_total ${labels}`)),
  ).toEqual([2, 1, 1, 0])
})

// --- No-Response (RFC 7967) ------------------------------------------------------------------------------------------------

test.each<[string, RequestOptions, boolean]>([
  ['successes', { path: 'hello', options: [option(258, '\x02')] }, false],
  ['client errors only', { path: 'hello', options: [option(258, '\x08')] }, true],
  ['client errors', { path: 'nowhere', options: [option(258, '\x08')] }, false],
  ['server errors', { path: 'broken', options: [option(258, '\x10')] }, false],
  ['nothing unwanted', { path: 'hello', options: [option(258)] }, true],
])('No-Response: %s', async (_, asked, answered) => {
  const { client } = await start()
  const asking = [TYPE.CON, TYPE.NON].map(type => client.compose({ ...asked, type }))
  for (const message of asking) client.send(message)
  await client.ping()
  const came = client.received.map(({ type, code }) => [type, code === CODE.Empty ? 'empty' : 'response'].join(' '))
  const ping = `${TYPE.RST} empty`
  expect(came).toEqual(answered ? [`${TYPE.ACK} response`, `${TYPE.NON} response`, ping] : [`${TYPE.ACK} empty`, ping])
})

// --- Echo (RFC 9175) -------------------------------------------------------------------------------------------------------

test.each<[string, RequestOptions]>([
  ['a registration', { path: 'observed', observe: 0 }],
  ['a later block', { path: 'big', options: [option(23, '\x16')] }],
  ['a resource that asks for it', { path: 'guarded', code: CODE.POST }],
])('before %s the peer must prove its address, and no handler runs', async (_, asked) => {
  const { server, client, answer } = await start()
  const challenge = await client.request(asked)
  expect([codeText(challenge.code), challenge.payload.length, server.seen.length]).toEqual(['4.01', 0, 0])
  const echo = optionOf(challenge, OPTION.Echo) ?? Buffer.alloc(0)
  const forged = Buffer.from(echo.map(byte => byte ^ 1))
  expect(await answer({ ...asked, options: [...(asked.options ?? []), option(252, forged)] })).toBe('4.01')
  expect(server.seen).toEqual([])
  expect(await answer({ ...asked, options: [...(asked.options ?? []), option(252, echo)] })).toMatch(/^2/)
  expect(await answer(asked)).toMatch(/^2/)
  expect([server.metric('peers yes'), server.metric('peers no')]).toEqual([1, 0])
})

test('an Echo value proves one address and port, and not for ever', async () => {
  const { server, client, answer } = await start()
  const asked = { path: 'observed', observe: 0 }
  const echo = optionOf(await client.request(asked), OPTION.Echo) ?? Buffer.alloc(0)
  const other = await CoapClient.open(server.port, { echo: false })
  opened.push(other)
  expect((await other.request({ ...asked, options: [option(252, echo)] })).code).toBe(CODE.Unauthorized)
  server.time.advance(120_000)
  expect(await answer({ ...asked, options: [option(252, echo)] })).toBe('4.01')
})

test('an Echo value is taken with any request', async () => {
  const { client, answer } = await start()
  const echo = optionOf(await client.request({ path: 'observed', observe: 0 }), OPTION.Echo) ?? Buffer.alloc(0)
  expect(await answer({ path: 'hello', options: [option(252, echo)] })).toBe('2.05 hello')
  expect(await answer({ path: 'observed', observe: 0 })).toBe('2.05 state')
})

test.each<[string, RequestOptions, string]>([
  ['a long answer to GET', { path: 'big' }, '4.01'],
  ['a long answer to POST', { path: 'big', code: CODE.POST }, '2.05'],
  ['an error that explains itself', { path: [] }, '4.04'],
  ['a registration, as short as may be', { path: [], observe: 0, token: Buffer.alloc(0) }, '4.04'],
])('a stranger is sent less than thrice what came: %s', async (_, asked, expected) => {
  const { client } = await start()
  for (const type of [TYPE.CON, TYPE.NON]) {
    const request = client.compose({ ...asked, type })
    const sent = encode(request).length
    const answer = await client.request({ ...asked, type })
    expect(codeText(answer.code)).toBe(expected)
    expect(encode(answer).length).toBeLessThan(3 * sent)
  }
})

test('a stranger who asks too fast learns it in as few bytes', async () => {
  const { client } = await start({ requestBurst: 1 })
  const asked = client.compose({ path: [], token: Buffer.alloc(0) })
  await client.request({ path: 'hello' })
  client.send(asked)
  const refusal = await client.next()
  expect([codeText(refusal.code), numberIn(refusal, OPTION.MaxAge), refusal.payload.length]).toEqual(['4.29', 1, 0])
  expect(encode(refusal).length).toBeLessThan(3 * encode(asked).length)
})

const hasIPv6 = Object.values(networkInterfaces()).some(faces => faces?.some(({ address }) => address === '::1'))

test.each(['127.0.0.1', 'localhost', ...(hasIPv6 ? ['::1', '::'] : [])])('a listener on %s answers', async host => {
  const { server } = await start()
  const { port } = await server.server.listen('coap', { host, port: 0 })
  for (const address of host === '::' ? ['::1', '127.0.0.1'] : [host]) {
    const client = await CoapClient.open(port, { host: address, echo: true })
    opened.push(client)
    expect((await client.request({ path: 'observed', observe: 0 })).code).toBe(CODE.Content)
  }
})

test('a separate response to a stranger is not repeated beyond thrice what came', async () => {
  const { server, client } = await start()
  client.acknowledges = false
  const request = client.compose({ path: 'slow' })
  client.send(request)
  await client.ping()
  server.time.advance(600)
  await server.release({ code: CODE.Content, payload: Buffer.from('x'.repeat(20)) })
  server.time.advance(100_000)
  await client.ping()
  const answers = client.received.filter(({ type }) => type !== TYPE.RST)
  expect(answers.map(({ type, code }) => [type, codeText(code)])).toEqual([
    [TYPE.ACK, '0.00'],
    [TYPE.CON, '2.05'],
  ])
  const sum = answers.reduce((bytes, answer) => bytes + encode(answer).length, 0)
  expect(sum).toBeLessThan(3 * encode(request).length)
})

// --- Block2 (RFC 7959) -----------------------------------------------------------------------------------------------------

test.each([
  ['our size', 6],
  ['the size asked for', 2],
])('a long answer comes in blocks of %s, under any token, with one ETag', async (_, sizeExponent) => {
  const { client } = await start({ echo: true })
  const parts: Buffer[] = []
  const etags = new Set<string | undefined>()
  for (let number = 0, more = true; more; number++) {
    const block = Buffer.from([number >> 4, ((number << 4) & 0xff) | sizeExponent])
    const answer = await client.request({ path: 'big', options: [option(23, block)] })
    expect(codeText(answer.code)).toBe('2.05')
    expect(numberIn(answer, OPTION.Size2)).toBe(number === 0 ? WHOLE.length : null)
    const block2 = numberIn(answer, OPTION.Block2) ?? 0
    expect(block2 >> 4).toBe(number)
    more = (block2 & 8) !== 0
    etags.add(optionOf(answer, OPTION.ETag)?.toString('hex'))
    parts.push(answer.payload)
  }
  expect(Buffer.concat(parts)).toEqual(WHOLE)
  expect(etags.size).toBe(1)
})

test('without a block option the first block comes all the same', async () => {
  const { client } = await start({ echo: true })
  const answer = await client.request({ path: 'big' })
  expect(answer.payload).toEqual(WHOLE.subarray(0, 1024))
  expect([numberIn(answer, OPTION.Block2), numberIn(answer, OPTION.Size2)]).toEqual([0x0e, WHOLE.length])
})

test('a block beyond the end is refused', async () => {
  const { answer } = await start({ echo: true })
  expect(await answer({ path: 'big', options: [option(23, '\x36')] })).toBe(`4.00 ${INVALID}`)
})
