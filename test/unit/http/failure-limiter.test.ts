import { describe, expect, it } from 'vitest'
import { FailureLimiter } from '../../../src/http/failure-limiter.ts'

function setUp(options: { failuresPerMinute?: number; addresses?: number } = {}) {
  const time = { now: 1_000_000 }
  const limiter = new FailureLimiter({ clock: { now: () => time.now }, failuresPerMinute: 3, ...options })
  const fail = (address: string, times = 1) => {
    for (let i = 0; i < times; i++) limiter.failed(address)
  }
  return { time, limiter, fail }
}

describe('failure limiter', () => {
  it('lets an address fail as often as allowed and then makes it wait', () => {
    const { limiter, fail } = setUp()
    fail('192.0.2.1', 2)
    expect(limiter.wait('192.0.2.1')).toBe(0)
    fail('192.0.2.1')
    expect(limiter.wait('192.0.2.1')).toBe(20)
  })

  it('gives the failures back with time', () => {
    const { limiter, fail, time } = setUp()
    fail('192.0.2.1', 10)
    time.now += 19_000
    expect(limiter.wait('192.0.2.1')).toBe(1)
    time.now += 1_000
    expect(limiter.wait('192.0.2.1')).toBe(0)
  })

  it('gives nothing for a clock that was set back', () => {
    const { limiter, fail, time } = setUp()
    fail('192.0.2.1', 3)
    time.now -= 3_600_000
    expect(limiter.wait('192.0.2.1')).toBe(20)
  })

  it('does not make one address pay for another', () => {
    const { limiter, fail } = setUp()
    fail('192.0.2.1', 5)
    expect(limiter.wait('192.0.2.2')).toBe(0)
  })

  it('counts an IPv6 /64 as one', () => {
    const { limiter, fail } = setUp()
    fail('2001:db8:1:2::1', 2)
    fail('2001:db8:1:2:ffff::9')
    expect(limiter.wait('2001:db8:1:2::77')).toBeGreaterThan(0)
    expect(limiter.wait('2001:db8:1:3::1')).toBe(0)
  })

  it('remembers a bounded number of addresses', () => {
    const { limiter, fail } = setUp({ addresses: 100 })
    for (let i = 0; i < 1000; i++) fail(`198.51.${i >> 8}.${i & 255}`)
    expect(limiter.size).toBe(100)
  })

  it('forgets an address whose failures are all given back', () => {
    const { limiter, fail, time } = setUp()
    fail('192.0.2.1', 3)
    time.now += 60_000
    limiter.wait('192.0.2.1')
    expect(limiter.size).toBe(0)
  })
})
