import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { deviceToken } from '../../fixtures/door.ts'
import { METHOD, type Served, serve, TestPeer } from './served.ts'

const { GET, POST, PUT, DELETE } = METHOD
const CONNECTION = '/mqtt/connection'
const OPERATOR = { kind: 'operator', id: 'ops' } as const

describe('/mqtt/connection', () => {
  let served: Served
  let peer: TestPeer
  let secret: string
  beforeEach(async () => {
    served = await serve({ sessionsPerOwner: 2, sessionIdle: 60 })
    peer = new TestPeer()
    secret = await served.device('t1', { clientIds: 'under' })
  })
  afterEach(() => served.close())

  const ask = (method: number, query: string, payload = '') => served.ask(peer, method, CONNECTION, { query, payload })
  const state = (who: string, from = peer) => served.ask(from, PUT, '/ps/device/t1/state', { query: who, payload: 'x' })

  test('a secret opens a session whose token speaks for the device', async () => {
    const opened = await ask(POST, 'clientid=t1&username=t1', secret)
    expect([opened.code, opened.option(12)]).toEqual(['2.01', 0])
    expect(Buffer.from(opened.text, 'base64url').length).toBeGreaterThanOrEqual(16)
    expect((await state(`clientid=t1&token=${opened.text}`)).code).toBe('2.04')
    expect((await state(`clientid=t1&token=${opened.text}`, new TestPeer())).code).toBe('2.04')
    expect(served.recorded).toEqual([
      expect.objectContaining({ type: 'session-start', principal: 't1', transport: 'coap', clientId: 't1' }),
    ])
    expect(JSON.stringify(served.recorded)).not.toContain(opened.text)
  })

  test('a JWT does so too, also in the query; its end is the end of the session', async () => {
    const { kid, privateKey } = await served.door.jwtKey('t1', 'k1')
    const token = await deviceToken('t1', privateKey, {}, { kid })
    expect((await ask(POST, 'clientid=t1', token)).code).toBe('2.01')
    for (const name of ['password', 'token'])
      expect((await ask(POST, `clientid=t1&${name}=${token}`)).code).toBe('2.01')
    expect((await ask(POST, `clientid=t1&token=${token}`, token)).code).toBe('4.00')
  })

  test('a line break at the end of a file is no part of the secret', async () => {
    expect((await ask(POST, 'clientid=t1', `${secret}\r\n`)).code).toBe('2.01')
    expect((await ask(POST, 'clientid=t1', '\n')).code).toBe('4.01')
  })

  test.each([
    [0, '2.01'],
    [42, '2.01'],
    [50, '4.15'],
    [60, '4.15'],
  ])('a secret in Content-Format %i: %s', async (contentFormat, code) => {
    const asked = { query: 'clientid=t1', payload: secret, contentFormat }
    expect((await served.ask(peer, POST, CONNECTION, asked)).code).toBe(code)
  })

  test.each([
    ['no client id', '', 'right', '4.00'],
    ['an empty one', 'clientid=', 'right', '4.00'],
    ['a wrong secret', 'clientid=t1', 'wrong', '4.01'],
    ['none at all', 'clientid=t1', '', '4.01'],
    ['another username', 'clientid=t1&username=t2', 'right', '4.01'],
    ['another client id', 'clientid=t2', 'right', '4.03'],
    ['one with a wildcard', 'clientid=t1/%2B', 'right', '2.01'],
    ['a plus', 'clientid=t1/+', 'right', '4.03'],
  ])('%s', async (_, query, password, code) => {
    expect((await ask(POST, query, password === 'right' ? secret : password)).code).toBe(code)
  })

  test('a wrong, missing or strange token is 4.01, and so is that of another', async () => {
    const other = await served.login(new TestPeer(), 't2', await served.device('t2'))
    const own = await served.login(peer, 't1', secret)
    const token = own.split('token=')[1]
    for (const who of [
      'clientid=t1&token=wrong',
      'clientid=t1&token=',
      'clientid=t1',
      '',
      `token=${token}`,
      `clientid=t2&token=${token}`,
      other.replace('t2', 't1'),
    ]) {
      expect((await state(who)).code).toBe('4.01')
      for (const method of [PUT, DELETE]) expect((await ask(method, who)).code).toBe('4.01')
    }
    expect((await state(own)).code).toBe('2.04')
  })

  test('a token is good on its own transport only', async () => {
    const who = await served.login(peer, 't1', secret)
    expect((await state(who, new TestPeer({ transport: 'coaps' }))).code).toBe('4.01')
  })

  test('PUT keeps it alive, DELETE ends it', async () => {
    const who = await served.login(peer, 't1', secret)
    expect((await ask(PUT, who)).code).toBe('2.04')
    expect((await ask(DELETE, who)).code).toBe('2.02')
    for (const method of [PUT, DELETE]) expect((await ask(method, who)).code).toBe('4.01')
    expect(served.recorded.at(-1)).toMatchObject({ type: 'session-end', failure: null })
    expect((await ask(GET, who)).code).toBe('4.05')
    expect((await served.ask(peer, PUT, `${CONNECTION}/x`, { query: who })).code).toBe('4.04')
  })

  test('a second session of a client id takes the place of the first', async () => {
    const first = await served.login(peer, 't1', secret)
    const second = await served.login(new TestPeer(), 't1', secret)
    expect((await state(first)).code).toBe('4.01')
    expect((await state(second)).code).toBe('2.04')
    expect(served.recorded.map(({ type, failure }) => [type, failure])).toEqual([
      ['session-start', null],
      ['session-start', null],
      ['session-end', 'taken-over'],
    ])
  })

  test('sessions of one owner are bounded; one that ends makes room', async () => {
    const first = await served.login(peer, 't1/a', secret)
    await served.login(peer, 't1/b', secret)
    expect((await ask(POST, 'clientid=t1/c', secret)).code).toBe('4.29')
    expect((await ask(POST, 'clientid=t1/b', secret)).code).toBe('2.01')
    await ask(DELETE, first)
    expect((await ask(POST, 'clientid=t1/c', secret)).code).toBe('2.01')
  })

  const ends: [string, string, (credential: string) => Promise<unknown>][] = [
    [
      'revoking its credential',
      'credential-revoked',
      id => served.door.rooms.registry.revokeCredential(id, { reason: 'lost' }, OPERATOR),
    ],
    ['suspending the device', 'owner-suspended', () => served.door.rooms.registry.suspendDevice('t3', OPERATOR)],
    ['removing the device', 'superseded', () => served.door.rooms.registry.removeDevice('t3', OPERATOR)],
  ]
  test.each(ends)('%s ends it', async (_, failure, end) => {
    await served.door.device('t3')
    const issued = await served.door.secret('t3')
    const who = await served.login(peer, 't3', issued.secret)
    await end(issued.id)
    expect((await ask(PUT, who)).code).toBe('4.01')
    expect(served.recorded.at(-1)).toMatchObject({ type: 'session-end', failure })
  })

  test('a channel that has proved somebody needs no token, and nobody else’s', async () => {
    const channel = new TestPeer({ shown: await served.proved('t1') })
    expect((await state('', channel)).code).toBe('2.04')
    expect((await state('clientid=t1', channel)).code).toBe('2.04')
    expect((await state('clientid=t2', channel)).code).toBe('4.03')
    const own = await served.ask(channel, POST, CONNECTION, { query: 'clientid=t1/x' })
    expect(own.code).toBe('2.01')
    const otherSecret = await served.device('t2')
    const other = await served.login(new TestPeer(), 't2', otherSecret)
    expect((await served.ask(channel, PUT, CONNECTION, { query: other })).code).toBe('4.01')
    const mixed = await served.ask(channel, POST, CONNECTION, { query: 'clientid=t2', payload: otherSecret })
    expect(mixed.code).toBe('4.01')
    expect(channel.closed).toBe(false)
    await served.door.rooms.registry.suspendDevice('t1', OPERATOR)
    expect(channel.closed).toBe(true)
    expect((await state('', channel)).code).toBe('4.01')
  })

  test('whom the door refuses has no channel left; one that has shown nothing stays', async () => {
    const shown = await served.proved('t1')
    const session = new TestPeer({ shown })
    await served.admit(session)
    expect(session.closed).toBe(false)
    expect(served.recorded).toEqual([expect.objectContaining({ type: 'session-start', principal: 't1' })])
    await served.door.rooms.registry.suspendDevice('t1', OPERATOR)
    const late = new TestPeer({ shown })
    await served.admit(late)
    expect(late.closed).toBe(true)
    const stranger = new TestPeer()
    await served.admit(stranger)
    expect(stranger.closed).toBe(false)
    expect((await state('', stranger)).code).toBe('4.01')
  })

  test('a peer that is gone takes the session of its channel with it', async () => {
    const channel = new TestPeer({ shown: await served.proved('t1') })
    await state('', channel)
    const before = served.door.rooms.access.sessions.size
    channel.gone()
    expect(served.door.rooms.access.sessions.size).toBe(before - 1)
    expect(served.recorded.at(-1)).toMatchObject({ type: 'session-end', failure: null })
  })
})

describe('the anonymous', () => {
  test('are let in once per peer where the configuration says so', async () => {
    const served = await serve({}, 'guest')
    const peer = new TestPeer()
    await served.publish('public/news', 'x', { retain: true })
    const answers = await Promise.all([1, 2, 3].map(() => served.ask(peer, GET, '/ps/public/news')))
    expect(answers.map(({ code }) => code)).toEqual(['2.05', '2.05', '2.05'])
    expect((await served.ask(peer, GET, '/ps/home/kitchen/x')).code).toBe('4.03')
    expect(served.recorded).toEqual([expect.objectContaining({ type: 'session-start', principal: null })])
    expect(served.door.rooms.access.sessions.size).toBe(1)
    await served.door.device('t1')
    expect((await served.ask(peer, GET, '/ps/public/news', { query: 'clientid=t1' })).code).toBe('4.03')
    expect((await served.ask(peer, GET, '/ps/public/news', { query: 'clientid=free' })).code).toBe('2.05')
    await served.close()
  })

  test('are turned away elsewhere, and the trail is not filled with it', async () => {
    const served = await serve()
    const asked: string[] = []
    const { audit } = served.door.rooms
    const record = audit.record.bind(audit)
    audit.record = event => {
      asked.push(event.type)
      record(event)
    }
    for (let i = 0; i < 5; i++) expect((await served.ask(new TestPeer(), GET, '/ps/public/x')).code).toBe('4.01')
    expect(asked).toEqual(['authentication'])
    await served.close()
  })
})

describe('an idle session', () => {
  test('ends; heartbeats and requests keep it', async () => {
    const served = await serve({ sessionIdle: 60 })
    const peer = new TestPeer()
    const who = await served.login(peer, 't1', await served.device('t1'))
    const quiet = await served.login(peer, 't2', await served.device('t2'))
    served.door.ahead(50_000)
    await served.ask(peer, PUT, CONNECTION, { query: who })
    served.door.ahead(70_000)
    served.sweep()
    expect((await served.ask(peer, PUT, CONNECTION, { query: who })).code).toBe('2.04')
    expect((await served.ask(peer, PUT, CONNECTION, { query: quiet })).code).toBe('4.01')
    expect(served.recorded.at(-1)).toMatchObject({ type: 'session-end', failure: 'session-idle', clientId: 't2' })
    await served.close()
  })
})
