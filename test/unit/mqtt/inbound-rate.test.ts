import { array, assert, constantFrom, integer, property, record } from 'fast-check'
import { expect, test } from 'vitest'
import { INBOUND_RATE_LIMITS, InboundRate } from '../../../src/mqtt/inbound-rate.ts'

const limits = { messageRate: 10, messageBurst: 20, byteRate: 1000, byteBurst: 5000 }

test('a burst passes, and what lies beyond it is waited for', () => {
  const rate = new InboundRate(limits, 0)
  expect(rate.spend(20, 0, 0)).toBeNull()
  expect(rate.spend(1, 0, 0)).toEqual({ reason: 'messages', pause: 100 })
  expect(rate.spend(0, 0, 100)).toBeNull()
  expect(rate.spend(10, 0, 1100)).toBeNull()
})

test('the longer pause counts, and says why', () => {
  expect(new InboundRate(limits, 0).spend(21, 6000, 0)).toEqual({ reason: 'bytes', pause: 1000 })
  expect(new InboundRate(limits, 0).spend(40, 5001, 0)).toEqual({ reason: 'messages', pause: 2000 })
})

test('rest does not gather more than the burst', () => {
  const rate = new InboundRate(limits, 0)
  expect(rate.spend(21, 0, 1_000_000)).toEqual({ reason: 'messages', pause: 100 })
})

test('0 is no limit', () => {
  const rate = new InboundRate({ ...limits, messageRate: 0 }, 0)
  expect(rate.spend(1_000_000_000, 0, 0)).toBeNull()
  expect(rate.spend(1_000_000_000, 5001, 0)).toEqual({ reason: 'bytes', pause: 1 })
  const none = new InboundRate({ ...limits, messageRate: 0, byteRate: 0 }, 0)
  expect(none.spend(1_000_000_000, 1_000_000_000, 0)).toBeNull()
})

test('a clock that is set back stops nobody for longer', () => {
  const rate = new InboundRate(limits, 1_000_000)
  expect(rate.spend(20, 0, 0)).toBeNull()
  expect(rate.spend(0, 0, 1000)).toBeNull()
  expect(rate.spend(10, 0, 1000)).toBeNull()
})

test('whoever waits as it is told sends no more than burst, rate and one read', () => {
  const read = record({ rest: integer({ min: 0, max: 5000 }), messages: integer({ min: 0, max: 50 }) })
  assert(
    property(array(read, { maxLength: 50 }), constantFrom(1, 7, 100), (reads, messageRate) => {
      const rate = new InboundRate({ ...limits, messageRate }, 0)
      let now = 0
      let sent = 0
      for (const { rest, messages } of reads) {
        now += rest
        // what was passed before this read was allowed
        expect(sent).toBeLessThanOrEqual(limits.messageBurst + (now / 1000) * messageRate + 1e-6)
        sent += messages
        now += rate.spend(messages, 0, now)?.pause ?? 0
      }
    }),
  )
})

test('the defaults let an honest gateway send', () => {
  const rate = new InboundRate(INBOUND_RATE_LIMITS, 0)
  for (let second = 0; second < 60; second++) expect(rate.spend(20_000, 20_000 * 1024, second * 1000)).toBeNull()
})
