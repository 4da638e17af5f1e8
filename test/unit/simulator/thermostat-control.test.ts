import { describe, expect, test } from 'vitest'
import type { Order } from '../../../simulator/control/orders.ts'
import { ThermostatControl } from '../../../simulator/control/thermostat-control.ts'

const TIMES = { hysteresis: 0.2, minimumOn: 120, minimumOff: 180, confirmWithin: 40, repeatEvery: 60 }
const thermostat = () => new ThermostatControl({ setpoint: 22, ...TIMES })
const command = (mode: 'cool' | 'off', id: number): Order => ({ kind: 'command', mode, id })
const [WARM, RIGHT, COLD] = [23, 22, 21]

/** One that ordered `cool` as command 1 at time 0, confirmed at time 2. */
function cooling(): ThermostatControl {
  const control = thermostat()
  expect(control.measured(0, WARM)).toEqual([command('cool', 1)])
  expect(control.confirmed(2, { mode: 'cool', id: 1 })).toEqual([])
  return control
}

describe('decides', () => {
  test.each<[number, 'cool' | 'off']>([
    [22.2, 'cool'],
    [22.1, 'off'],
    [21.8, 'off'],
  ])('at first, at %f degrees: %s', (celsius, mode) => {
    expect(thermostat().measured(0, celsius)).toEqual([command(mode, 1)])
  })

  test('nothing new between the limits', () => {
    const control = cooling()
    expect(control.measured(30, RIGHT)).toEqual([])
    expect(control.order).toEqual({ mode: 'cool', id: 1 })
  })

  test('to stop when it has cooled, not before the minimum time counted from the confirmation', () => {
    const control = cooling()
    expect(control.measured(30, COLD)).toEqual([])
    control.measured(60, COLD)
    control.confirmed(61, { mode: 'cool', id: 1 })
    expect(control.measured(121, COLD).filter(({ id }) => id > 1)).toEqual([])
    expect(control.measured(122, COLD)).toEqual([command('off', 2)])
  })

  test('to cool again when the compressor has rested', () => {
    const control = cooling()
    control.measured(200, COLD)
    control.confirmed(201, { mode: 'off', id: 2 })
    for (let at = 210; at < 381; at += 10) {
      for (const order of control.measured(at, WARM)) expect(order).toEqual(command('off', 2))
      control.confirmed(at, { mode: 'off', id: 2 })
    }
    expect(control.measured(381, WARM)).toEqual([command('cool', 3)])
  })

  test('to take an order back that has switched nothing', () => {
    const control = thermostat()
    control.confirmed(0, { mode: 'off', id: 0 })
    expect(control.measured(1, WARM)).toEqual([command('cool', 1)])
    expect(control.measured(5, COLD)).toEqual([command('off', 2)])
  })
})

describe('insists', () => {
  test('an order in silence is repeated, the second silence raises the alert once, a confirmation clears it', () => {
    const control = thermostat()
    control.measured(0, WARM)
    expect(control.measured(39, WARM)).toEqual([])
    expect(control.measured(40, WARM)).toEqual([command('cool', 1)])
    expect(control.measured(79, WARM)).toEqual([])
    expect(control.measured(80, WARM)).toEqual([command('cool', 1), { kind: 'alert', what: 'ac-not-confirmed', id: 1 }])
    expect(control.alerting).toBe(true)
    expect(control.measured(120, WARM)).toEqual([command('cool', 1)])
    expect(control.confirmed(121, { mode: 'cool', id: 1 })).toEqual([{ kind: 'alert', what: 'cleared', id: 1 }])
    expect(control.confirmed(122, { mode: 'cool', id: 1 })).toEqual([])
    expect(control.alerting).toBe(false)
  })

  test('a confirmed order is said again, and its silence counts too', () => {
    const control = cooling()
    expect(control.measured(59, RIGHT)).toEqual([])
    expect(control.measured(60, RIGHT)).toEqual([command('cool', 1)])
    expect(control.measured(100, RIGHT)).toEqual([command('cool', 1)])
    expect(control.measured(140, RIGHT).at(-1)).toEqual({ kind: 'alert', what: 'ac-not-confirmed', id: 1 })
  })

  test('one that is spoken to in vain gets no fresh start by a new order', () => {
    const control = thermostat()
    control.measured(0, WARM)
    control.measured(40, WARM)
    expect(control.measured(50, COLD)).toEqual([command('off', 2)])
    expect(control.measured(90, COLD)).toEqual([command('off', 2), { kind: 'alert', what: 'ac-not-confirmed', id: 2 }])
  })

  test('without a link it says nothing and blames nobody; then the order in force comes first', () => {
    const control = cooling()
    for (let at = 30; at <= 600; at += 30) expect(control.measured(at, RIGHT, false)).toEqual([])
    expect(control.measured(610, RIGHT)).toEqual([command('cool', 1)])
    expect(control.measured(650, RIGHT)).toEqual([command('cool', 1)])
    expect(control.alerting).toBe(false)
    expect(control.measured(690, RIGHT).at(-1)).toEqual({ kind: 'alert', what: 'ac-not-confirmed', id: 1 })
  })

  test('what was decided without a link is ordered once there is one', () => {
    const control = cooling()
    expect(control.measured(300, COLD, false)).toEqual([])
    expect(control.measured(310, COLD)).toEqual([command('off', 2)])
  })

  test('a report of an older command confirms nothing', () => {
    const control = cooling()
    control.measured(200, COLD)
    control.confirmed(201, { mode: 'cool', id: 1 })
    expect(control.measured(240, COLD)).toEqual([command('off', 2)])
  })
})

describe('corrects', () => {
  test('a unit that cools against its order is stopped as soon as its compressor may', () => {
    const control = cooling()
    control.measured(200, COLD)
    control.confirmed(201, { mode: 'off', id: 2 })
    expect(control.confirmed(220, { mode: 'cool', id: 2 })).toEqual([])
    expect(control.measured(339, COLD).filter(({ id }) => id > 2)).toEqual([])
    expect(control.measured(340, COLD)).toEqual([command('off', 3)])
  })

  test('a unit that stopped by itself is started again when it has rested', () => {
    const control = cooling()
    expect(control.confirmed(300, { mode: 'off', id: 1 })).toEqual([])
    expect(control.measured(479, WARM).filter(({ id }) => id > 1)).toEqual([])
    expect(control.measured(480, WARM)).toEqual([command('cool', 2)])
  })

  test('whoever commanded in between is overtaken', () => {
    const control = thermostat()
    control.confirmed(0, { mode: 'off', id: 0 })
    control.measured(1, COLD)
    control.confirmed(2, { mode: 'off', id: 1 })
    expect(control.confirmed(10, { mode: 'off', id: 900 })).toEqual([command('off', 901)])
  })
})

describe('after a restart', () => {
  test('ids go on above what the unit knows, whichever is heard first', () => {
    const late = thermostat()
    expect(late.measured(0, WARM)).toEqual([command('cool', 1)])
    expect(late.confirmed(1, { mode: 'off', id: 17 })).toEqual([command('cool', 18)])
    const early = thermostat()
    expect(early.confirmed(0, { mode: 'off', id: 17 })).toEqual([])
    expect(early.measured(1, WARM)).toEqual([command('cool', 18)])
  })

  test('a unit that rests since before is left to rest', () => {
    const control = thermostat()
    control.confirmed(0, { mode: 'off', id: 17 })
    expect(control.measured(1, WARM)).toEqual([command('cool', 18)])
    expect(control.confirmed(2, { mode: 'off', id: 18 })).toEqual([])
    expect(control.measured(10, WARM)).toEqual([])
    expect(control.measured(180, WARM)).toEqual([command('cool', 19)])
  })

  test('a unit found cooling goes on between the limits, and runs its minimum time', () => {
    const control = thermostat()
    control.confirmed(0, { mode: 'cool', id: 17 })
    expect(control.measured(1, RIGHT)).toEqual([command('cool', 18)])
    control.confirmed(2, { mode: 'cool', id: 18 })
    expect(control.measured(50, COLD)).toEqual([])
    expect(control.measured(120, COLD)).toEqual([command('off', 19)])
  })
})
