// What thermostats, air conditioners, the gateway and the energy service say, and what they make of what they hear.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { AirConditionerBehaviour } from '../../../simulator/devices/air-conditioner.ts'
import { type SayOptions, wallPeriod } from '../../../simulator/devices/behaviour.ts'
import { EnergyBehaviour } from '../../../simulator/devices/energy-service.ts'
import { GatewayBehaviour } from '../../../simulator/devices/gateway.ts'
import { ThermostatBehaviour } from '../../../simulator/devices/thermostat.ts'
import type { Message } from '../../../simulator/message.ts'

const room = 'kitchen'

class Said {
  linked = true
  readonly all: { topic: string; body: Message; options: SayOptions }[] = []
  say(topic: string, body: Message, options: SayOptions = {}): void {
    this.all.push({ topic, body, options })
  }
  on(topic: string): Message[] {
    return this.all.filter(said => said.topic === topic).map(({ body }) => body)
  }
}

/** A world that stands still. */
function worldAt(celsius: number) {
  const unit = { mode: 'off' as 'cool' | 'off', watts: 812.4, kWh: 0.1234567 }
  return {
    seconds: 0,
    measure: () => celsius,
    senseAt: () => celsius + 0.123,
    unit,
    airConditioner: () => ({
      ...unit,
      setMode(mode: 'cool' | 'off') {
        unit.mode = mode
      },
    }),
  }
}

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

describe('thermostat', () => {
  test('measures every 15 simulated seconds, ten times a second at most', () => {
    expect([1, 10, 60, 120, 1_000].map(speed => wallPeriod(15, speed))).toEqual([15_000, 1_500, 250, 125, 100])
    const said = new Said()
    const thermostat = new ThermostatBehaviour({ room, setpoint: 24, world: worldAt(25.1234), speed: 60 })
    thermostat.begin(said)
    vi.advanceTimersByTime(1_000)
    expect(said.on('home/kitchen/temperature')).toEqual(Array.from({ length: 5 }, () => ({ celsius: 25.12 })))
    expect(said.all[0]?.options.retain).toBe(true)
    thermostat.end()
    vi.advanceTimersByTime(1_000)
    expect(said.on('home/kitchen/temperature')).toHaveLength(5)
  })

  test('commands with the id for a number, never to be kept, and alerts when nothing is confirmed', () => {
    const said = new Said()
    const world = worldAt(26)
    const thermostat = new ThermostatBehaviour({ room, setpoint: 24, world, speed: 60 })
    thermostat.begin(said)
    const [command] = said.all.filter(({ topic }) => topic === 'home/kitchen/ac/set')
    expect(command).toMatchObject({ body: { mode: 'cool', id: 1 }, options: { seq: 1 } })
    expect(command?.options.retain ?? false).toBe(false)
    for (let i = 0; i < 20; i++) {
      world.seconds += 15
      vi.advanceTimersByTime(250)
    }
    expect(said.on('home/kitchen/alert')).toEqual([{ what: 'ac-not-confirmed', id: 1 }])
    thermostat.received('home/kitchen/ac/state', { mode: 'cool', id: 1, seq: 9 }, said)
    expect(said.on('home/kitchen/alert')).toContainEqual({ what: 'cleared', id: 1 })
    thermostat.end()
  })

  test('without a link it measures on, and commands nothing that would come too late', () => {
    const said = new Said()
    said.linked = false
    const thermostat = new ThermostatBehaviour({ room, setpoint: 24, world: worldAt(26), speed: 60 })
    thermostat.begin(said)
    vi.advanceTimersByTime(1_000)
    thermostat.end()
    expect(said.on('home/kitchen/temperature')).toHaveLength(5)
    expect(said.on('home/kitchen/ac/set')).toEqual([])
  })

  test.each([{ mode: 'warm', id: 1 }, { mode: 'cool' }, { mode: 'cool', id: -1 }, { mode: 'cool', id: '1' }, {}])(
    'passes over %j',
    message => {
      const said = new Said()
      const thermostat = new ThermostatBehaviour({ room, setpoint: 24, world: worldAt(24), speed: 60 })
      thermostat.received('home/kitchen/ac/state', message, said)
      expect(said.all).toEqual([])
    },
  )
})

describe('air conditioner', () => {
  test('says its state after each login, confirms commands, and reads its meter every second', () => {
    const said = new Said()
    const world = worldAt(26)
    const airConditioner = new AirConditionerBehaviour({ room, world, speed: 60 })
    airConditioner.begin(said)
    airConditioner.connected(said)
    airConditioner.received('home/kitchen/ac/set', { mode: 'cool', id: 3 }, said)
    vi.advanceTimersByTime(2_000)
    airConditioner.end()
    expect(world.unit.mode).toBe('cool')
    expect(said.on('home/kitchen/ac/state')).toEqual([
      { mode: 'off', id: 0 },
      { mode: 'cool', id: 3 },
    ])
    expect(said.on('home/kitchen/ac/power')).toEqual(Array.from({ length: 3 }, () => ({ watts: 812, kWh: 0.123457 })))
    expect(vi.getTimerCount()).toBe(0)
  })

  test('deaf, it hears no command and goes on reporting', () => {
    const said = new Said()
    const world = worldAt(26)
    const airConditioner = new AirConditionerBehaviour({ room, world, speed: 60 })
    airConditioner.begin(said)
    airConditioner.deaf = true
    airConditioner.received('home/kitchen/ac/set', { mode: 'cool', id: 1 }, said)
    vi.advanceTimersByTime(1_000)
    expect(world.unit.mode).toBe('off')
    expect(said.on('home/kitchen/ac/state')).toEqual([])
    expect(said.on('home/kitchen/ac/power')).toHaveLength(2)
    airConditioner.deaf = false
    airConditioner.received('home/kitchen/ac/set', { mode: 'cool', id: 1 }, said)
    vi.advanceTimersByTime(1_000)
    expect(said.on('home/kitchen/ac/state')).toEqual([{ mode: 'cool', id: 1 }])
    airConditioner.end()
  })
})

describe('gateway', () => {
  test('speaks for each sensor, at most once delivered', () => {
    const said = new Said()
    const gateway = new GatewayBehaviour({ sensors: [{ id: 'sensor-1', room }], world: worldAt(24) })
    gateway.begin(said)
    gateway.end()
    expect(said.all).toEqual([
      { topic: 'home/kitchen/sensor/sensor-1', body: { celsius: 24.12, battery: 100 }, options: { qos: 0 } },
    ])
  })
})

describe('energy service', () => {
  test('takes the last reading of each meter, and no reading that goes back or is none', () => {
    const energy = new EnergyBehaviour()
    energy.received('home/kitchen/ac/power', { watts: 1, kWh: 0.5, seq: 1 })
    energy.received('home/kitchen/ac/power', { watts: 1, kWh: 0.7, seq: 2 })
    energy.received('home/kitchen/ac/power', { watts: 1, kWh: 0.5, seq: 1 })
    energy.received('home/study/ac/power', { watts: 0, kWh: 0.1, seq: 1 })
    energy.received('home/study/ac/power', { watts: 0, kWh: '9', seq: 2 })
    energy.received('home/study/ac/power', { watts: 0, kWh: Number.POSITIVE_INFINITY, seq: 3 })
    expect([...energy.readings]).toEqual([
      ['kitchen', 0.7],
      ['study', 0.1],
    ])
  })
})
