import { describe, expect, test } from 'vitest'
import { HomeChecker, READING_COUNTS } from '../../../simulator/home-checker.ts'

const ROOMS = [{ name: 'kitchen', setpoint: 24 }]
const checker = (judgedFrom = 10) => new HomeChecker(ROOMS, judgedFrom)
const payload = (value: unknown) => Buffer.from(JSON.stringify(value))
const measured = (home: HomeChecker, at: number, celsius: unknown, retained = false) =>
  home.hear({ topic: 'home/kitchen/temperature', payload: payload({ celsius, seq: 1 }), retained, at })
const heard = (home: HomeChecker, what: string, value: unknown, at = 1, retained = false) =>
  home.hear({ topic: `home/kitchen/${what}`, payload: payload(value), retained, at })

describe('the share of time in band', () => {
  test('a reading counts until the next one', () => {
    const home = checker()
    for (const [at, celsius] of [
      [10, 24],
      [14, 24.9],
      [15, 24.6],
    ] as const)
      measured(home, at, celsius)
    // 10 to 14 in band, 14 to 15 not, 15 to 20 in band
    expect(home.shareOf('kitchen', 20)).toBeCloseTo(0.9)
  })

  test('time is weighed, not readings', () => {
    const home = checker()
    measured(home, 10, 24)
    for (let i = 0; i < 10; i++) measured(home, 14 + i / 10, 30)
    measured(home, 15, 24)
    expect(home.shareOf('kitchen', 20)).toBeCloseTo(0.9)
  })

  test('exactly 0.7 K off is in band, more is not', () => {
    const [within, without] = [checker(), checker()]
    measured(within, 10, 23.3)
    measured(without, 10, 23.29)
    expect(within.shareOf('kitchen', 12)).toBe(1)
    expect(without.shareOf('kitchen', 12)).toBe(0)
  })

  test('silence counts as out of band', () => {
    const home = checker()
    measured(home, 10, 24)
    expect(home.shareOf('kitchen', 10 + READING_COUNTS * 4)).toBeCloseTo(0.25)
    measured(home, 10 + READING_COUNTS * 4, 24)
    expect(home.shareOf('kitchen', 10 + READING_COUNTS * 4)).toBeCloseTo(0.25)
  })

  test('what came before the judged time is not judged, but its last reading goes on', () => {
    const home = checker(10)
    measured(home, 2, 30)
    measured(home, 9, 24)
    expect(home.shareOf('kitchen', 10)).toBeNull()
    expect(home.shareOf('kitchen', 14)).toBe(1)
  })

  test('nothing heard is nothing in band', () => {
    expect(checker().report(20)[0]).toMatchObject({ inBandShare: 0, start: null, final: null, settledAt: null })
  })

  test('a stored reading is no news', () => {
    const home = checker()
    measured(home, 10, 24, true)
    expect(home.report(14)[0]).toMatchObject({ inBandShare: 0, start: null })
  })

  test.each([['24'], [null], [Number.NaN], [undefined], [{}]])('%j is no temperature', celsius => {
    const home = checker()
    measured(home, 10, celsius)
    expect(home.now('kitchen').celsius).toBeNull()
  })

  test('neither another room nor what is no JSON changes anything', () => {
    const home = checker()
    home.hear({ topic: 'home/attic/temperature', payload: payload({ celsius: 24 }), retained: false, at: 10 })
    home.hear({ topic: 'home/kitchen/temperature', payload: Buffer.from('{"celsius":'), retained: false, at: 10 })
    home.hear({ topic: 'home/kitchen/temperature/x/y', payload: payload({ celsius: 24 }), retained: false, at: 10 })
    home.hear({ topic: 'home/__proto__/temperature', payload: payload({ celsius: 24 }), retained: false, at: 10 })
    expect(home.report(14)).toHaveLength(1)
    expect(home.now('kitchen').celsius).toBeNull()
    expect(home.received).toBe(4)
  })
})

test('start, end and the first reading in band', () => {
  const home = checker()
  measured(home, 1, 26.5)
  measured(home, 3.456, 24.5)
  measured(home, 5, 24.9)
  expect(home.report(20)[0]).toMatchObject({ name: 'kitchen', setpoint: 24, start: 26.5, final: 24.9, settledAt: 3.46 })
})

test('cycles are changes to cooling, energy is the last meter reading', () => {
  const home = checker()
  for (const mode of ['cool', 'cool', 'off', 'cool', 'heat', 'off']) heard(home, 'ac/state', { mode, id: 1, seq: 1 })
  for (const kWh of [0.01, 0.02]) heard(home, 'ac/power', { watts: 600, kWh, seq: 1 })
  expect(home.report(20)[0]).toMatchObject({ acCycles: 2, energyKWh: 0.02 })
  expect(home.now('kitchen')).toMatchObject({ mode: 'off', watts: 600 })
})

test('a confirmation answers a command that was heard', () => {
  const home = checker()
  heard(home, 'ac/set', { mode: 'cool', id: 1 })
  heard(home, 'ac/set', { mode: 'off', id: 2 })
  heard(home, 'ac/state', { mode: 'cool', id: 1, seq: 1 })
  heard(home, 'ac/state', { mode: 'cool', id: 7, seq: 2 })
  expect(home.commands('kitchen')).toEqual({ given: 2, confirmed: 1 })
  expect(home.heardCommand('kitchen', 2)).toBe(true)
  expect(home.heardCommand('kitchen', 3)).toBe(false)
})

test('alerts are kept in their order; a stored one is no news', () => {
  const home = checker()
  heard(home, 'alert', { what: 'ac-not-confirmed', id: 4, seq: 1 }, 5)
  expect(home.now('kitchen').alert).toBe(true)
  heard(home, 'alert', { what: 'cleared', id: 5, seq: 2 }, 8)
  heard(home, 'alert', { what: 'cleared', id: 5, seq: 2 }, 9, true)
  expect(home.alerts('kitchen')).toEqual([
    { what: 'ac-not-confirmed', id: 4, at: 5 },
    { what: 'cleared', id: 5, at: 8 },
  ])
  expect(home.now('kitchen').alert).toBe(false)
})

test('battery sensors are counted by room and sensor', () => {
  const home = checker()
  heard(home, 'sensor/sensor-kitchen', { celsius: 24, battery: 1, seq: 1 })
  heard(home, 'sensor/sensor-kitchen', { celsius: 24, battery: 1, seq: 2 })
  expect([...home.sensors]).toEqual([['kitchen/sensor-kitchen', 2]])
})
