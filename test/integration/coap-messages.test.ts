// What happens between a socket and a resource: types, ids, duplicates, acknowledgements (RFC 7252 4).
import { afterEach, expect, test } from 'vitest'
import type { CoapLimits } from '../../src/coap/limits.ts'
import type { Fate } from '../../src/coap/resource.ts'
import { CODE, codeText } from '../../src/coap-wire/codes.ts'
import { decode, isMalformed } from '../../src/coap-wire/decode.ts'
import { encode } from '../../src/coap-wire/encode.ts'
import { type CoapMessage, TYPE } from '../../src/coap-wire/message.ts'
import { OPTION, optionOf, uintOf } from '../../src/coap-wire/options.ts'
import { type CoapTestServer, startCoapServer } from '../fixtures/coap-server.ts'
import { CoapClient } from '../wire/coap-wire.ts'

const TYPES = ['CON', 'NON', 'ACK', 'RST']
const opened: { close(): Promise<void> }[] = []

afterEach(async () => {
  for (const each of opened.splice(0).reverse()) await each.close()
})

async function start(limits: Partial<CoapLimits> = {}) {
  const server = await startCoapServer(limits)
  opened.push(server)
  return { server, client: await connect(server) }
}

/** A client that neither acknowledges nor repeats anything by itself. */
async function connect({ port }: CoapTestServer): Promise<CoapClient> {
  const client = await CoapClient.open(port, { echo: false })
  client.acknowledges = false
  opened.push(client)
  return client
}

/** Sends datagrams one after the other; resolves with all that came until the server had read them. */
async function exchange(client: CoapClient, ...datagrams: Buffer[]): Promise<Buffer[]> {
  for (const bytes of datagrams) client.send(bytes)
  return await arrived(client)
}

/** What has come and was not looked at; when it resolves, the server has read all that was sent. */
async function arrived(client: CoapClient): Promise<Buffer[]> {
  await client.ping()
  client.inbox.take()
  return client.datagrams.splice(0).slice(0, -1)
}

function messageOf(bytes: Buffer | undefined): CoapMessage {
  const message = bytes === undefined ? null : decode(bytes)
  if (message === null || isMalformed(message)) throw new Error(`no message: ${bytes?.toString('hex')}`)
  return message
}

/** `ACK 2.05 hello`. */
const shown = (datagrams: Buffer[]): string[] =>
  datagrams.map(bytes => {
    const { type, code, payload } = messageOf(bytes)
    return [TYPES[type], codeText(code), ...(payload.length > 0 ? [payload.toString()] : [])].join(' ')
  })

const request = (client: CoapClient, path: string, type: 0 | 1 = TYPE.CON, code: number = CODE.POST): CoapMessage =>
  client.compose({ path, type, code })
const empty = (type: 0 | 1 | 2 | 3, messageId: number): Buffer =>
  encode({ type, code: CODE.Empty, messageId, token: Buffer.alloc(0), options: [], payload: Buffer.alloc(0) })

test('RFC 7252 4.3: ping is answered with a reset of the same id', async () => {
  const { client } = await start()
  client.send(empty(TYPE.CON, 0xabcd))
  const answer = await client.next()
  expect([answer.type, answer.code, answer.messageId]).toEqual([TYPE.RST, CODE.Empty, 0xabcd])
})

test.each<[string, string, string[]]>([
  ['another version', '8001000aaabb', []],
  ['three bytes', '400100', []],
  ['nothing', '', []],
  ['a confirmable one cut off in an option', '4001004eb9aa', ['RST 0.00']],
  ['a non-confirmable one cut off in an option', '5001004eb9aa', []],
  ['a marker without payload', '4001004fb178ff', ['RST 0.00']],
  ['a token of nine bytes', '49010001010203040506070809', ['RST 0.00']],
  ['an empty message with a token', '4100000701', ['RST 0.00']],
  ['a reserved class, confirmable', '4021000a', ['RST 0.00']],
  ['a reserved class, non-confirmable', '50e1000a', []],
  ['a confirmable response', '4045000a', ['RST 0.00']],
  ['a non-confirmable response', '5045000a', []],
  ['a piggybacked response to nothing', '6045000a', []],
  ['an acknowledgement of nothing', '6000000a', []],
  ['a reset of nothing', '7000000a', []],
  ['a request in an acknowledgement', '6001000ab568656c6c6f', []],
  ['a request in a reset', '7001000ab568656c6c6f', []],
])('%s', async (_, hex, expected) => {
  const { server, client } = await start()
  const came = await exchange(client, Buffer.from(hex, 'hex'))
  expect(shown(came)).toEqual(expected)
  for (const bytes of came) expect(bytes.subarray(2)).toEqual(Buffer.from(hex.slice(4, 8), 'hex'))
  expect(server.seen).toEqual([])
  // From somebody who is known, all the same.
  await exchange(client, encode(request(client, 'hello')))
  expect(shown(await exchange(client, Buffer.from(hex, 'hex')))).toEqual(expected)
})

test('a confirmable request is answered in its acknowledgement, under its token and id', async () => {
  const { client } = await start()
  const asked = request(client, 'hello')
  const came = await exchange(client, encode(asked))
  expect(shown(came)).toEqual(['ACK 2.05 hello'])
  expect(messageOf(came[0])).toMatchObject({ messageId: asked.messageId, token: asked.token })
})

test('a non-confirmable request is answered non-confirmable, under an id of our own', async () => {
  const { client } = await start()
  const came = await exchange(client, ...[1, 2].map(() => encode(request(client, 'hello', TYPE.NON))))
  expect(shown(came)).toEqual(['NON 2.05 hello', 'NON 2.05 hello'])
  const [first, second] = came.map(bytes => messageOf(bytes).messageId)
  expect(second).toBe(((first ?? 0) + 1) & 0xffff)
})

// --- duplicates ------------------------------------------------------------------------------------------------------------

test('a duplicate of an answered request gets the very same bytes, and no handler runs', async () => {
  const { server, client } = await start()
  const bytes = encode(request(client, 'hello'))
  const came = await exchange(client, bytes, bytes, bytes)
  expect(came).toHaveLength(3)
  expect(new Set(came.map(each => each.toString('hex'))).size).toBe(1)
  expect(server.seen).toHaveLength(1)
  expect(server.metric('duplicates_total')).toBe(2)
})

test('while its handler runs, a duplicate is silent until the acknowledgement, then gets that again', async () => {
  const { server, client } = await start({ processingDelay: 500 })
  const bytes = encode(request(client, 'slow'))
  expect(await exchange(client, bytes, bytes)).toEqual([])
  server.time.advance(700)
  expect(shown(await exchange(client, bytes, bytes))).toEqual(['ACK 0.00', 'ACK 0.00', 'ACK 0.00'])
  await server.release()
  expect(shown(await exchange(client, bytes))).toEqual(['CON 2.05 late', 'ACK 0.00'])
  expect(server.seen).toHaveLength(1)
})

test('a handler that answers in time answers all duplicates that came before', async () => {
  const { server, client } = await start()
  const bytes = encode(request(client, 'slow'))
  await exchange(client, bytes, bytes)
  await server.release()
  expect(shown(await exchange(client, bytes))).toEqual(['ACK 2.05 late', 'ACK 2.05 late'])
  server.time.advance(100_000)
  expect(await arrived(client)).toEqual([])
  expect(server.seen).toHaveLength(1)
})

test('duplicates of non-confirmable requests are dropped in silence', async () => {
  const { server, client } = await start()
  const bytes = encode(request(client, 'hello', TYPE.NON))
  expect(await exchange(client, bytes, bytes, bytes)).toHaveLength(1)
  expect(server.seen).toHaveLength(1)
})

test.each([
  ['EXCHANGE_LIFETIME', TYPE.CON, 247_000],
  ['NON_LIFETIME', TYPE.NON, 145_000],
] as const)('after %s the same id is another request', async (_, type, lifetime) => {
  const { server, client } = await start()
  const bytes = encode(request(client, 'hello', type))
  await exchange(client, bytes)
  server.time.advance(lifetime - 1000)
  await exchange(client, bytes)
  expect(server.seen).toHaveLength(1)
  server.time.advance(1000)
  await exchange(client, bytes)
  expect(server.seen).toHaveLength(2)
})

test('the same id from another port is another request', async () => {
  const { server, client } = await start()
  const other = await connect(server)
  const bytes = encode(request(client, 'hello'))
  await exchange(client, bytes)
  await exchange(other, bytes)
  expect(server.seen).toHaveLength(2)
})

test('a peer all of whose exchanges are in progress is asked to wait; none of them is run twice', async () => {
  const { server, client } = await start({ rememberedExchanges: 3 })
  const running = [1, 2, 3].map(() => encode(request(client, 'slow')))
  await exchange(client, ...running)
  expect(shown(await exchange(client, encode(request(client, 'hello')), ...running))).toEqual([
    'ACK 4.29 Too many requests.',
  ])
  expect(server.waiting).toBe(3)
  await server.release()
  expect(await arrived(client)).toHaveLength(3)
  expect(shown(await exchange(client, encode(request(client, 'hello'))))).toEqual(['ACK 2.05 hello'])
})

// --- separate responses ----------------------------------------------------------------------------------------------------

test('a separate response is repeated until it is acknowledged', async () => {
  const { server, client } = await start()
  const asked = { ...request(client, 'slow'), payload: Buffer.alloc(100) }
  await exchange(client, encode(asked))
  server.time.advance(600)
  await server.release()
  const [, response] = await arrived(client)
  expect(messageOf(response)).toMatchObject({ type: TYPE.CON, code: CODE.Content, token: asked.token })
  server.time.advance(3100)
  expect(await arrived(client)).toEqual([response])
  server.time.advance(6200)
  expect(await exchange(client, empty(TYPE.ACK, messageOf(response).messageId))).toEqual([response])
  server.time.advance(1_000_000)
  expect(await arrived(client)).toEqual([])
  expect(server.metric('retransmissions_total')).toBe(2)
})

test('a separate response that nobody acknowledges is given up', async () => {
  const { server, client } = await start({ maxRetransmit: 2 })
  const asked = { ...request(client, 'slow'), payload: Buffer.alloc(100) }
  await exchange(client, encode(asked))
  server.time.advance(600)
  await server.release()
  server.time.advance(1_000_000)
  expect(shown(await arrived(client))).toEqual(['ACK 0.00', 'CON 2.05 late', 'CON 2.05 late', 'CON 2.05 late'])
  expect(server.metric('dropped_total timeout')).toBe(1)
})

test('what a handler fails with later is answered as well', async () => {
  const { server, client } = await start()
  await exchange(client, encode(request(client, 'slow')))
  await server.release(new Error('secret detail'))
  expect(shown(await arrived(client))).toEqual(['ACK 5.00 Internal error.'])
  expect(server.errors.join()).toContain('secret detail')
})

// --- notifications ---------------------------------------------------------------------------------------------------------

async function observer(limits: Partial<CoapLimits> = {}) {
  const { server, client } = await start(limits)
  const challenge = messageOf((await exchange(client, encode(client.compose({ path: 'observed', observe: 0 }))))[0])
  const value = optionOf(challenge, OPTION.Echo) ?? Buffer.alloc(0)
  const options = [{ number: OPTION.Echo, value }]
  await exchange(client, encode(client.compose({ path: 'observed', observe: 0, options })))
  const fates: string[] = []
  const notify = (text: string, confirmable: boolean, of: { state?: boolean } = {}) =>
    server.observer.notify({
      token: Buffer.from('tk'),
      code: CODE.Content,
      options: [],
      payload: Buffer.from(text),
      confirmable,
      ...of,
      onFate: (fate: Fate) => fates.push(`${text} ${fate}`),
    })
  return { server, client, fates, notify }
}

test('non-confirmable notifications leave at once, and a reset finds its own', async () => {
  const { client, fates, notify } = await observer()
  notify('a', false)
  notify('b', false)
  const came = await arrived(client)
  expect(shown(came)).toEqual(['NON 2.05 a', 'NON 2.05 b'])
  expect(fates).toEqual(['a sent', 'b sent'])
  await exchange(client, empty(TYPE.RST, messageOf(came[0]).messageId))
  expect(fates).toEqual(['a sent', 'b sent', 'a reset'])
})

test('confirmable notifications go one by one, and each learns its fate', async () => {
  const { server, client, fates, notify } = await observer()
  for (const text of ['a', 'b', 'c']) notify(text, true)
  const [a] = await arrived(client)
  const [b] = await exchange(client, empty(TYPE.ACK, messageOf(a).messageId))
  const [c] = await exchange(client, empty(TYPE.RST, messageOf(b).messageId))
  expect(shown([a, b, c].map(bytes => bytes ?? Buffer.alloc(0)))).toEqual(['CON 2.05 a', 'CON 2.05 b', 'CON 2.05 c'])
  server.time.advance(100_000)
  expect(fates).toEqual(['a acknowledged', 'b reset', 'c timeout'])
})

test.each([
  ['an acknowledgement', TYPE.ACK],
  ['a reset', TYPE.RST],
] as const)('%s that is malformed, or of another peer, settles nothing', async (_, type) => {
  const { server, client, fates, notify } = await observer()
  notify('a', true)
  const { messageId } = messageOf((await arrived(client))[0])
  await exchange(client, Buffer.concat([empty(type, messageId), Buffer.from([0])]))
  await exchange(await connect(server), empty(type, messageId))
  expect(fates).toEqual([])
  await exchange(client, empty(type, messageId))
  expect(fates).toHaveLength(1)
})

test('a queue that is full drops its oldest, which is counted', async () => {
  const { server, fates, notify } = await observer({ outgoingQueue: 2 })
  for (const text of ['a', 'b', 'c', 'd']) notify(text, true)
  expect(fates).toEqual(['b dropped'])
  expect(server.metric('dropped_total queue')).toBe(1)
})

test('of a long state its first block is sent; an event leaves whole, or not at all', async () => {
  const { client, fates, notify } = await observer({ messageBytes: 2000 })
  notify('x'.repeat(1500), false, { state: true })
  notify('y'.repeat(1500), false)
  notify('z'.repeat(2500), false)
  const came = (await arrived(client)).map(messageOf)
  expect(came.map(({ payload }) => payload.length)).toEqual([1024, 1500])
  expect(came.map(message => optionOf(message, OPTION.Block2)?.toString('hex') ?? null)).toEqual(['0e', null])
  expect(fates.map(fate => fate.split(' ')[1])).toEqual(['sent', 'sent', 'dropped'])
})

test('what is withdrawn is not repeated', async () => {
  const { server, client, fates, notify } = await observer()
  for (const text of ['a', 'b']) notify(text, true)
  await arrived(client)
  server.observer.withdraw(Buffer.from('tk'))
  server.time.advance(100_000)
  expect([await arrived(client), fates]).toEqual([[], []])
})

// --- bounds ----------------------------------------------------------------------------------------------------------------

test('whoever asks too fast is told so and when to come back, then ignored, then served again', async () => {
  const { server, client } = await start({ requestsPerSecond: 1, requestBurst: 2, refusals: 1 })
  const came = await exchange(client, ...Array.from({ length: 6 }, () => encode(request(client, 'hello'))))
  expect(shown(came)).toEqual(['ACK 2.05 hello', 'ACK 2.05 hello', 'ACK 4.29 Too many requests.'])
  for (const bytes of came) expect(bytes.length).toBeLessThan(3 * encode(request(client, 'hello')).length)
  expect(uintOf(optionOf(messageOf(came[2]), OPTION.MaxAge) ?? Buffer.alloc(0))).toBe(1)
  expect(server.seen).toHaveLength(2)
  const other = await connect(server)
  expect(shown(await exchange(other, encode(request(other, 'hello'))))).toEqual(['ACK 2.05 hello'])
  server.time.advance(1000)
  expect(shown(await exchange(client, encode(request(client, 'hello'))))).toEqual(['ACK 2.05 hello'])
  expect(server.metric('dropped_total rate')).toBe(4)
})

test('strangers beyond the bound drive out strangers; observers stay', async () => {
  const { server, client, notify } = await observer({ strangers: 5 })
  let gone = false
  server.observer.onGone(() => {
    gone = true
  })
  const first = await connect(server)
  const bytes = encode(request(first, 'hello'))
  await exchange(first, bytes)
  for (let i = 0; i < 6; i++) {
    const stranger = await connect(server)
    await exchange(stranger, encode(request(stranger, 'hello')))
  }
  expect([server.metric('peers no'), server.metric('peers yes'), gone]).toEqual([5, 1, false])
  const before = server.seen.length
  await exchange(first, bytes)
  expect(server.seen).toHaveLength(before + 1)
  notify('still here', false)
  expect(shown(await arrived(client))).toEqual(['NON 2.05 still here'])
})

test('a stranger who had to make room while his handler ran is answered all the same', async () => {
  const { server, client } = await start({ strangers: 1 })
  await exchange(client, encode(request(client, 'slow')))
  const other = await connect(server)
  await exchange(other, encode(request(other, 'hello')))
  await server.release()
  expect(shown(await arrived(client))).toEqual(['ACK 2.05 late'])
  await exchange(client, encode(request(client, 'hello')))
  await exchange(other, encode(request(other, 'hello')))
  // What one peer has been answered, and no more.
  expect(server.metric('kept_answer_bytes')).toBeLessThan(100)
})

test('an answer that the network refuses stops nothing', async () => {
  const { server, client, notify } = await observer({ messageBytes: 100_000 })
  notify('x'.repeat(70_000), false)
  notify('y'.repeat(70_000), true)
  server.time.advance(100_000)
  expect(shown(await exchange(client, encode(request(client, 'hello'))))).toEqual(['ACK 2.05 hello'])
})

test('after its end the server has no timer and no peer, and its port is free', async () => {
  const { server, client } = await start()
  await exchange(client, encode(request(client, 'slow')))
  let gone = 0
  server.seen[0]?.peer.onGone(() => gone++)
  await server.close()
  await server.close()
  await server.release()
  expect([server.time.timers, gone]).toEqual([0, 1])
  const next = await CoapClient.open(server.port)
  opened.push(next)
  const again = await startCoapServer()
  opened.push(again)
  await expect(again.server.listen('coap', { host: '127.0.0.1', port: server.port })).resolves.toMatchObject({
    port: server.port,
  })
})

test.each([
  ['a port that is taken', '127.0.0.1', true],
  ['a multicast address', '224.0.1.187', false],
  ['an address of somebody else', '192.0.2.1', false],
])('listening on %s fails with what to do', async (_, host, taken) => {
  const { server } = await start()
  const listening = server.server.listen('coap', { host, port: taken ? server.port : 0 })
  await expect(listening).rejects.toMatchObject({ code: 'listener-failed' })
})
