import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { OPTION } from '../../../src/coap-wire/options.ts'
import { type Ask, METHOD, type Served, serve, TestPeer } from './served.ts'

const { GET, POST, PUT, DELETE } = METHOD
const OWN = '/ps/device/t1/state'

describe('/ps/{topic}', () => {
  let served: Served
  let peer: TestPeer
  let who: string
  beforeEach(async () => {
    served = await serve({ payloadBytes: 64, queryBytes: 200 })
    peer = new TestPeer()
    who = await served.login(peer, 't1', await served.device('t1'))
  })
  afterEach(() => served.close())

  const ask = (method: number, path: string, { query, ...how }: Parameters<Served['ask']>[3] = {}) =>
    served.ask(peer, method, path, { query: query === undefined ? who : `${who}&${query}`, ...how })
  const retained = (topic: string) => served.door.rooms.bus.retained.get(topic)

  test('PUT sets what GET gives; DELETE clears it', async () => {
    expect((await ask(PUT, OWN, { payload: 'on', contentFormat: 0 })).code).toBe('2.04')
    const got = await ask(GET, OWN)
    expect([got.code, got.text, got.option(OPTION.ContentFormat), got.option(OPTION.MaxAge)]).toEqual([
      '2.05',
      'on',
      0,
      null,
    ])
    expect((await ask(DELETE, OWN)).code).toBe('2.02')
    expect((await ask(GET, OWN)).code).toBe('4.04')
  })

  test('POST is an event, unless it says otherwise', async () => {
    expect((await ask(POST, OWN, { payload: 'x' })).code).toBe('2.04')
    expect(retained('device/t1/state')).toBeUndefined()
    expect((await ask(POST, OWN, { payload: 'x', query: 'retain=true' })).code).toBe('2.04')
    expect(retained('device/t1/state')?.payload.toString()).toBe('x')
    await ask(PUT, OWN, { payload: 'y', query: 'retain=false' })
    expect(retained('device/t1/state')?.payload.toString()).toBe('x')
  })

  test.each([
    ['CON', {}, 1],
    ['NON', { confirmable: false }, 0],
    ['CON with qos=0', { query: 'qos=0' }, 0],
    ['NON with qos=2', { confirmable: false, query: 'qos=2' }, 2],
  ] as const)('%s is published at the right QoS', async (_, how, qos) => {
    await ask(PUT, OWN, { payload: 'x', ...how })
    expect(retained('device/t1/state')?.qos).toBe(qos)
  })

  test('an expiry ends it, and Max-Age says when', async () => {
    await ask(PUT, OWN, { payload: 'x', query: 'expiry=30' })
    served.door.ahead(10_000)
    expect((await ask(GET, OWN)).option(OPTION.MaxAge)).toBeLessThanOrEqual(20)
    served.door.ahead(31_000)
    expect((await ask(GET, OWN)).code).toBe('4.04')
  })

  test.each([
    ['qos=3', '4.00'],
    ['qos=', '4.00'],
    ['retain=maybe', '4.00'],
    ['expiry=-1', '4.00'],
    ['expiry=4294967296', '4.00'],
    ['nl=2', '4.00'],
    ['rh=3', '4.00'],
    ['expiry=0', '2.04'],
    ['colour=red', '2.04'],
    [`x=${'y'.repeat(200)}`, '4.00'],
  ])('a query of %s is answered %s', async (query, code) => {
    expect((await ask(PUT, OWN, { payload: 'x', query })).code).toBe(code)
  })

  test.each([
    ['a slash in a level', '/ps/device/t1%2Fstate', '4.00'],
    ['NUL in a level', '/ps/device/t1/a%00b', '4.00'],
    ['+', '/ps/device/+/x', '4.00'],
    ['#', '/ps/device/t1/%23', '4.00'],
    ['no topic at all', '/ps/', '4.00'],
    ['an empty level', '/ps/device/t1//x', '4.04'],
    ['the broker’s own', '/ps/$SYS/version', '4.03'],
    ['a shared subscription', '/ps/$share/g/device/t1/x', '4.03'],
  ])('GET of %s', async (_, path, code) => {
    expect((await ask(GET, path)).code).toBe(code)
  })

  test.each([PUT, POST, DELETE])('method %i to what is not a topic or not permitted', async method => {
    expect((await ask(method, '/ps/device/+/x', { payload: 'x' })).code).toBe('4.00')
    expect((await ask(method, '/ps/$SYS/x', { payload: 'x' })).code).toBe('4.03')
    expect((await ask(method, '/ps/device/t2/x', { payload: 'x' })).code).toBe('4.03')
    expect((await ask(method, '/ps', { payload: 'x' })).code).toBe('4.05')
  })

  test('who may not read is not told whether there is something', async () => {
    await served.publish('device/t2/there', 'x', { retain: true })
    for (const path of ['/ps/device/t2/there', '/ps/device/t2/not-there']) {
      const answer = await ask(GET, path)
      expect([answer.code, answer.options]).toEqual(['4.03', []])
      expect((await ask(PUT, path, { options: [{ number: OPTION.IfNoneMatch, value: Buffer.alloc(0) }] })).code).toBe(
        '4.03',
      )
    }
  })

  test('a topic that may be subscribed but not received is not given', async () => {
    await served.publish('home/kitchen/lock', 'open', { retain: true })
    expect((await ask(GET, '/ps/home/kitchen/lock')).code).toBe('4.03')
    const answer = await ask(GET, '/ps/home/kitchen/lock', { observe: 0 })
    expect(answer.text).not.toContain('open')
  })

  test('an ETag that is known is answered 2.03 without the payload', async () => {
    await ask(PUT, OWN, { payload: 'on', query: 'expiry=30' })
    const etag = (await ask(GET, OWN)).options.find(({ number }) => number === OPTION.ETag)
    if (etag === undefined) throw new Error('no ETag')
    const known = await ask(GET, OWN, { options: [{ number: OPTION.ETag, value: Buffer.from('other') }, etag] })
    expect([known.code, known.text, known.option(OPTION.MaxAge)]).toEqual(['2.03', '', 30])
    await ask(PUT, OWN, { payload: 'off' })
    expect((await ask(GET, OWN, { options: [etag] })).text).toBe('off')
  })

  test('Accept is answered in that format or 4.06', async () => {
    await ask(PUT, OWN, { payload: '{}', contentFormat: 50 })
    expect((await ask(GET, OWN, { accept: 50 })).code).toBe('2.05')
    expect((await ask(GET, OWN, { accept: 60 })).code).toBe('4.06')
    await ask(PUT, OWN, { payload: 'of no format' })
    expect((await ask(GET, OWN, { accept: 0 })).code).toBe('4.06')
  })

  test('If-None-Match and If-Match decide whether a value is replaced (RFC 7252 5.10.8)', async () => {
    const absent = { options: [{ number: OPTION.IfNoneMatch, value: Buffer.alloc(0) }] }
    const match = (value: Buffer) => ({ options: [{ number: OPTION.IfMatch, value }] })
    expect((await ask(PUT, OWN, { payload: 'x', ...match(Buffer.alloc(0)) })).code).toBe('4.12')
    expect((await ask(PUT, OWN, { payload: 'first', ...absent })).code).toBe('2.04')
    expect((await ask(PUT, OWN, { payload: 'second', ...absent })).code).toBe('4.12')
    expect((await ask(GET, OWN)).text).toBe('first')
    const etag = (await ask(GET, OWN)).options.find(({ number }) => number === OPTION.ETag)?.value ?? Buffer.alloc(0)
    expect((await ask(PUT, OWN, { payload: 'second', ...match(etag) })).code).toBe('2.04')
    expect((await ask(DELETE, OWN, match(etag))).code).toBe('4.12')
    expect((await ask(DELETE, OWN, match(Buffer.alloc(0)))).code).toBe('2.02')
  })

  test('of many who write only where nothing is, or over what they have read, one does', async () => {
    const all = (payload: string, how: Ask) =>
      Promise.all(Array.from({ length: 20 }, (_, i) => ask(PUT, OWN, { payload: `${payload} ${i}`, ...how })))
    const count = (answers: { code: string }[], code: string) => answers.filter(answer => answer.code === code).length
    const first = await all('first', { options: [{ number: OPTION.IfNoneMatch, value: Buffer.alloc(0) }] })
    expect([count(first, '2.04'), count(first, '4.12')]).toEqual([1, 19])
    const held = await ask(GET, OWN)
    expect(held.text).toBe('first 0')
    const etag = held.options.find(({ number }) => number === OPTION.ETag)?.value ?? Buffer.alloc(0)
    const second = await all('second', { options: [{ number: OPTION.IfMatch, value: etag }] })
    expect([count(second, '2.04'), count(second, '4.12')]).toEqual([1, 19])
    expect((await ask(GET, OWN)).text).toBe('second 0')
  })

  test('the answer of a QoS 1 publish comes when it is durable', async () => {
    const order: string[] = []
    const { bus } = served.door.rooms
    const accept = bus.accept.bind(bus)
    bus.accept = (message, exchange) => {
      const stored = accept(message, exchange)
      stored?.then(() => order.push('stored'))
      return stored
    }
    await ask(PUT, OWN, { payload: 'x' }).then(() => order.push('answered'))
    expect(order).toEqual(['stored', 'answered'])
  })

  test('a content format travels there and back, with and without a name', async () => {
    for (const [number, properties] of [
      [50, { contentType: 'application/json' }],
      [65_000, { userProperties: [['coap-ct', '65000']] }],
    ] as const) {
      await ask(PUT, OWN, { payload: '{}', contentFormat: number })
      expect(retained('device/t1/state')?.properties).toEqual(properties)
      expect((await ask(GET, OWN)).option(OPTION.ContentFormat)).toBe(number)
    }
  })
})
