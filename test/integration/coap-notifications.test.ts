// What the server sends by itself, and the bounds that it and its peers keep to (RFC 7252 4.7, RFC 7641 4.5).
import { expect, test } from 'vitest'
import type { CoapLimits } from '../../src/coap/limits.ts'
import type { Fate } from '../../src/coap/resource.ts'
import { CODE } from '../../src/coap-wire/codes.ts'
import { encode } from '../../src/coap-wire/encode.ts'
import { TYPE } from '../../src/coap-wire/message.ts'
import { OPTION, optionOf, uintOf } from '../../src/coap-wire/options.ts'
import { startCoapServer } from '../fixtures/coap-server.ts'
import { arrived, connect, empty, exchange, messageOf, opened, request, shown, start } from '../wire/coap-datagrams.ts'
import { CoapClient } from '../wire/coap-wire.ts'

// --- notifications ---------------------------------------------------------------------------------------------------------

async function observer(limits: Partial<CoapLimits> = {}) {
  const { server, client } = await start(limits)
  const challenge = messageOf((await exchange(client, encode(client.compose({ path: 'observed', observe: 0 }))))[0])
  const value = optionOf(challenge, OPTION.Echo) ?? Buffer.alloc(0)
  const options = [{ number: OPTION.Echo, value }]
  await exchange(client, encode(client.compose({ path: 'observed', observe: 0, options })))
  const fates: string[] = []
  const notify = (text: string, confirmable: boolean, of: { state?: boolean; code?: number } = {}) =>
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

test('a ping is answered with a reset by whoever is there; it waits for its turn, and is repeated', async () => {
  const { server, client, notify, fates } = await observer()
  const answers: boolean[] = []
  const ask = () => server.observer.probe?.(isThere => answers.push(isThere))
  notify('a', true)
  ask()
  const [a] = await arrived(client)
  const [ping] = await exchange(client, empty(TYPE.ACK, messageOf(a).messageId))
  expect([messageOf(ping).code, messageOf(ping).type, ping?.length]).toEqual([CODE.Empty, TYPE.CON, 4])
  server.time.advance(3000)
  expect((await arrived(client)).map(bytes => bytes.equals(ping ?? Buffer.alloc(0)))).toEqual([true])
  await exchange(client, empty(TYPE.RST, messageOf(ping).messageId))
  expect([answers, fates]).toEqual([[true], ['a acknowledged']])
  ask()
  server.time.advance(100_000)
  expect(answers).toEqual([true, false])
})

test('a queue that is full drops its oldest, which is counted', async () => {
  const { server, fates, notify } = await observer({ outgoingQueue: 2 })
  for (const text of ['a', 'b', 'c', 'd']) notify(text, true)
  expect(fates).toEqual(['b dropped'])
  expect(server.metric('dropped_total queue')).toBe(1)
})

test('of what is longer than a block the first one is sent, whether state or event (RFC 7959 2.6)', async () => {
  const { client, fates, notify } = await observer({ messageBytes: 2000 })
  notify('x'.repeat(1500), false, { state: true })
  notify('y'.repeat(2500), false)
  notify('z'.repeat(1024), false)
  const came = (await arrived(client)).map(messageOf)
  expect(came.map(({ payload }) => payload.length)).toEqual([1024, 1024, 1024])
  expect(came.map(message => optionOf(message, OPTION.Block2)?.toString('hex') ?? null)).toEqual(['0e', '0e', null])
  expect(came.map(message => uintOf(optionOf(message, OPTION.Size2) ?? Buffer.alloc(0)))).toEqual([1500, 2500, 0])
  expect(fates.map(fate => fate.split(' ')[1])).toEqual(['sent', 'sent', 'sent'])
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
  const slow = encode({ ...request(client, 'slow'), payload: Buffer.alloc(50) })
  await exchange(client, slow)
  server.time.advance(600)
  await exchange(other, encode(request(other, 'hello')))
  await server.release()
  server.time.advance(100_000)
  expect(shown(await arrived(client))).toEqual(['ACK 0.00', 'CON 2.05 late'])
  // What one peer has been answered, and no more.
  expect(server.metric('kept_answer_bytes')).toBeLessThan(100)
})

test('a listener that fails is logged, and stops neither timers nor others', async () => {
  const { server, client } = await observer()
  const broken = (confirmable: boolean, text: string) =>
    server.observer.notify({
      token: Buffer.from('tk'),
      code: CODE.Content,
      options: [],
      payload: Buffer.from(text),
      confirmable,
      mayLeave: () => {
        if (text === 'b') throw new Error('broken')
        return true
      },
      onFate: () => {
        throw new Error('broken')
      },
    })
  for (const text of ['a', 'b', 'c']) {
    broken(true, text)
    broken(false, text)
  }
  server.time.advance(100_000)
  const came = new Set(shown(await arrived(client)))
  expect(came).toEqual(new Set(['CON 2.05 a', 'NON 2.05 a', 'NON 2.05 c', 'CON 2.05 c']))
  expect(server.errors.length).toBeGreaterThan(0)
})

test('an answer that the network refuses stops nothing', async () => {
  const { server, client, notify } = await observer({ messageBytes: 100_000 })
  notify('x'.repeat(70_000), false, { code: CODE.NotFound })
  notify('y'.repeat(70_000), true, { code: CODE.NotFound })
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
