import { beforeEach, describe, expect, test } from 'vitest'
import { Message } from '../../../src/bus/message.ts'
import { Router } from '../../../src/bus/router.ts'
import { Session } from '../../../src/bus/session.ts'
import { Subscription, type SubscriptionOptions } from '../../../src/bus/subscription.ts'
import { parseFilter } from '../../../src/model/topic.ts'
import { judging, LANE, NOON, PlainReceiver, principal } from './surroundings.ts'

const POLICY = `
version: 1
roles:
  all: { permit: [{ id: anything, allow: "#" }] }
  kitchen: { permit: [{ id: kitchen, subscribe: "home/kitchen/#" }] }
  low: { permit: [{ id: low, subscribe: "#", when: { qos: [0, 1] } }] }
  morning: { permit: [{ id: morning, subscribe: "#", when: { time: { from: "06:00", to: "12:30" } } }] }
  quiet:
    permit: [{ id: anything, subscribe: "#" }]
    forbid: [{ id: no-lock, receive: "home/+/lock", when: { qos: [1, 2] } }]
`
const NARROW = `
version: 1
roles:
  all: { permit: [{ id: kitchen, subscribe: "home/kitchen/#" }] }
`

describe('router', () => {
  let around: ReturnType<typeof judging>
  let router: Router
  beforeEach(() => {
    around = judging(POLICY)
    router = new Router(around, { cachedRoutes: 3 })
  })

  const session = (id: string, roles = ['all'], publishesAs = id): Session => {
    const queue = { remove() {}, release: async () => {}, read: () => null }
    const limits = { maximumQueued: 10, maximumQueuedBytes: 1000 }
    return new Session(id, principal(id, roles), around, queue, limits, publishesAs)
  }
  const subscribe = (to: Session, name: string, options: Partial<SubscriptionOptions> = {}) => {
    const place = parseFilter(name)
    if (place === null) throw new Error(name)
    const all = { qos: 2, noLocal: false, retainAsPublished: false, identifier: null, ...options } as const
    return router.add(new Subscription(to, name, place, all))
  }
  const ids = (topic: string) => router.route(topic).targets.map(target => target.session.id)
  const message = (publisher: string, qos: 0 | 1 | 2 = 0) =>
    new Message({
      topic: 'home/kitchen/lock',
      payload: Buffer.from('x'),
      qos,
      retain: false,
      expiresAt: null,
      publisher: { kind: 'device', id: publisher, session: publisher },
    })

  test('overlapping subscriptions of one session are one target with the highest QoS and every identifier', () => {
    const a = session('a')
    subscribe(a, 'home/#', { qos: 0, identifier: 1 })
    subscribe(a, 'home/+', { qos: 2, identifier: 7, retainAsPublished: true })
    subscribe(a, 'home/x', { qos: 1 })
    const { targets } = router.route('home/x')
    expect(targets).toHaveLength(1)
    expect(targets[0]).toMatchObject({ qos: 2, retainAsPublished: true })
    expect(targets[0]?.delivered.identifiers).toEqual(expect.arrayContaining([1, 7]))
  })

  test('a new subscription of the same name takes the place of the older', () => {
    const a = session('a')
    expect(subscribe(a, 'home/x', { qos: 2 })).toBe(true)
    expect(subscribe(a, 'home/x', { qos: 0 })).toBe(false)
    expect(router.route('home/x').targets.map(({ qos }) => qos)).toEqual([0])
    expect(router.remove(a, 'home/x')).toBe(true)
    expect(router.remove(a, 'home/x')).toBe(false)
    expect(ids('home/x')).toEqual([])
  })

  test('cached routes follow every subscription that touches them, and no other', () => {
    const [a, b] = [session('a'), session('b')]
    subscribe(a, 'home/x')
    const [touched, other] = [router.route('home/x'), router.route('garden/x')]
    subscribe(b, 'home/+')
    expect([router.holds(touched), router.holds(other)]).toEqual([false, true])
    expect(ids('home/x').sort()).toEqual(['a', 'b'])
    router.remove(b, 'home/+')
    expect(ids('home/x')).toEqual(['a'])
  })

  test('remembers a bounded number of routes, and no long topics', () => {
    const first = router.route('t/0')
    for (let i = 1; i < 5; i++) router.route(`t/${i}`)
    expect(router.cachedRoutes).toBeLessThanOrEqual(3)
    expect(router.holds(first)).toBe(false)
    const before = router.cachedRoutes
    router.route('x'.repeat(1000))
    expect(router.cachedRoutes).toBe(before)
  })

  test('a filter that would take long to follow voids every cached route', () => {
    const large = new Router(around, { cachedRoutes: 100_000 })
    const kept = large.route('other')
    for (let i = 0; i < 3000; i++) large.route(`t/${i}/x`)
    const a = session('a')
    const place = { filter: 't/+/y', group: null }
    large.add(
      new Subscription(a, 't/+/y', place, { qos: 0, noLocal: false, retainAsPublished: false, identifier: null }),
    )
    expect([large.holds(kept), large.cachedRoutes]).toEqual([false, 0])
    expect(large.route('t/1/y').targets).toHaveLength(1)
  })

  test('no-local hides a session from its own messages, and only through that subscription', () => {
    const [a, b] = [session('a'), session('b')]
    subscribe(a, 'home/#', { noLocal: true, identifier: 1 })
    subscribe(b, 'home/#', { noLocal: true })
    subscribe(b, 'home/kitchen/+', { identifier: 2 })
    const [ofA, ofB] = router.route('home/kitchen/lock').targets
    expect(ofA?.for(message('a'))).toBeNull()
    expect(ofA?.for(message('b'))).toBe(ofA)
    expect(ofB?.for(message('b'))?.delivered.identifiers).toEqual([2])
  })

  test('no-local goes by the name that a client publishes under, which several sessions may share', () => {
    const [a, b] = [session('a', ['all'], 'both'), session('b', ['all'], 'both')]
    for (const each of [a, b]) subscribe(each, 'home/#', { noLocal: true })
    expect(a.publisher.session).toBe('both')
    expect(router.route('home/x').targets.map(target => target.for(message('both')))).toEqual([null, null])
    expect(router.route('home/x').targets.map(target => target.for(message('a'))?.session.id)).toEqual(['a', 'b'])
  })

  test('a shared subscription gives each message to one member, in turn, online ones first', () => {
    const members = ['a', 'b', 'c'].map(id => session(id))
    for (const member of members) {
      subscribe(member, '$share/g/home/#')
      member.receiver = new PlainReceiver(member)
      member.durable = true
    }
    const pick = () => router.route('home/x').groups[0]?.pick(message('p'))?.session.id
    expect([pick(), pick(), pick(), pick()]).toEqual(['a', 'b', 'c', 'a'])
    const [a, b, c] = members as [Session, Session, Session]
    b.receiver = null
    expect([pick(), pick(), pick()]).toEqual(['c', 'a', 'c'])
    a.receiver = c.receiver = null
    expect(pick()).toBeDefined()
    router.remove(a, '$share/g/home/#')
    router.remove(b, '$share/g/home/#')
    router.remove(c, '$share/g/home/#')
    expect(router.route('home/x').groups).toEqual([])
  })

  describe('and the policy', () => {
    test('who may not have the filter, or the topic, has no part in the route', () => {
      const [a, k] = [session('a'), session('k', ['kitchen'])]
      subscribe(a, 'home/#')
      subscribe(k, 'home/kitchen/#')
      subscribe(k, 'home/#')
      expect(ids('home/kitchen/t').sort()).toEqual(['a', 'k'])
      expect(ids('home/attic/t')).toEqual(['a'])
    })

    test('another policy counts at once and both ways', () => {
      const a = session('a')
      subscribe(a, 'home/#')
      subscribe(a, 'home/kitchen/+')
      const before = router.route('home/attic/t')
      expect(before.targets).toHaveLength(1)
      around.access.put(NARROW)
      expect(router.holds(before)).toBe(false)
      expect(ids('home/attic/t')).toEqual([])
      expect(ids('home/kitchen/t')).toEqual(['a'])
      around.access.put(POLICY)
      expect(ids('home/attic/t')).toEqual(['a'])
    })

    test('somebody else who holds the session is judged by his own rights', () => {
      const a = session('a')
      subscribe(a, 'home/#')
      expect(ids('home/attic/t')).toEqual(['a'])
      a.holdBy(principal('a', ['kitchen']))
      router.refresh(a)
      expect(ids('home/attic/t')).toEqual([])
    })

    test('a time window ends the route that rests on it', () => {
      const m = session('m', ['morning'])
      subscribe(m, 'home/#')
      const route = router.route('home/x')
      expect(route.targets).toHaveLength(1)
      expect(route.until).toBe(NOON + 30 * 60_000)
      around.clock.time = NOON + 30 * 60_000
      expect(router.holds(route)).toBe(false)
      expect(ids('home/x')).toEqual([])
    })

    test('when.qos lowers what is delivered', () => {
      const l = session('l', ['low'])
      subscribe(l, 'home/#', { qos: 2 })
      expect(router.route('home/x').targets[0]?.qos).toBe(1)
    })

    test('a receive rule forbids one QoS and leaves the other', () => {
      const q = session('q', ['quiet'])
      subscribe(q, 'home/#')
      q.receiver = Object.assign(new PlainReceiver(q), { lane: LANE })
      const { targets, lanes } = router.route('home/kitchen/lock')
      expect([0, 1, 2].map(qos => targets[0]?.mayHave(message('p', qos as 0 | 1 | 2)))).toEqual([true, false, false])
      expect(lanes).toHaveLength(1)
    })

    test('a member of a shared subscription who may not have the topic is passed over', () => {
      const [a, k] = [session('a'), session('k', ['kitchen'])]
      for (const member of [a, k]) {
        subscribe(member, '$share/g/home/#')
        member.receiver = new PlainReceiver(member)
      }
      const picked = [1, 2, 3].map(() => router.route('home/x').groups[0]?.pick(message('p'))?.session.id)
      expect(picked).toEqual(['a', 'a', 'a'])
    })
  })

  test('receivers on one lane get the same bytes; whoever is particular is served singly', () => {
    const plain = ['a', 'b'].map(id => session(id))
    for (const each of plain) {
      subscribe(each, 'home/#')
      each.receiver = Object.assign(new PlainReceiver(each), { lane: LANE })
    }
    const particular = session('p')
    subscribe(particular, 'home/#', { identifier: 1 })
    particular.receiver = Object.assign(new PlainReceiver(particular), { lane: LANE })
    const offline = session('o')
    subscribe(offline, 'home/#')
    const { lanes, singly, targets, plain: isPlain } = router.route('home/x')
    expect(lanes.map(({ receivers }) => receivers.length)).toEqual([2])
    expect(singly.map(target => target.session.id)).toEqual(['p'])
    expect(targets).toHaveLength(4)
    expect(isPlain).toBe(false)
  })
})
