import { describe, expect, test } from 'vitest'
import { isInside, parseNetwork } from '../../../src/policy/network.ts'
import { isWithin, nextChange, parseTimeOfDay, parseZone } from '../../../src/policy/time-window.ts'

describe('networks', () => {
  test.each([
    ['10.0.0.0/8', '10.255.0.1', true],
    ['10.0.0.0/8', '11.0.0.0', false],
    ['10.1.2.0/23', '10.1.3.255', true],
    ['10.1.2.0/23', '10.1.4.0', false],
    ['192.0.2.7', '192.0.2.7', true],
    ['192.0.2.7', '192.0.2.8', false],
    ['0.0.0.0/0', '255.255.255.255', true],
    ['0.0.0.0/0', '::1', false],
    ['255.255.255.255/32', '255.255.255.255', true],
    ['10.0.0.0/8', '::ffff:10.1.2.3', true],
    ['::ffff:10.0.0.0/104', '10.1.2.3', true],
    ['::/0', '2001:db8::1', true],
    ['::/0', '10.0.0.1', false],
    ['2001:db8::/32', '2001:db8:ffff::1', true],
    ['2001:db8::/32', '2001:db9::', false],
    ['fe80::/10', 'fe80::1%eth0', true],
    ['fd00::/8', 'FD12:3456::', true],
    ['::1', '0:0:0:0:0:0:0:1', true],
    ['2001:db8:0:0:1::/80', '2001:db8::1:0:0:1', true],
    ['64:ff9b::/96', '64:ff9b::192.0.2.1', true],
  ])('%s holds %s: %s', (text, address, expected) => {
    const network = parseNetwork(text)
    if ('problem' in network) throw new Error(network.problem)
    expect(isInside(network, address)).toBe(expected)
  })

  test.each(['', 'localhost', '/run/socket', '10.0.0', '10.0.0.256', '::g'])('%j is no address', address => {
    const network = parseNetwork('0.0.0.0/0')
    if ('problem' in network) throw new Error(network.problem)
    expect(isInside(network, address)).toBeNull()
  })

  test.each([
    '',
    '10.0.0.0/',
    '10.0.0.0/-1',
    '10.0.0.0/8/8',
    '10.0.0.0/ 8',
    '::/129',
    'fe80::1%eth0/64',
    '010.0.0.0/8',
    '10.0.0.1/8',
    '::1/64',
  ])('%j is no network', text => {
    expect(parseNetwork(text)).toHaveProperty('problem')
  })
})

describe('time windows', () => {
  const at = (text: string): number => Date.parse(text)
  const every = new Set([0, 1, 2, 3, 4, 5, 6])
  const window = (from: string, to: string, days = every, zone = 'UTC') => ({
    from: parseTimeOfDay(from) ?? -1,
    to: parseTimeOfDay(to) ?? -1,
    days,
    offset: parseZone(zone) ?? Number.NaN,
  })

  test('begin inclusive and end exclusive', () => {
    const day = window('08:00', '18:00')
    expect(isWithin(day, at('2026-01-05T07:59:59.999Z'))).toBe(false)
    expect(isWithin(day, at('2026-01-05T08:00:00Z'))).toBe(true)
    expect(isWithin(day, at('2026-01-05T17:59:59.999Z'))).toBe(true)
    expect(isWithin(day, at('2026-01-05T18:00:00Z'))).toBe(false)
  })

  test('over midnight they belong to the day on which they begin', () => {
    const fridayNight = window('22:00', '06:00', new Set([4]))
    expect(isWithin(fridayNight, at('2026-01-09T22:00:00Z'))).toBe(true)
    expect(isWithin(fridayNight, at('2026-01-10T05:59:00Z'))).toBe(true)
    expect(isWithin(fridayNight, at('2026-01-10T22:00:00Z'))).toBe(false)
    expect(isWithin(fridayNight, at('2026-01-09T05:00:00Z'))).toBe(false)
  })

  test('an offset shifts days and hours', () => {
    const monday = window('00:00', '24:00', new Set([0]), '+02:00')
    expect(isWithin(monday, at('2026-01-04T21:59:00Z'))).toBe(false)
    expect(isWithin(monday, at('2026-01-04T22:00:00Z'))).toBe(true)
    expect(isWithin(monday, at('2026-01-05T21:59:00Z'))).toBe(true)
    expect(isWithin(monday, at('2026-01-05T22:00:00Z'))).toBe(false)
    expect(isWithin(window('09:00', '10:00', every, '-05:30'), at('2026-01-05T14:30:00Z'))).toBe(true)
  })

  test.each([
    ['08:00', '18:00', every, '2026-01-05T12:00:00Z', '2026-01-05T18:00:00Z'],
    ['08:00', '18:00', every, '2026-01-05T18:00:00Z', '2026-01-06T08:00:00Z'],
    ['08:00', '18:00', new Set([0]), '2026-01-05T18:00:00Z', '2026-01-12T08:00:00Z'],
    ['22:00', '06:00', every, '2026-01-05T23:00:00Z', '2026-01-06T06:00:00Z'],
    ['00:00', '24:00', new Set([0, 1]), '2026-01-05T23:00:00Z', '2026-01-07T00:00:00Z'],
  ])('%s to %s: the answer of %s changes', (from, to, days, now, expected) => {
    expect(new Date(nextChange(window(from, to, days), at(now)) ?? 0).toISOString()).toBe(
      expected.replace('Z', '.000Z'),
    )
  })

  test('a window that is always open never changes', () => {
    expect(nextChange(window('00:00', '24:00'), at('2026-01-05T12:00:00Z'))).toBeNull()
  })

  test('the next change is the first one, minute by minute', () => {
    const nights = window('22:15', '05:45', new Set([1, 4, 6]), '+05:45')
    let expected = nextChange(nights, at('2026-01-01T00:00:00Z')) ?? 0
    let inside = isWithin(nights, at('2026-01-01T00:00:00Z'))
    for (let now = at('2026-01-01T00:00:00Z'); now < at('2026-01-15T00:00:00Z'); now += 60_000) {
      if (isWithin(nights, now) !== inside) {
        expect(now).toBe(expected)
        inside = !inside
        expected = nextChange(nights, now) ?? 0
      }
    }
  })

  test.each(['24:01', '8:00', '08:60', '08:00:00', '', '-1:00'])('%j is no time of day', text => {
    expect(parseTimeOfDay(text)).toBeNull()
  })
  test.each(['+2', '02:00', '+15:00', '+02:60', 'CET', ''])('%j is no zone', text => {
    expect(parseZone(text)).toBeNull()
  })
})
