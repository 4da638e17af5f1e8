// Observers behind NAT: nothing is published for an hour, and each is still known, or known to be gone.
import { afterEach, describe, expect, test } from 'vitest'
import { METHOD, type Served, serve, TestPeer } from './served.ts'

const HOUR = 3_600_000
/** Milliseconds: how often the broker looks. */
const LOOK = 5_000
const TOPIC = 'device/t1/state'
const { GET } = METHOD

let served: Served
afterEach(() => served.close())

async function observer(limits: Parameters<typeof serve>[0]) {
  served = await serve(limits)
  const peer = new TestPeer()
  const secret = await served.device('t1')
  const query = await served.login(peer, 't1', secret)
  const answer = await served.ask(peer, GET, `/ps/${TOPIC}`, { query, observe: 0 })
  expect(answer.code).toBe('2.05')
  await served.turns()
  return { peer, query, secret }
}

/** Lets time pass; a ping that nobody answers is given up after 93 s. */
function pass(peer: TestPeer, from: number, until: number): void {
  for (let at = from; at <= until; at += LOOK) {
    served.door.ahead(at)
    served.sweep()
    if (at % 95_000 === 0) for (const giveUp of peer.givesUp.splice(0)) giveUp()
  }
}

describe('an observer whose topic is silent for an hour', () => {
  test('is asked every `observerCheck`, and hears what comes after', async () => {
    const { peer } = await observer({ observerCheck: 120 })
    pass(peer, 0, HOUR)
    expect(peer.probes).toBe(30)
    expect(peer.told()).toEqual([])
    await served.publish(TOPIC, 'after an hour')
    expect(peer.told()).toEqual(['2.05 after an hour'])
  })

  test('keeps its session, though it says nothing itself, also by the defaults', async () => {
    const { peer, query } = await observer({})
    pass(peer, 0, HOUR)
    expect(peer.probes).toBe(12)
    await served.publish(TOPIC, 'x')
    expect(peer.told()).toEqual(['2.05 x'])
    expect((await served.ask(peer, GET, `/ps/${TOPIC}`, { query })).code).toBe('4.04')
  })

  test('is noticed when it is gone: its observation ends within `observerCheck` and the repetitions', async () => {
    const { peer } = await observer({ observerCheck: 120, sessionIdle: 2 * 3600 })
    const sessions = () => [...served.door.rooms.bus.sessions.values()].length
    pass(peer, 0, HOUR / 2)
    expect(sessions()).toBe(1)
    peer.isThere = false
    pass(peer, HOUR / 2 + LOOK, HOUR / 2 + 120_000 + 100_000)
    expect(sessions()).toBe(0)
    await served.publish(TOPIC, 'x')
    expect(peer.told()).toEqual([])
  })

  test('that sleeps is left to the end of its session, and not to a missed ping', async () => {
    const { peer } = await observer({ observerCheck: 86_400, sessionIdle: 7200 })
    peer.isThere = false
    pass(peer, 0, HOUR + 200_000)
    expect(peer.probes).toBeGreaterThan(0)
    await served.publish(TOPIC, 'x')
    expect(peer.told()).toEqual(['2.05 x'])
    pass(peer, HOUR + 205_000, 2 * HOUR + LOOK)
    expect(peer.told()).toEqual(['4.01'])
  })

  test('an acknowledgement counts as an answer', async () => {
    const { peer } = await observer({ observerCheck: 120 })
    for (let at = 0; at <= HOUR / 6; at += 60_000) {
      served.door.ahead(at)
      await served.publish(TOPIC, 'x')
      for (const { onFate } of peer.take()) onFate('acknowledged')
      served.sweep()
    }
    expect(peer.probes).toBe(0)
  })

  test('who is sent very much and never heard of is asked at once, and not sent on when it is gone (RFC 7252 4.7)', async () => {
    const { peer, query } = await observer({ unheardNotifications: 10 })
    await served.ask(peer, GET, '/ps/device/t1/fast', { query: `${query}&qos=0`, observe: 0, token: 'fast' })
    await served.turns()
    const burst = async (count: number) => {
      for (let i = 0; i < count; i++) await served.publish('device/t1/fast', 'x', { qos: 0 })
      served.sweep()
      return peer.take().length
    }
    expect([await burst(9), peer.probes]).toEqual([9, 0])
    expect([await burst(1), peer.probes]).toEqual([1, 1])
    expect([await burst(9), peer.probes]).toEqual([9, 1])
    peer.isThere = false
    expect([await burst(1), peer.probes]).toEqual([1, 2])
    for (const giveUp of peer.givesUp.splice(0)) giveUp()
    expect(await burst(5)).toBe(0)
  })

  test('one who observes nothing any more is not asked', async () => {
    const { peer, query } = await observer({ observerCheck: 120 })
    await served.ask(peer, GET, `/ps/${TOPIC}`, { query, observe: 1 })
    pass(peer, 0, 500_000)
    expect(peer.probes).toBe(0)
  })
})
