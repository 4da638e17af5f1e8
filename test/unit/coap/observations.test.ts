import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { OPTION, optionOf, uintOf } from '../../../src/coap-wire/options.ts'
import { decodeTopicMessage } from '../../../src/coap-wire/topic-message.ts'
import { type Ask, METHOD, observeOf, POLICY, type Served, serve, TestPeer } from './served.ts'

const { GET, PUT, POST, DELETE } = METHOD
const TOPIC = 'device/t1/state'

describe('an observation', () => {
  let served: Served
  let peer: TestPeer
  let who: string
  let secret: string
  beforeEach(async () => {
    served = await serve({ observationsPerPeer: 3, observationQueue: 2, observerCheck: 60 })
    peer = new TestPeer()
    secret = await served.device('t1')
    who = await served.login(peer, 't1', secret)
  })
  afterEach(() => served.close())

  const ask = (method: number, path: string, { query, ...how }: Ask = {}) =>
    served.ask(peer, method, path, { query: query === undefined ? who : `${who}&${query}`, ...how })
  const observe = async (topic: string, how: Ask = {}) => {
    const answer = await ask(GET, `/ps/${topic.replaceAll('#', '%23')}`, { observe: 0, ...how })
    await served.turns()
    return answer
  }
  const wildcard = () =>
    peer.take().map(({ payload }) => {
      const { topic, contentFormat, payload: inner } = decodeTopicMessage(payload) ?? {}
      return [topic, contentFormat, inner?.toString()]
    })
  const bus = () => served.door.rooms.bus

  test('begins with the retained value, and goes on with every message', async () => {
    await ask(PUT, `/ps/${TOPIC}`, { payload: 'first', contentFormat: 0, query: 'expiry=30' })
    const answer = await observe(TOPIC, { query: 'qos=0' })
    expect([answer.code, answer.text, answer.option(OPTION.ContentFormat), answer.option(OPTION.MaxAge)]).toEqual([
      '2.05',
      'first',
      0,
      30,
    ])
    for (let i = 0; i < 3; i++)
      await served.publish(TOPIC, `${i}`, { qos: 0, properties: { contentType: 'application/json' } })
    const notified = peer.take()
    expect(notified.map(({ payload, confirmable }) => [payload.toString(), confirmable])).toEqual([
      ['0', false],
      ['1', false],
      ['2', false],
    ])
    expect(uintOf(optionOf(notified[0] ?? { options: [] }, OPTION.ContentFormat) ?? Buffer.alloc(0))).toBe(50)
    const numbers = [observeOf(answer), ...notified.map(observeOf)] as number[]
    for (let i = 1; i < numbers.length; i++)
      expect(((numbers[i] ?? 0) - (numbers[i - 1] ?? 0)) & 0xffffff).toBeLessThan(2 ** 23)
    expect(new Set(numbers).size).toBe(4)
  })

  test('begins with 2.03 for whoever knows the retained value, and goes on with 2.05 (RFC 7641 3.3.1)', async () => {
    await served.publish(TOPIC, 'known', { retain: true })
    const etag = optionOf(await ask(GET, `/ps/${TOPIC}`, { token: 'before' }), OPTION.ETag) ?? Buffer.alloc(0)
    const answer = await observe(TOPIC, { options: [{ number: OPTION.ETag, value: etag }] })
    expect([answer.code, answer.text, observeOf(answer) !== null]).toEqual(['2.03', '', true])
    await served.publish(TOPIC, 'new', { retain: true })
    expect(peer.told()).toEqual(['2.05 new'])
  })

  test('a later block asked for under its token does not end it', async () => {
    await observe(TOPIC)
    await ask(GET, `/ps/${TOPIC}`, { block: 1 })
    await served.publish(TOPIC, 'x')
    expect(peer.told()).toEqual(['2.05 x'])
  })

  test('of a topic that holds nothing begins empty; a cleared one is told as empty', async () => {
    const answer = await observe(TOPIC)
    expect([answer.code, answer.text, observeOf(answer) !== null]).toEqual(['2.05', '', true])
    await ask(PUT, `/ps/${TOPIC}`, { payload: 'x', query: 'qos=0' })
    await ask(DELETE, `/ps/${TOPIC}`, { query: 'qos=0' })
    expect(peer.told()).toEqual(['2.05 x', '2.05'])
  })

  test('holds what comes before its answer has left', async () => {
    const answering = ask(GET, `/ps/${TOPIC}`, { observe: 0, query: 'qos=0' })
    const publishing = served.publish(TOPIC, 'early', { qos: 0 })
    expect(peer.notified).toEqual([])
    await Promise.all([answering, publishing])
    await served.turns()
    expect(peer.told()).toEqual(['2.05 early'])
  })

  test('of a filter gives topic, content format and payload, the retained ones first and one at a time', async () => {
    await served.publish('home/kitchen/b', 'two', { retain: true, qos: 0 })
    await served.publish('home/kitchen/a', 'one', {
      retain: true,
      qos: 0,
      properties: { contentType: 'application/json' },
    })
    const answer = await observe('home/kitchen/+')
    expect([answer.code, answer.text]).toEqual(['2.05', ''])
    const [first] = peer.notified
    expect([peer.notified.length, first?.confirmable]).toEqual([1, true])
    first?.onFate('acknowledged')
    peer.notified[1]?.onFate('acknowledged')
    expect(wildcard().sort()).toEqual([
      ['home/kitchen/a', 50, 'one'],
      ['home/kitchen/b', null, 'two'],
    ])
    await served.publish('home/kitchen/c', 'three', { qos: 0 })
    expect(wildcard()).toEqual([['home/kitchen/c', null, 'three']])
  })

  test('rh says whether retained messages come', async () => {
    await ask(PUT, `/ps/${TOPIC}`, { payload: 'x' })
    expect((await observe(TOPIC, { query: 'rh=2' })).text).toBe('')
    expect((await observe(TOPIC, { query: 'rh=1', token: 'other' })).text).toBe('x')
    expect((await observe(TOPIC, { query: 'rh=1', token: 'other' })).text).toBe('')
    await observe('device/t1/%23', { query: 'rh=2', token: 'third' })
    expect(peer.told()).toEqual([])
  })

  test('nl leaves out what the session publishes itself, over any of its observations', async () => {
    await observe(TOPIC, { query: 'nl=true&qos=0' })
    await observe('device/t1/%23', { query: 'qos=0', token: 'all' })
    await ask(POST, `/ps/${TOPIC}`, { payload: 'own', query: 'qos=0' })
    expect(peer.take().map(({ token }) => token.toString())).toEqual(['all'])
    await served.publish(TOPIC, 'other', { qos: 0 })
    expect(
      peer
        .take()
        .map(({ token }) => token.toString())
        .sort(),
    ).toEqual(['all', 't'])
  })

  test('QoS 1 is confirmable, one at a time, and waits in a bounded queue', async () => {
    await observe(TOPIC)
    for (const payload of ['1', '2', '3']) await served.publish(TOPIC, payload)
    expect(peer.notified.map(({ payload, confirmable }) => [payload.toString(), confirmable])).toEqual([['1', true]])
    peer.notified[0]?.onFate('acknowledged')
    expect(peer.notified).toHaveLength(2)
    peer.notified[1]?.onFate('acknowledged')
    expect(peer.told()).toEqual(['2.05 1', '2.05 3']) // the second gave way: the newest state counts
    await served.publish(TOPIC, '4')
    expect(peer.told()).toEqual(['2.05 4'])
  })

  test('QoS 0 does not overtake what is not acknowledged: its repetition would look old', async () => {
    await observe(TOPIC)
    await served.publish(TOPIC, '1')
    for (let i = 2; i < 20; i++) await served.publish(TOPIC, `${i}`, { qos: 0 })
    const [first, ...early] = peer.take()
    expect(early).toEqual([])
    first?.onFate('acknowledged')
    const came = [first, ...peer.take()]
    expect(came.map(each => each?.payload.toString())).toEqual([
      '1',
      ...Array.from({ length: 16 }, (_, i) => `${i + 4}`),
    ])
    const numbers = came.map(each => observeOf(each ?? { options: [] }) ?? 0)
    for (let i = 1; i < numbers.length; i++)
      expect(((numbers[i] ?? 0) - (numbers[i - 1] ?? 0)) & 0xffffff).toBeLessThan(2 ** 23)
  })

  test('what was held back and has expired, or is not permitted any more, does not leave', async () => {
    await observe('home/kitchen/+')
    await served.publish('home/kitchen/light', '1')
    await served.publish('home/kitchen/light', 'expired', { qos: 0, properties: { messageExpiryInterval: 5 } })
    await served.publish('home/kitchen/window', 'forbidden', { qos: 0 })
    await served.publish('home/kitchen/light', '2', { qos: 0 })
    served.door.ahead(6_000)
    await served.putPolicy(POLICY.replace('home/+/lock', 'home/+/window'))
    peer.notified.at(-1)?.onFate('acknowledged')
    expect(wildcard().map(([, , payload]) => payload)).toEqual(['1', '1', '2'])
  })

  test('what expired in the queue never leaves', async () => {
    await observe(TOPIC)
    await served.publish(TOPIC, '1')
    await served.publish(TOPIC, '2', { properties: { messageExpiryInterval: 5 } })
    const [first] = peer.take()
    served.door.ahead(6_000)
    first?.onFate('acknowledged')
    expect(peer.told()).toEqual([])
  })

  test('what waits at the peer is asked again before it leaves', async () => {
    await observe(TOPIC)
    await served.publish(TOPIC, '1', { properties: { messageExpiryInterval: 5 } })
    const [waiting] = peer.take()
    expect(waiting?.mayLeave?.()).toBe(true)
    served.door.ahead(6_000)
    expect(waiting?.mayLeave?.()).toBe(false)
  })

  test('QoS 0 is confirmable when nobody was heard of for long', async () => {
    await observe(TOPIC, { query: 'qos=0' })
    const confirmable = async () => {
      await served.publish(TOPIC, 'x', { qos: 0 })
      const [only] = peer.take()
      return only
    }
    expect((await confirmable())?.confirmable).toBe(false)
    served.door.ahead(61_000)
    const check = await confirmable()
    expect(check?.confirmable).toBe(true)
    check?.onFate('acknowledged')
    expect((await confirmable())?.confirmable).toBe(false)
  })

  test.each([
    ['Observe: 1', () => ask(GET, `/ps/${TOPIC}`, { observe: 1 })],
    ['Observe: 1 without a session', () => served.ask(peer, GET, `/ps/${TOPIC}`, { observe: 1 })],
    ['another GET under its token', () => ask(GET, '/ps/device/t1/other')],
    ['a reset of a notification', async () => peer.notified[0]?.onFate('reset')],
    ['no acknowledgement at all', async () => peer.notified[0]?.onFate('timeout')],
    ['the end of the peer', async () => peer.gone()],
  ])('%s ends it without a word', async (_, end) => {
    await observe(TOPIC)
    await served.publish(TOPIC, 'x')
    const sessions = [...bus().sessions.values()].length
    await end()
    peer.take()
    await served.publish(TOPIC, 'y')
    expect(peer.told()).toEqual([])
    expect([...bus().sessions.values()]).toHaveLength(sessions - 1)
  })

  test('Observe: 1 is answered as a GET', async () => {
    await observe(TOPIC)
    const nothing = await ask(GET, `/ps/${TOPIC}`, { observe: 1 })
    expect([nothing.code, observeOf(nothing)]).toEqual(['2.05', null])
    await ask(PUT, `/ps/${TOPIC}`, { payload: 'x' })
    const answer = await ask(GET, `/ps/${TOPIC}`, { observe: 1 })
    expect([answer.text, observeOf(answer)]).toEqual(['x', null])
  })

  test('a filter can be deregistered as well', async () => {
    await observe('device/t1/%23')
    const answer = await ask(GET, '/ps/device/t1/%23', { observe: 1 })
    expect([answer.code, answer.text, observeOf(answer)]).toEqual(['2.05', '', null])
  })

  test('an observer who does not acknowledge is not there for the others either', async () => {
    await observe(TOPIC)
    await observe('device/t1/other', { token: 'other' })
    await served.publish(TOPIC, 'x')
    peer.take()[0]?.onFate('timeout')
    await served.publish('device/t1/other', 'x')
    expect(peer.told()).toEqual([])
  })

  test('registering the same again keeps what is not acknowledged; anything else replaces it', async () => {
    await observe(TOPIC)
    await served.publish(TOPIC, '1')
    await served.publish(TOPIC, '2')
    const before = observeOf(peer.notified[0] ?? { options: [] }) ?? 0
    const again = await observe(TOPIC)
    expect(((observeOf(again) ?? 0) - before) & 0xffffff).toBeLessThan(2 ** 23)
    const [, repeated] = peer.notified
    expect(peer.withdrawn).toEqual(['t'])
    expect(((observeOf(repeated ?? { options: [] }) ?? 0) - (observeOf(again) ?? 0)) & 0xffffff).toBeLessThan(2 ** 23)
    repeated?.onFate('acknowledged')
    expect(peer.told()).toEqual(['2.05 1', '2.05 1', '2.05 2'])
    await observe('device/t1/other')
    await served.publish(TOPIC, '3')
    expect(peer.told()).toEqual([])
    await served.publish('device/t1/other', '4')
    expect(peer.told()).toEqual(['2.05 4'])
  })

  test('Accept holds for all notifications; one in another format ends it (RFC 7641 4.2)', async () => {
    expect((await observe(TOPIC, { accept: 50, query: 'qos=0' })).code).toBe('2.05')
    const json = { qos: 0, properties: { contentType: 'application/json' } }
    await served.publish(TOPIC, '{}', json)
    await served.publish(TOPIC, 'text', { qos: 0 })
    await served.publish(TOPIC, '{}', json)
    expect(peer.told()).toEqual(['2.05 {}', '4.06'])
    expect((await observe('device/t1/%23', { accept: 50 })).code).toBe('4.06')
    expect((await observe('device/t1/%23', { accept: 60 })).code).toBe('2.05')
  })

  test.each([
    ['what may not be subscribed', 'device/t2/state', '4.03'],
    ['a filter wider than the grant', 'home/+/temperature', '4.03'],
    ['everything', '%23', '4.03'],
    ['the broker’s own', '$SYS/version', '4.03'],
    ['what is no filter', 'device/t1/a+', '4.00'],
    ['a share without a filter', '$share/g', '4.00'],
  ])('%s is refused, and nothing is left of it', async (_, topic, code) => {
    const before = [...bus().sessions.values()].length
    const answer = await observe(topic)
    expect([answer.code, observeOf(answer)]).toEqual([code, null])
    expect([...bus().sessions.values()]).toHaveLength(before)
  })

  test('observations of one peer are bounded; the same token takes no more room', async () => {
    for (const token of ['a', 'b', 'c', 'c']) expect((await observe(TOPIC, { token })).code).toBe('2.05')
    expect((await observe(TOPIC, { token: 'd' })).code).toBe('4.29')
    await ask(GET, `/ps/${TOPIC}`, { observe: 1, token: 'a' })
    expect((await observe(TOPIC, { token: 'd' })).code).toBe('2.05')
  })

  test('members of a shared subscription take turns', async () => {
    const shared = '$share/g/device/t1/state'
    await served.publish(TOPIC, 'retained', { retain: true, qos: 0 })
    for (const token of ['a', 'b']) expect((await observe(shared, { token, query: 'qos=0' })).text).toBe('')
    for (const payload of ['1', '2', '3', '4']) await served.publish(TOPIC, payload, { qos: 0 })
    const got = peer.take().map(({ token, payload }) => `${token} ${payload}`)
    expect(got.sort()).toEqual(['a 1', 'a 3', 'b 2', 'b 4'])
    expect((await observe(shared, { query: 'nl=true', token: 'c' })).code).toBe('4.00')
  })

  test('the end of the session ends it with 4.01 at once, and nothing comes after', async () => {
    await observe(TOPIC)
    await served.publish(TOPIC, 'sent')
    const [sent] = peer.take()
    await served.door.rooms.registry.suspendDevice('t1', { kind: 'operator', id: 'ops' })
    const [goodbye, ...more] = peer.take()
    expect(more).toEqual([])
    expect([goodbye?.code, goodbye?.options, goodbye?.token.toString()]).toEqual([0x81, [], 't'])
    expect(peer.withdrawn).toEqual(['t'])
    await served.publish(TOPIC, 'late')
    sent?.onFate('acknowledged')
    expect(peer.told()).toEqual([])
  })

  test('a heartbeat’s end, a take-over and a logout do the same', async () => {
    await observe(TOPIC)
    const second = await served.login(new TestPeer(), 't1', secret)
    expect(peer.told()).toEqual(['4.01'])
    who = second
    await observe(TOPIC)
    await served.ask(peer, DELETE, '/mqtt/connection', { query: who })
    expect(peer.told()).toEqual(['4.01'])
  })

  test('a policy that denies it ends it with 4.03; one that does not leaves it', async () => {
    await observe(TOPIC, { query: 'qos=0' })
    await observe('home/kitchen/+', { token: 'home', query: 'qos=0' })
    await served.putPolicy(POLICY.replace(/subscribe: "home[^"]*"/, 'subscribe: "nothing/+"'))
    expect(peer.take().map(({ token, code, options }) => [token.toString(), code, options])).toEqual([
      ['home', 0x83, []],
    ])
    await served.publish(TOPIC, 'x', { qos: 0 })
    await served.publish('home/kitchen/y', 'y', { qos: 0 })
    expect(peer.told()).toEqual(['2.05 x'])
  })

  test('a narrower right to receive takes back what was not acknowledged', async () => {
    await observe('home/kitchen/+', { query: 'qos=1' })
    await served.publish('home/kitchen/window', 'open')
    await served.publish('home/kitchen/light', 'on')
    const [waiting] = peer.take()
    await served.putPolicy(POLICY.replace('home/+/lock', 'home/+/window'))
    expect(waiting?.mayLeave?.()).toBe(false)
    expect(peer.withdrawn).toEqual(['t'])
    expect(wildcard()).toEqual([['home/kitchen/light', null, 'on']])
  })

  test('a device that changes its room loses the observation of the old one', async () => {
    await observe('home/kitchen/+')
    await served.door.rooms.registry.updateDevice(
      't1',
      { attributes: { room: 'hall' } },
      { kind: 'operator', id: 'ops' },
    )
    expect(peer.told()).toEqual(['4.03'])
  })
})
