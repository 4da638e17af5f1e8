import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { deviceToken } from '../../fixtures/door.ts'
import { METHOD, type Served, serve, TestPeer } from './served.ts'

const { GET, POST, PUT } = METHOD
const OPERATOR = { kind: 'operator', id: 'ops' } as const

describe('/authz-info', () => {
  let served: Served
  let sign: (claims?: object) => Promise<string>
  beforeEach(async () => {
    served = await serve()
    await served.device('t1')
    const { kid, privateKey } = await served.door.jwtKey('t1', 'k1')
    sign = (claims = {}) => deviceToken('t1', privateKey, { ...claims }, { kid })
  })
  afterEach(() => served.close())

  const bare = () => new TestPeer({ transport: 'coaps' })
  const bind = (peer: TestPeer, payload: string, more = {}) =>
    served.ask(peer, POST, '/authz-info', { payload, ...more })
  const state = (peer: TestPeer) => served.ask(peer, PUT, '/ps/device/t1/state', { payload: 'x' })
  const inSeconds = (seconds: number) => Math.floor(served.door.now() / 1000) + seconds

  test('a token gives a channel that has shown nothing its name', async () => {
    const peer = bare()
    expect((await state(peer)).code).toBe('4.01')
    const answer = await bind(peer, `${await sign()}\n`)
    expect([answer.code, answer.text]).toEqual(['2.01', ''])
    expect((await state(peer)).code).toBe('2.04')
    expect((await state(bare())).code).toBe('4.01')
    expect(served.recorded).toEqual([
      expect.objectContaining({ type: 'session-start', principal: 't1', transport: 'coaps' }),
    ])
  })

  test.each([
    ['of nobody', async () => 'eyJhbGciOiJub25lIn0.eyJpc3MiOiJ0MSIsInN1YiI6InQxIn0.', '4.01'],
    ['for another audience', () => sign({ aud: 'elsewhere' }), '4.03'],
    ['that has expired', () => sign({ exp: 1 }), '4.01'],
    ['that is none', async () => 'hello', '4.01'],
    ['that is not there', async () => '', '4.01'],
  ])('a token %s is refused, and the channel stays nobody', async (_, token, code) => {
    const peer = bare()
    expect((await bind(peer, await token())).code).toBe(code)
    expect((await state(peer)).code).toBe('4.01')
    expect(peer.closed).toBe(false)
  })

  test('a secret is no token', async () => {
    const { secret } = await served.door.secret('t1')
    expect((await bind(bare(), secret)).code).toBe('4.01')
  })

  test('in the clear it is 4.01, however right', async () => {
    const plain = new TestPeer({ transport: 'coap' })
    expect((await bind(plain, await sign())).code).toBe('4.01')
    expect((await state(plain)).code).toBe('4.01')
    expect(served.recorded).toEqual([])
  })

  test('other formats, and what would lie below', async () => {
    expect((await bind(bare(), await sign(), { contentFormat: 50 })).code).toBe('4.15')
    expect((await bind(bare(), await sign(), { contentFormat: 0 })).code).toBe('2.01')
    expect((await served.ask(bare(), POST, '/authz-info/x', { payload: await sign() })).code).toBe('4.04')
    expect((await served.ask(bare(), GET, '/authz-info')).code).toBe('4.05')
  })

  test('token and channel must name the same', async () => {
    await served.device('t2')
    const other = new TestPeer({ transport: 'coaps', shown: await served.proved('t2') })
    await served.admit(other)
    expect((await bind(other, await sign())).code).toBe('4.01')
    expect((await state(other)).code).toBe('4.03')
    const own = new TestPeer({ transport: 'coaps', shown: await served.proved('t1') })
    await served.admit(own)
    expect((await bind(own, await sign())).code).toBe('2.01')
    expect(served.door.rooms.access.sessions.size).toBe(2)
  })

  test('a second device cannot take over the channel of the first', async () => {
    const peer = bare()
    await bind(peer, await sign())
    await served.device('t2')
    const { kid, privateKey } = await served.door.jwtKey('t2', 'k2')
    expect((await bind(peer, await deviceToken('t2', privateKey, {}, { kid }))).code).toBe('4.01')
    expect((await state(peer)).code).toBe('2.04')
  })

  test('at its end observers get 4.01; the next token comes by the same channel', async () => {
    const peer = bare()
    await bind(peer, await sign({ exp: inSeconds(60) }))
    await served.ask(peer, GET, '/ps/device/t1/state', { observe: 0 })
    await bind(peer, await sign({ exp: inSeconds(120) }))
    served.door.ahead(90_000)
    expect((await state(peer)).code).toBe('2.04')
    expect(peer.take().map(({ payload }) => payload.toString())).toEqual(['x'])
    const [session] = served.door.rooms.access.sessions.list()
    served.door.ahead(121_000)
    session?.end('token-expired')
    expect(peer.told()).toEqual(['4.01'])
    expect(peer.closed).toBe(false)
    expect((await state(peer)).code).toBe('4.01')
    expect((await bind(peer, await sign({ exp: inSeconds(60), iat: inSeconds(0) }))).code).toBe('2.01')
    expect((await state(peer)).code).toBe('2.04')
  })

  test('beside a key, the end of the token is the end of the channel', async () => {
    const peer = new TestPeer({ transport: 'coaps', shown: await served.proved('t1') })
    await served.admit(peer)
    await bind(peer, await sign())
    served.door.rooms.access.sessions.list()[0]?.end('token-expired')
    expect(peer.closed).toBe(true)
  })

  test('what has ended meanwhile is refused', async () => {
    const peer = bare()
    await bind(peer, await sign())
    await served.door.rooms.registry.suspendDevice('t1', OPERATOR)
    expect(peer.closed).toBe(true)
    expect((await bind(bare(), await sign())).code).toBe('4.01')
  })
})
