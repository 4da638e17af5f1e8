import { expect, test } from 'vitest'
import { CONNECT_RATE_LIMITS, ConnectRate, type ConnectRateLimits } from '../../../src/mqtt/connect-rate.ts'

const HERE = '192.0.2.1'
const THERE = '198.51.100.1'

function rateWith(limits: Partial<ConnectRateLimits>) {
  let now = 1_000_000
  const rate = new ConnectRate({ ...CONNECT_RATE_LIMITS, ...limits }, { now: () => now })
  const admitted = (address: string, count: number) => {
    let admitted = 0
    for (let i = 0; i < count; i++) if (rate.judge(address) === null) admitted++
    return admitted
  }
  return { rate, admitted, wait: (milliseconds: number) => (now += milliseconds) }
}

test('an address has its burst, then its rate; others are not concerned', () => {
  const { rate, admitted, wait } = rateWith({ connectRatePerAddress: 10, connectBurstPerAddress: 20 })
  expect(admitted(HERE, 100)).toBe(20)
  expect(rate.judge(HERE)).toBe('address')
  expect(rate.judge(THERE)).toBeNull()
  wait(1000)
  expect(admitted(HERE, 100)).toBe(10)
})

test('an IPv6 /64 is one address', () => {
  const { admitted } = rateWith({ connectRatePerAddress: 1, connectBurstPerAddress: 1 })
  expect(admitted('2001:db8::1', 1) + admitted('2001:db8::2', 1) + admitted('2001:db8:0:1::1', 1)).toBe(2)
})

test('all together have a burst and a rate too', () => {
  const { rate, admitted, wait } = rateWith({ connectRate: 10, connectBurst: 30 })
  expect(admitted(HERE, 100)).toBe(30)
  expect(rate.judge(HERE)).toBe('total')
  wait(5000)
  expect(admitted(HERE, 100)).toBe(30)
})

test('where the whole is used up, everybody has its share of the second still', () => {
  const { admitted, wait } = rateWith({ connectRate: 100, connectBurst: 200 })
  expect(admitted(HERE, 1000)).toBe(200)
  expect(admitted(THERE, 1000)).toBe(50)
  expect(admitted(HERE, 1000)).toBe(0)
  // The shares of one second are no more than the rate: after the next one nothing is owed for long.
  wait(1000)
  for (let host = 2; host < 12; host++) expect(admitted(`203.0.113.${host}`, 1)).toBe(1)
})

test('0 is no limit', () => {
  const { admitted } = rateWith({ connectRate: 0, connectRatePerAddress: 0 })
  expect(admitted(HERE, 100_000)).toBe(100_000)
})

test('ten thousand behind one address, each trying again, are in within half a minute', () => {
  const { admitted, wait } = rateWith({})
  let left = 10_000
  let seconds = 0
  for (; left > 0; seconds++) {
    left -= admitted(HERE, left)
    wait(1000)
  }
  expect(seconds).toBeLessThanOrEqual(30)
})
