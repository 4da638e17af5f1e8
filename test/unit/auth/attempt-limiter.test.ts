import { describe, expect, test } from 'vitest'
import { AttemptLimiter, type AttemptLimits } from '../../../src/auth/attempt-limiter.ts'
import { BoundedMap } from '../../../src/auth/bounded-map.ts'

const LIMITS: AttemptLimits = {
  addressBurst: 5,
  addressPerMinute: 60,
  claimBurst: 2,
  claimPerMinute: 6,
  rememberedAddresses: 100,
  rememberedClaims: 100,
  knownGood: 100,
}
const HERE = '192.0.2.1'
const ELSEWHERE = '198.51.100.1'

function limiterAt(limits: Partial<AttemptLimits> = {}) {
  let now = 1_000_000
  const limiter = new AttemptLimiter({ ...LIMITS, ...limits }, { now: () => now })
  const fail = (address: string, claims: string[], times: number) => {
    for (let i = 0; i < times; i++) limiter.failed(address, claims)
  }
  const admits = (address: string, claims: string[] = []) => {
    try {
      limiter.check(address, claims)
      return true
    } catch {
      return false
    }
  }
  return { limiter, fail, admits, wait: (milliseconds: number) => (now += milliseconds) }
}

describe('attempts of one address', () => {
  test('may fail as often as the burst allows, then one by one as time passes', () => {
    const { fail, admits, wait } = limiterAt()
    fail(HERE, [], 5)
    expect(admits(HERE)).toBe(false)
    wait(1_000)
    expect(admits(HERE)).toBe(true)
    fail(HERE, [], 1)
    expect(admits(HERE)).toBe(false)
    wait(60_000)
    fail(HERE, [], 5)
    expect(admits(HERE)).toBe(false)
  })

  test('say why', () => {
    const { limiter, fail } = limiterAt()
    fail(HERE, [], 5)
    expect(() => limiter.check(HERE, [])).toThrow(expect.objectContaining({ code: 'authentication-throttled' }))
  })

  test('do not touch other addresses', () => {
    const { fail, admits } = limiterAt()
    fail(HERE, ['secret:a'], 50)
    expect(admits(ELSEWHERE, ['secret:a'])).toBe(true)
  })

  test('are those of its whole /64', () => {
    const { fail, admits } = limiterAt()
    for (let i = 0; i < 5; i++) fail(`2001:db8::${i + 1}`, [], 1)
    expect(admits('2001:db8::ffff')).toBe(false)
    expect(admits('2001:db8:0:1::1')).toBe(true)
  })
})

describe('attempts with one claim', () => {
  test('have a bound of their own, which leaves other claims from that address alone', () => {
    const { fail, admits } = limiterAt()
    fail(HERE, ['secret:a'], 2)
    expect(admits(HERE, ['secret:a'])).toBe(false)
    expect(admits(HERE, ['secret:b'])).toBe(true)
    expect(admits(HERE, ['secret:b', 'secret:a'])).toBe(false)
  })

  test('begin anew after a success', () => {
    const { limiter, fail, admits } = limiterAt()
    fail(HERE, ['secret:a'], 1)
    limiter.succeeded(HERE, ['secret:a'])
    fail(HERE, ['secret:a'], 1)
    expect(admits(HERE, ['secret:a'])).toBe(true)
  })
})

test('a device that has succeeded from an address does not wait for the failures of its neighbours there', () => {
  const { limiter, fail, admits } = limiterAt()
  limiter.succeeded(HERE, ['x509:good'])
  fail(HERE, [], 50)
  expect(admits(HERE, ['x509:good'])).toBe(true)
  expect(admits(HERE, ['x509:new'])).toBe(false)
  expect(admits(HERE)).toBe(false)
})

test('a clock set back forgives nothing and breaks nothing', () => {
  const { fail, admits, wait } = limiterAt()
  fail(HERE, [], 5)
  wait(-500_000)
  expect(admits(HERE)).toBe(false)
})

test('what is remembered is bounded: who failed longest ago is forgotten', () => {
  const { fail, admits } = limiterAt({ rememberedAddresses: 2 })
  fail('192.0.2.10', [], 5)
  fail('192.0.2.11', [], 5)
  fail('192.0.2.12', [], 5)
  expect(admits('192.0.2.10')).toBe(true)
  expect(admits('192.0.2.12')).toBe(false)
})

test('a bounded map keeps what was used last', () => {
  const map = new BoundedMap<string, number>(2)
  map.set('a', 1)
  map.set('b', 2)
  expect(map.get('a')).toBe(1)
  map.set('c', 3)
  expect([map.get('a'), map.get('b'), map.get('c'), map.size]).toEqual([1, undefined, 3, 2])
  map.delete('a')
  expect(map.get('a')).toBeUndefined()
})
