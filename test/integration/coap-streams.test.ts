// CoAP over TCP (RFC 8323) as far as it knows no resource: framing, signalling, and what bounds a connection.
import { connect } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { CODE } from '../../src/coap-wire/codes.ts'
import { encodeFrame } from '../../src/coap-wire/frame.ts'
import { OPTION, optionOf, uintOf, uintValue } from '../../src/coap-wire/options.ts'
import { abort, csm, ping, release, SIGNAL } from '../../src/coap-wire/signalling.ts'
import { type CoapTestServer, startCoapServer, WHOLE } from '../fixtures/coap-server.ts'
import { CoapStreamClient, hasObserve, ROOMY, type StreamRequest } from '../wire/coap-stream-client.ts'

let server: CoapTestServer
const clients: CoapStreamClient[] = []
const NOTHING = Buffer.alloc(0)

async function open(limits: Parameters<typeof startCoapServer>[0] = {}): Promise<void> {
  server = await startCoapServer(limits)
}

async function client(says: Parameters<typeof CoapStreamClient.tcp>[1] = ROOMY): Promise<CoapStreamClient> {
  const opened = await CoapStreamClient.tcp(server.tcpPort, says)
  clients.push(opened)
  return opened
}

afterEach(async () => {
  await Promise.all(clients.splice(0).map(each => each.close()))
  await server.close()
})

const HELLO: StreamRequest = { path: 'hello' }

describe('requests', () => {
  test('both ends begin with a CSM, and the answer bears the token', async () => {
    await open()
    const one = await client()
    expect(one.theirs).toEqual({ maxMessageSize: 16_384, blockWise: true, tokenBytes: 64 })
    const answer = await one.request({ ...HELLO, token: Buffer.from('0102030405060708090a', 'hex') })
    expect(answer).toMatchObject({ code: CODE.Content, payload: Buffer.from('hello') })
    expect(await server.metric('requests_total GET 2.05')).toBe(1)
  })

  test('whoever was let in may send more at once', async () => {
    await open()
    const one = await client()
    await one.request(HELLO)
    await one.signal('csm')
    expect(one.theirs.maxMessageSize).toBe(1_052_672)
  })

  test('split at every byte, each in a segment of its own', async () => {
    await open()
    const one = await client(null)
    const bytes = Buffer.concat([encodeFrame(csm(ROOMY)), one.bytesOf({ ...HELLO, token: Buffer.from([1]) })])
    const answer = one.answerTo(Buffer.from([1]))
    for (const byte of bytes) {
      one.send(Buffer.from([byte]))
      await new Promise(resolve => setImmediate(resolve))
    }
    expect((await answer).payload.toString()).toBe('hello')
  })

  test('cut anywhere', async () => {
    await open()
    const whole = Buffer.concat([
      encodeFrame(csm(ROOMY)),
      encodeFrame({
        code: CODE.POST,
        token: Buffer.from([7]),
        options: [{ number: OPTION.UriPath, value: Buffer.from('hello') }],
        payload: Buffer.alloc(300, 1),
      }),
    ])
    for (let at = 1; at < whole.length; at += 1) {
      const one = await client(null)
      const answer = one.answerTo(Buffer.from([7]))
      one.send(whole.subarray(0, at))
      await new Promise(resolve => setImmediate(resolve))
      one.send(whole.subarray(at))
      expect((await answer).code).toBe(CODE.Content)
      await one.close()
    }
    expect(server.seen).toHaveLength(whole.length - 1)
  })

  test('a hundred in one segment, answered in any order but each under its token', async () => {
    await open()
    const one = await client()
    const tokens = Array.from({ length: 100 }, () => one.token())
    const answers = tokens.map(token => one.answerTo(token))
    const paths = tokens.map((_, i) => (i % 10 === 0 ? 'slow' : 'hello'))
    one.send(Buffer.concat(tokens.map((token, i) => one.bytesOf({ path: paths[i] ?? '', token }))))
    await Promise.all(answers.filter((_, i) => i % 10 !== 0))
    expect(server.waiting).toBe(10)
    await server.release()
    const payloads = (await Promise.all(answers)).map(({ payload }) => payload.toString())
    expect(payloads).toEqual(paths.map(path => (path === 'slow' ? 'late' : 'hello')))
  })

  test('an empty message is ignored (RFC 8323 3.4)', async () => {
    await open()
    const one = await client()
    one.send(Buffer.from('0000', 'hex'))
    one.send(Buffer.from('300048656c', 'hex')) // with what nobody asked for
    expect((await one.request(HELLO)).code).toBe(CODE.Content)
  })

  test('a request of a connection that has ended meanwhile is answered to nobody', async () => {
    await open()
    const one = await client()
    one.send(one.compose({ path: 'slow' }))
    await expect.poll(() => server.waiting).toBe(1)
    await one.close()
    await server.release()
    const other = await client()
    expect((await other.request(HELLO)).code).toBe(CODE.Content)
    expect(server.errors).toEqual([])
  })

  test('an unknown critical option is 4.02, and a response nobody asked for is passed over', async () => {
    await open()
    const one = await client()
    one.send({ code: CODE.Content, token: NOTHING, options: [], payload: NOTHING })
    const odd = await one.request({ ...HELLO, options: [{ number: 65_001, value: NOTHING }] })
    expect(odd.code).toBe(CODE.BadOption)
    expect(await server.metric('dropped_total unexpected')).toBe(1)
  })
})

describe('large answers', () => {
  test('come whole where the client can take them', async () => {
    await open()
    const one = await client()
    const answer = await one.request({ path: 'big' })
    expect(answer.payload.equals(WHOLE)).toBe(true)
    expect(optionOf(answer, OPTION.Block2)).toBeNull()
  })

  const block2 = (number: number, sizeExponent: number) => ({
    number: OPTION.Block2,
    value: uintValue((number << 4) | sizeExponent),
  })

  async function fetched(one: CoapStreamClient, sizeExponent: number): Promise<{ body: Buffer; blocks: number[] }> {
    let body = Buffer.alloc(0)
    const blocks: number[] = []
    for (let more = true, number = 0; more; ) {
      const answer = await one.request({ path: 'big', options: number === 0 ? [] : [block2(number, sizeExponent)] })
      const value = uintOf(optionOf(answer, OPTION.Block2) ?? NOTHING)
      expect(value >> 4).toBe(number)
      expect(value & 7).toBe(sizeExponent)
      body = Buffer.concat([body, answer.payload])
      blocks.push(answer.payload.length)
      number += answer.payload.length / (sizeExponent === 7 ? 1024 : 2 ** (sizeExponent + 4))
      more = (value & 8) !== 0
    }
    return { body, blocks }
  }

  test('in BERT blocks where it says so (RFC 8323 6)', async () => {
    await open()
    const one = await client({ maxMessageSize: 2300, blockWise: true, tokenBytes: 8 })
    const { body, blocks } = await fetched(one, 7)
    expect(blocks).toEqual([2048, 452])
    expect(body.equals(WHOLE)).toBe(true)
  })

  test('in ordinary ones where it does not', async () => {
    await open()
    const one = await client({ maxMessageSize: 2300, blockWise: false, tokenBytes: 8 })
    const { body, blocks } = await fetched(one, 6)
    expect(blocks).toEqual([1024, 1024, 452])
    expect(body.equals(WHOLE)).toBe(true)
  })

  test('in small ones where it takes only small messages', async () => {
    await open()
    const one = await client({ maxMessageSize: 300, blockWise: true, tokenBytes: 8 })
    const { body, blocks } = await fetched(one, 3)
    expect(blocks[0]).toBe(128)
    expect(body.equals(WHOLE)).toBe(true)
  })
})

describe('signalling', () => {
  test('Ping is answered with Pong and its token (RFC 8323 5.4)', async () => {
    await open()
    const one = await client()
    one.send(ping(Buffer.from('42', 'hex')))
    expect(await one.signal('pong')).toEqual({ kind: 'pong', token: Buffer.from('42', 'hex'), custody: false })
  })

  test('with custody when all before it has been processed', async () => {
    await open()
    const one = await client()
    one.send(one.compose({ path: 'slow' }))
    one.send({ code: SIGNAL.Ping, token: Buffer.from([9]), options: [{ number: 2, value: NOTHING }], payload: NOTHING })
    one.send(ping(Buffer.from([8])))
    expect(await one.signal('pong')).toMatchObject({ token: Buffer.from([8]), custody: false })
    await server.release()
    expect(await one.signal('pong')).toMatchObject({ token: Buffer.from([9]), custody: true })
    expect(one.received.at(-2)?.payload.toString()).toBe('late')
  })

  test('Release: what was asked before it is answered, then the connection ends (RFC 8323 5.5)', async () => {
    await open()
    const one = await client()
    const answer = one.request({ path: 'slow' })
    one.send(release('bye'))
    one.send(one.compose({ path: 'hello' }))
    await expect.poll(() => server.waiting).toBe(1)
    server.time.advance(5_000)
    await server.release()
    expect((await answer).payload.toString()).toBe('late')
    await one.ended
    expect(server.seen.map(({ path }) => path.join('/'))).toEqual(['slow'])
    expect(await server.metric('connections_ended_total peer')).toBe(1)
  })

  test('Abort ends the connection at once', async () => {
    await open()
    const one = await client()
    one.send(abort('enough'))
    await one.ended
    expect(await server.metric('connections_ended_total aborted')).toBe(1)
  })

  test('the end of the server is a Release', async () => {
    await open()
    const one = await client()
    await server.server.close()
    expect(await one.signal('release')).toMatchObject({ diagnostic: 'shutting down' })
    await one.ended
  })

  test('who has said Release does not keep the server from ending', async () => {
    await open()
    const one = await client()
    one.send(one.compose({ path: 'slow' }))
    one.send(release('bye'))
    await expect.poll(() => server.metric('connections_ended_total peer')).toBe(1)
    await server.server.close()
    await one.ended
  })

  test('a CSM may come again, and counts from then on', async () => {
    await open()
    const one = await client({ maxMessageSize: 2300, blockWise: false, tokenBytes: 8 })
    expect((await one.request({ path: 'big' })).payload).toHaveLength(1024)
    one.send(csm(ROOMY))
    expect((await one.request({ path: 'big' })).payload).toHaveLength(WHOLE.length)
  })
})

describe('Abort, and what the peer is told (RFC 8323 5.6)', () => {
  const frame = (code: number, options: { number: number; value: Buffer }[] = [], payload = NOTHING) =>
    encodeFrame({ code, token: NOTHING, options, payload })
  const critical = { number: 9, value: NOTHING }

  test.each<[string, Buffer, string, number | null, string]>([
    ['a request before the CSM', frame(CODE.GET), 'the first message is not a CSM', null, 'malformed'],
    ['a Ping before the CSM', frame(SIGNAL.Ping), 'the first message is not a CSM', null, 'malformed'],
    [
      'a critical option in the CSM',
      frame(SIGNAL.CSM, [critical]),
      'the critical option 9 is not understood',
      9,
      'option',
    ],
    ['HTTP', Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'), 'the message is malformed', null, 'malformed'],
    ['a token length that is reserved', Buffer.from('0fe1', 'hex'), 'the message is malformed', null, 'malformed'],
  ])('%s', async (_, bytes, diagnostic, badCsmOption, reason) => {
    await open()
    const one = await client(null)
    one.send(bytes)
    expect(await one.signal('abort')).toEqual({ kind: 'abort', badCsmOption, diagnostic })
    await one.ended
    expect(await server.metric(`connections_ended_total ${reason}`)).toBe(1)
    expect(server.seen).toEqual([])
  })

  test.each<[string, string, string]>([
    ['a critical option in a Ping', '10e210', 'the critical option 1 is not understood'],
    ['options that go beyond the frame', '10010b', 'the message is malformed'],
    ['a marker without a payload', '1001ff', 'the message is malformed'],
    ['a reserved class', '0020', 'the message is malformed'],
    ['a token longer than offered', `0d01ff${'00'.repeat(20)}`, 'the message is malformed'],
    ['a length of gigabytes', 'f0ffffffff', 'the message is longer than Max-Message-Size'],
    ['a length just beyond the offer', 'e03ff4', 'the message is longer than Max-Message-Size'],
  ])('%s', async (_, hex, diagnostic) => {
    await open()
    const one = await client()
    one.send(Buffer.from(hex, 'hex'))
    expect(await one.signal('abort')).toEqual({ kind: 'abort', badCsmOption: null, diagnostic })
    await one.ended
  })
})

describe('bounds', () => {
  test('who sends no CSM is gone in time', async () => {
    await open()
    const one = await client(null)
    await one.signal('csm')
    server.time.advance(10_200)
    expect(await one.signal('abort')).toMatchObject({ diagnostic: 'no CSM came' })
    await one.ended
    expect(await server.metric('connections_ended_total csm-timeout')).toBe(1)
  })

  test('requests beyond those in flight are read when there is room', async () => {
    await open({ requestsInFlight: 3 })
    const one = await client()
    const answers = Array.from({ length: 5 }, () => one.request({ path: 'slow' }))
    await expect.poll(() => server.waiting).toBe(3)
    await server.release()
    await expect.poll(() => server.waiting).toBe(2)
    await server.release()
    expect((await Promise.all(answers)).map(({ code }) => code)).toEqual(Array(5).fill(CODE.Content))
  })

  test('whoever asks faster than it may is told, and read no further for a while', async () => {
    await open({ requestsPerSecond: 1, requestBurst: 2, refusals: 1 })
    const one = await client()
    const answers = Array.from({ length: 6 }, () => one.request(HELLO))
    const codes = async (from: number, to: number) =>
      (await Promise.all(answers.slice(from, to))).map(({ code }) => code)
    expect(await codes(0, 4)).toEqual([CODE.Content, CODE.Content, CODE.TooManyRequests, CODE.TooManyRequests])
    expect(server.seen).toHaveLength(2)
    server.time.advance(2_000)
    expect(await codes(4, 6)).toEqual([CODE.Content, CODE.Content])
  })

  test('who is silent is asked, and who does not answer is cut', async () => {
    await open({ pingAfter: 10, pongTimeout: 5 })
    const one = await client()
    one.answersPings = false
    await one.request(HELLO)
    server.time.advance(10_200)
    const asked = await one.signal('ping')
    one.send({ code: SIGNAL.Pong, token: asked.token, options: [], payload: NOTHING })
    await one.request(HELLO)
    server.time.advance(10_200)
    await one.signal('ping')
    server.time.advance(5_200)
    expect(await one.signal('abort')).toMatchObject({ diagnostic: 'no Pong came' })
    await one.ended
    expect(await server.metric('connections_ended_total no-pong')).toBe(1)
  })

  test('a stranger who asks for nothing is released', async () => {
    await open({ strangerIdle: 20 })
    const one = await client()
    await one.request({ path: 'nowhere' })
    server.time.advance(20_200)
    expect(await one.signal('release')).toMatchObject({ diagnostic: 'idle' })
    await one.ended
  })
})

describe('notifications', () => {
  const notification = (token: Buffer, payload: Buffer, more: object = {}) => ({
    token,
    code: CODE.Content,
    options: [{ number: OPTION.Observe, value: Buffer.from([1, 2, 3]) }],
    payload,
    confirmable: false,
    onFate: () => {},
    ...more,
  })

  test('come in order, without numbers (RFC 8323 7.1), and never acknowledged', async () => {
    await open()
    const one = await client()
    await one.request({ path: 'observed', observe: 0, token: Buffer.from([5]) })
    const fates: string[] = []
    for (let i = 0; i < 20; i++)
      server.observer.notify(
        notification(Buffer.from([5]), Buffer.from(`${i}`), {
          confirmable: i % 2 === 0,
          onFate: (fate: string) => fates.push(fate),
        }),
      )
    for (let i = 0; i < 20; i++) {
      const came = await one.next()
      expect(came.payload.toString()).toBe(`${i}`)
      expect(hasObserve(came)).toBe(true)
      expect(optionOf(came, OPTION.Observe)).toHaveLength(0)
    }
    expect(fates).toEqual(Array.from({ length: 20 }, (_, i) => (i % 2 === 0 ? 'acknowledged' : 'sent')))
  })

  test('a slow reader loses what it may lose, and what is kept for it is bounded', async () => {
    await open({ backlogBytes: 100_000 })
    const one = await client()
    await one.request({ path: 'observed', observe: 0, token: Buffer.from([5]) })
    one.stream.pause()
    const fates = new Map<string, number>()
    const onFate = (fate: string) => fates.set(fate, (fates.get(fate) ?? 0) + 1)
    let sent = 0
    // What kernel and socket take is theirs to say; far more than they do is sent.
    while (sent < 20_000_000 || !fates.has('dropped')) {
      server.observer.notify(notification(Buffer.from([5]), Buffer.alloc(20_000, 1), { onFate }))
      sent += 20_000
      if (sent % 1_000_000 === 0) await new Promise(resolve => setImmediate(resolve))
    }
    expect(await server.metric('backlog_bytes')).toBeLessThanOrEqual(100_000)
    expect(await server.metric('dropped_total queue')).toBe(fates.get('dropped'))
    one.stream.resume()
    const came = one.request(HELLO)
    expect((await came).code).toBe(CODE.Content)
    const notified = one.received.filter(({ token }) => token.equals(Buffer.from([5]))).length - 1
    expect(notified).toBe(fates.get('sent'))
  })

  test('what is withdrawn does not leave, and neither does what may not any more', async () => {
    await open()
    const one = await client()
    await one.request({ path: 'observed', observe: 0, token: Buffer.from([5]) })
    const fates: string[] = []
    const onFate = (fate: string) => fates.push(fate)
    server.observer.notify(notification(Buffer.from([5]), Buffer.from('withdrawn'), { onFate }))
    server.observer.withdraw(Buffer.from([5]))
    server.observer.notify(notification(Buffer.from([6]), Buffer.from('expired'), { onFate, mayLeave: () => false }))
    server.observer.notify(notification(Buffer.from([7]), Buffer.from('well'), { onFate }))
    expect((await one.next()).payload.toString()).toBe('well')
    expect(fates).toEqual(['dropped', 'sent'])
  })

  test('the end of an endpoint comes after the last word, and without what still waited', async () => {
    await open()
    const one = await client()
    await one.request({ path: 'observed', observe: 0, token: Buffer.from([5]) })
    server.observer.notify(notification(Buffer.from([5]), Buffer.from('secret')))
    server.observer.notify({ ...notification(Buffer.from([5]), NOTHING), code: CODE.Unauthorized, options: [] })
    server.observer.endpoint.close()
    expect((await one.next()).code).toBe(CODE.Unauthorized)
    expect(await one.signal('abort')).toMatchObject({ diagnostic: 'the session has ended' })
    await one.ended
    expect(one.received.some(({ payload }) => payload.includes('secret'))).toBe(false)
    expect(await server.metric('connections_ended_total ended')).toBe(1)
  })
})

test('a thousand connections that come and go leave nothing behind', async () => {
  await open()
  for (let i = 0; i < 20; i++) {
    const sockets = Array.from({ length: 50 }, () => connect({ port: server.tcpPort, host: '127.0.0.1' }))
    await Promise.all(
      sockets.map(
        socket =>
          new Promise<void>(resolve => {
            socket.on('connect', () => {
              socket.write(i % 2 === 0 ? Buffer.from('f0000', 'hex') : encodeFrame(csm(ROOMY)))
              socket.on('data', () => socket.destroy())
            })
            socket.on('close', () => resolve())
            socket.on('error', () => {})
          }),
      ),
    )
  }
  await expect.poll(() => server.metric('connections')).toBe(0)
  expect(server.metric('unread_bytes')).toBe(0)
  expect(server.errors).toEqual([])
})
