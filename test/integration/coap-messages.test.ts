// What happens between a socket and a resource: types, ids, duplicates, acknowledgements (RFC 7252 4).
import { expect, test } from 'vitest'
import { CODE, codeText } from '../../src/coap-wire/codes.ts'
import { encode } from '../../src/coap-wire/encode.ts'
import { TYPE } from '../../src/coap-wire/message.ts'
import { arrived, connect, empty, exchange, messageOf, request, shown, start } from '../wire/coap-datagrams.ts'

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
  ['a token of 65 bytes (RFC 8974)', `4d01000134${'07'.repeat(65)}b568656c6c6f`, ['RST 0.00']],
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

test.each([0, 8, 12, 13, 64])(
  'a token of %d bytes comes back, also from a datagram too long (RFC 8974)',
  async length => {
    const { client } = await start({ messageBytes: 200 })
    const token = Buffer.alloc(length, 7)
    for (const payload of ['', 'x'.repeat(300)]) {
      const asked = client.compose({ path: 'hello', code: CODE.POST, token, payload })
      const [answer] = await exchange(client, encode(asked))
      expect(messageOf(answer).token).toEqual(token)
      expect(codeText(messageOf(answer).code)).toBe(payload === '' ? '2.05' : '4.13')
    }
  },
)

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
