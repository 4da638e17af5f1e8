import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { IncomingMessage } from '../../../src/model/message.ts'
import type { Principal } from '../../../src/model/principal.ts'
import { StoredBus } from './stored-bus.ts'
import { PERMISSIVE, principal } from './surroundings.ts'

const READ_KITCHEN = `
version: 1
roles:
  all: { permit: [{ id: kitchen, subscribe: "home/kitchen/#" }, { id: publish, publish: "#" }] }
`

describe('bus', () => {
  let stored: StoredBus
  beforeEach(async () => {
    stored = await StoredBus.open({ limits: { retainedMessages: 3, retainedBytes: 200 } })
  })
  afterEach(() => stored.remove())

  const retain = (topic: string, payload: string, more: Partial<IncomingMessage> = {}) =>
    stored.publish(topic, payload, { retain: true, ...more })

  describe('publish for somebody', () => {
    test('is decided', async () => {
      const message = { topic: 'home/x', payload: Buffer.from('x'), qos: 1 as const, retain: false }
      await expect(stored.bus.publish(principal('d1', []), message)).rejects.toMatchObject({ code: 'policy-denied' })
      const narrow = { ...principal('d1'), scopes: ['publish:garden/#'] }
      await expect(stored.bus.publish(narrow, message)).rejects.toMatchObject({ code: 'scope-denied' })
      const reserved = { ...message, topic: '$SYS/broker' }
      await expect(stored.bus.publish(principal('d1'), reserved)).rejects.toMatchObject({ code: 'topic-reserved' })
      const wild = { ...message, topic: 'home/+' }
      await expect(stored.bus.publish(principal('d1'), wild)).rejects.toMatchObject({ code: 'topic-name-invalid' })
    })

    test('the session named with it is the publisher, for no-local', async () => {
      const { session, receiver } = await stored.connect('d1', { publishesAs: 'both' })
      stored.bus.subscribe(session, 'a', { qos: 0, noLocal: true, retainAsPublished: false, identifier: null })
      const message = { topic: 'a', payload: Buffer.from('own'), qos: 0 as const, retain: true }
      const rights = stored.around.access.rights(principal('d1'))
      await stored.bus.publish(principal('d1'), message, { rights, session: 'both' })
      await stored.bus.publish(principal('d1'), { ...message, payload: Buffer.from('other'), retain: false })
      expect(receiver.payloads).toEqual(['other'])
      const retained = stored.bus.subscribe(session, '+', {
        qos: 0,
        noLocal: true,
        retainAsPublished: false,
        identifier: null,
      })
      if (retained.failure === null) stored.bus.sendRetained(retained.subscription)
      expect(receiver.payloads).toEqual(['other'])
    })

    test('a session may have a smaller queue than others', async () => {
      const queueLimits = { maximumQueued: 2, maximumQueuedBytes: 1000 }
      const { session, receiver } = await stored.connect('d1', { queueLimits })
      receiver.acknowledges = false
      await stored.subscribe(session, 'a', 1)
      for (const payload of ['1', '2', '3']) await stored.publish('a', payload)
      expect(receiver.payloads).toEqual(['1', '2'])
    })

    test('QoS 2 messages of one topic keep their order, whichever has to be stored [MQTT-4.6.0-5]', async () => {
      const { session, receiver } = await stored.connect('d1')
      await stored.subscribe(session, '#', 2)
      const publish = (topic: string, payload: string, retain = false) =>
        stored.publish(topic, payload, { qos: 2, retain })
      await Promise.all([publish('a', '1', true), publish('a', '2'), publish('b', 'other'), publish('a', '3')])
      await publish('a', '4')
      expect(receiver.payloads).toEqual(['other', '1', '2', '3', '4'])
    })

    test('a service topic is handled, never retained, queued or routed', async () => {
      const asked: [IncomingMessage, Principal][] = []
      stored.bus.serve({
        topic: '$latchkey/echo',
        handle: async (request, from) => {
          asked.push([request, from])
        },
      })
      const { session, receiver } = await stored.connect('d1', { expiry: 60 })
      await stored.subscribe(session, '$latchkey/#')
      await retain('$latchkey/echo', 'hello')
      expect(asked.map(([{ payload }, from]) => [payload.toString(), from.subject.id])).toEqual([
        ['hello', 'publisher'],
      ])
      expect(receiver.got).toEqual([])
      expect(stored.bus.retained.get('$latchkey/echo')).toBeUndefined()
    })
  })

  describe('delivery', () => {
    test('QoS is the lower one of message and subscription, wildcards included', async () => {
      const { session, receiver } = await stored.connect('d1')
      await stored.subscribe(session, 'a/#', 1)
      for (const qos of [0, 1, 2] as const) await stored.publish('a/x', `${qos}`, { qos })
      expect(receiver.got.map(({ payload, qos }) => [payload, qos])).toEqual([
        ['0', 0],
        ['1', 1],
        ['2', 1],
      ])
    })

    test('nothing is written when nobody needs it', async () => {
      const { session } = await stored.connect('d1')
      await stored.subscribe(session, 'a')
      await stored.publish('a', 'x', { qos: 2 })
      await stored.publish('b', 'x', { qos: 2 })
      expect(await stored.keys()).toEqual([])
    })

    test('what a persistent receiver acknowledged before the write is not written', async () => {
      const { session, receiver } = await stored.connect('d1', { expiry: 60 })
      await stored.subscribe(session, 'a', 1)
      await stored.publish('a', 'x')
      expect(receiver.payloads).toEqual(['x'])
      expect((await stored.keys()).filter(key => key.startsWith('bus/queue'))).toEqual([])
    })

    test('what it did not acknowledge is on disk before the sender is told', async () => {
      const { session, receiver } = await stored.connect('d1', { expiry: 60 })
      receiver.acknowledges = false
      await stored.subscribe(session, 'a')
      await stored.publish('a', 'one')
      await stored.publish('a', 'two', { qos: 2 })
      expect((await stored.keys()).filter(key => key.startsWith('bus/queue'))).toHaveLength(2)
    })

    test('policy: what waits is decided again when it leaves', async () => {
      const { session, link } = await stored.connect('d1', { expiry: 60 })
      await stored.subscribe(session, 'home/#')
      link.leave()
      for (const room of ['attic', 'kitchen']) await stored.publish(`home/${room}/t`, room)
      stored.around.access.put(READ_KITCHEN)
      expect((await stored.connect('d1', { expiry: 60 })).receiver.payloads).toEqual(['kitchen'])
    })

    test('policy: nothing is queued for who may not have it, offline or not', async () => {
      const { session, link } = await stored.connect('d1', { expiry: 60 })
      await stored.subscribe(session, 'home/#')
      link.leave()
      stored.around.access.put(READ_KITCHEN)
      await stored.publish('home/attic/t', 'attic')
      expect(session.queue.count).toBe(0)
      stored.around.access.put(PERMISSIVE)
      await stored.publish('home/attic/t', 'attic again')
      expect((await stored.connect('d1', { expiry: 60 })).receiver.payloads).toEqual(['attic again'])
    })
  })

  describe('subscriptions', () => {
    test('what is refused is not kept, nor what stood there before', async () => {
      const { session } = await stored.connect('d1', { expiry: 60 })
      await stored.subscribe(session, 'home/#')
      stored.around.access.put(READ_KITCHEN)
      expect(await stored.subscribe(session, 'home/#')).toEqual({ failure: 'policy-denied' })
      expect(await stored.subscribe(session, 'garden/#')).toEqual({ failure: 'policy-denied' })
      await stored.restart()
      expect([...(stored.bus.sessions.get('d1')?.subscriptions.keys() ?? [])]).toEqual([])
    })

    test('when.qos lowers the QoS that is granted', async () => {
      stored.around.access.put(
        'version: 1\nroles:\n  all: { permit: [{ id: low, subscribe: "#", when: { qos: [0, 1] } }] }\n',
      )
      const { session } = await stored.connect('d1')
      const granted = await stored.subscribe(session, 'a', 2)
      expect(granted.failure === null && granted.subscription.qos).toBe(1)
    })
  })

  describe('retained messages', () => {
    test('the last one of each topic is kept, over a restart, until it is cleared', async () => {
      await retain('a', 'old')
      await retain('a', 'new', { properties: { contentType: 'text/plain' } })
      await retain('b', 'b')
      await stored.restart()
      expect(stored.bus.retained.get('a')).toMatchObject({
        topic: 'a',
        retain: true,
        properties: { contentType: 'text/plain' },
      })
      expect(stored.bus.retained.get('a')?.payload.toString()).toBe('new')
      expect(stored.bus.retained.get('a')?.publisher).toEqual({ kind: 'device', id: 'publisher', session: null })
      await retain('a', '')
      await stored.restart()
      expect(stored.bus.retained.get('a')).toBeUndefined()
      expect(stored.bus.retained.size).toBe(1)
    })

    test('go to a new subscription with RETAIN, each judged by its own topic', async () => {
      stored.around.access.put(
        `version: 1\nroles:\n  all:\n    permit: [{ id: any, allow: "#" }]\n    forbid: [{ id: no-lock, receive: "home/lock" }]\n`,
      )
      await retain('home/lamp', 'on', { qos: 0 })
      await retain('home/lock', 'open')
      await retain('home/heat', 'low', { qos: 2 })
      const { session, receiver } = await stored.connect('d1', { expiry: 60 })
      const granted = await stored.subscribe(session, 'home/#', 1)
      if (granted.failure === null) stored.bus.sendRetained(granted.subscription)
      await expect.poll(() => receiver.got.length).toBe(2)
      expect(receiver.got.map(({ payload, qos, retain }) => [payload, qos, retain]).sort()).toEqual([
        ['low', 1, true],
        ['on', 0, true],
      ])
    })

    test('wait for a reader that is too slow, and go on where they stopped', async () => {
      for (const topic of ['a', 'b', 'c']) await retain(topic, topic, { qos: 0 })
      const { session, receiver } = await stored.connect('d1')
      const granted = await stored.subscribe(session, '#')
      receiver.congested = true
      if (granted.failure === null) stored.bus.sendRetained(granted.subscription)
      expect(receiver.got).toEqual([])
      receiver.congested = false
      session.backlog.goOn()
      expect(receiver.payloads.sort()).toEqual(['a', 'b', 'c'])
      expect(session.backlog.isEmpty).toBe(true)
    })

    test('end with their expiry', async () => {
      await retain('a', 'x', { properties: { messageExpiryInterval: 10 } })
      await retain('b', 'x')
      stored.around.clock.time += 10_000
      expect([...stored.bus.retained.match('#')].map(message => message?.topic)).toEqual(['b'])
      expect(stored.bus.retained.get('a')).toBeUndefined()
      await stored.restart()
      expect(stored.bus.retained.size).toBe(1)
    })

    test('are bounded in number and bytes; what has expired makes room', async () => {
      for (const topic of ['a', 'b', 'c']) await retain(topic, 'x', { properties: { messageExpiryInterval: 60 } })
      await expect(retain('d', 'x')).rejects.toMatchObject({ code: 'quota-exceeded' })
      await retain('a', 'another')
      await expect(retain('b', 'x'.repeat(200))).rejects.toMatchObject({ code: 'quota-exceeded' })
      stored.around.clock.time += 60_000
      await retain('d', 'x')
      expect(stored.bus.retained.size).toBe(1 + 1) // `a` was published again and does not expire
    })
  })
})

describe('many retained messages', () => {
  let stored: StoredBus
  beforeEach(async () => {
    stored = await StoredBus.open()
  })
  afterEach(() => stored.remove())

  test('reach a new subscriber in full, over several turns', async () => {
    const topics = Array.from({ length: 5000 }, (_, i) => `many/${i}/x`)
    await Promise.all(topics.map(topic => stored.publish(topic, topic, { qos: 0, retain: true })))
    const { session, receiver } = await stored.connect('d1')
    const granted = await stored.subscribe(session, 'many/+/x')
    if (granted.failure === null) stored.bus.sendRetained(granted.subscription)
    expect(receiver.got.length).toBeGreaterThan(0)
    expect(receiver.got.length).toBeLessThan(5000)
    await expect.poll(() => session.backlog.isEmpty).toBe(true)
    expect(receiver.payloads.sort()).toEqual(topics.sort())
  })
})
