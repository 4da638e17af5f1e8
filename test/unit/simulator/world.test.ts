import { describe, expect, test } from 'vitest'
import { HOME } from '../../../simulator/home-plan.ts'
import { AirConditioner } from '../../../simulator/world/air-conditioner.ts'
import { Sky } from '../../../simulator/world/weather.ts'
import { startingExcess, World, type WorldOptions } from '../../../simulator/world/world.ts'

const HOUR = 3600
const world = (seed: number, more: Partial<WorldOptions> = {}) => new World({ seed, rooms: HOME.rooms, ...more })
const temperatures = (home: World) => HOME.rooms.map(({ name }) => home.truth(name))

describe('what the seed decides', () => {
  test('the digest depends on the seed and the plan alone', () => {
    const used = world(1, { excess: 1 })
    used.airConditioner('kitchen').setMode('cool')
    used.advance(HOUR)
    used.measure('kitchen')
    expect(used.digest).toBe(world(1).digest)
    expect(used.digest).toMatch(/^[0-9a-f]{64}$/)
    expect(world(2).digest).not.toBe(used.digest)
    expect(new World({ seed: 1, rooms: HOME.rooms.slice(1) }).digest).not.toBe(used.digest)
  })

  test('every home has a deaf air conditioner in one of its rooms, for a while', () => {
    const names = HOME.rooms.map(({ name }) => name)
    for (let seed = 1; seed <= 50; seed += 1) {
      const { faults } = world(seed)
      expect(faults.length).toBeGreaterThanOrEqual(1)
      expect(new Set(faults.map(({ room }) => room)).size).toBe(faults.length)
      for (const { kind, room, from, to } of faults) {
        expect(kind).toBe('ac-deaf')
        expect(names).toContain(room)
        expect(from).toBeGreaterThan(0.25)
        expect(to).toBeGreaterThan(from)
        expect(to).toBeLessThan(0.95)
      }
    }
  })

  test('a plan of one room, and of none, are worlds as well', () => {
    expect(new World({ seed: 1, rooms: HOME.rooms.slice(0, 1) }).faults).toHaveLength(1)
    expect(new World({ seed: 1, rooms: [] }).faults).toEqual([])
  })

  test('a sensor more changes no reading of the others', () => {
    const [one, other] = [world(1), world(1)]
    other.senseAt('kitchen', 'sensor-new')
    other.measure('study')
    expect(readings(other)).toEqual(readings(one))
  })
})

describe('time', () => {
  test('however it is cut, the same happens', () => {
    const [whole, cut] = [world(3), world(3)]
    for (const home of [whole, cut]) home.airConditioner('bedroom').setMode('cool')
    whole.advance(HOUR)
    for (let tenth = 0; tenth < HOUR * 10; tenth += 1) cut.advance(0.1)
    expect(cut.seconds).toBeCloseTo(HOUR, 3)
    expect(temperatures(cut)).toEqual(temperatures(whole))
    expect(cut.airConditioner('bedroom').kWh).toBe(whole.airConditioner('bedroom').kWh)
  })

  test('it begins at one in the afternoon; the day is hot, the night mild and dark', () => {
    for (let seed = 1; seed <= 20; seed += 1) {
      const sky = new Sky(seed)
      const [noon, night] = [sky.at(2 * HOUR), sky.at(16 * HOUR)]
      expect(noon.outdoor).toBeGreaterThan(32)
      expect(noon.sun).toBeGreaterThan(100)
      expect(night.outdoor).toBeGreaterThan(22)
      expect(night.outdoor).toBeLessThan(28)
      expect(night.sun).toBe(0)
    }
  })
})

describe('rooms', () => {
  test('begin too warm by no more than the excess, and not alike', () => {
    const home = world(1, { excess: 2 })
    const excess = HOME.rooms.map(({ name, setpoint }) => home.truth(name) - setpoint)
    for (const kelvin of excess) {
      expect(kelvin).toBeGreaterThanOrEqual(0.8)
      expect(kelvin).toBeLessThanOrEqual(2)
    }
    expect(new Set(excess).size).toBe(HOME.rooms.length)
  })

  test('cool while their unit cools, and warm their neighbours less', () => {
    const [idle, cooled] = [world(1), world(1)]
    cooled.airConditioner('living-room').setMode('cool')
    for (const home of [idle, cooled]) home.advance(1200)
    expect(cooled.truth('living-room')).toBeLessThan(idle.truth('living-room') - 2)
    for (const next of ['kitchen', 'bedroom']) expect(cooled.truth(next)).toBeLessThan(idle.truth(next))
  })

  test('a room that is not in the plan is a mistake that says so', () => {
    expect(() => world(1).measure('attic')).toThrow("no room 'attic'")
  })

  test('a short story begins near the set point, an hour up to 3 K above', () => {
    expect(startingExcess(200)).toBe(0.5)
    expect(startingExcess(HOUR)).toBe(3)
    expect(startingExcess(1200)).toBeGreaterThan(startingExcess(900))
  })
})

describe('sensors', () => {
  test('scatter about a bias of their own, in steps of their digits', () => {
    const home = world(1, { excess: 0 })
    const truth = home.truth('study')
    const wired = Array.from({ length: 400 }, () => home.measure('study'))
    const battery = Array.from({ length: 400 }, () => home.senseAt('study', 'sensor-study'))
    expect(Math.abs(mean(wired) - truth)).toBeLessThan(0.13)
    expect(Math.abs(mean(battery) - truth)).toBeLessThan(0.35)
    expect(mean(battery)).not.toBeCloseTo(mean(wired), 3)
    expect(new Set(wired).size).toBeGreaterThan(5)
    for (const value of battery) expect(Math.round(value * 10)).toBeCloseTo(value * 10, 9)
  })

  test('follow the air with a lag', () => {
    const home = world(1)
    home.airConditioner('study').setMode('cool')
    home.advance(600)
    const lag = mean(Array.from({ length: 100 }, () => home.measure('study'))) - home.truth('study')
    const still = world(1)
    const bias = mean(Array.from({ length: 100 }, () => still.measure('study'))) - still.truth('study')
    expect(lag - bias).toBeGreaterThan(0.04)
  })
})

describe('an air conditioner', () => {
  const step = (unit: AirConditioner, seconds: number, outdoor: number) => {
    let heat = 0
    for (let second = 0; second < seconds; second += 1) heat = unit.step(1, outdoor)
    return heat
  }

  test('starts late, climbs to its capacity, and lingers when told to stop', () => {
    const unit = new AirConditioner(14)
    unit.setMode('cool')
    expect(step(unit, 10, 35)).toBe(0)
    const half = step(unit, 30, 35)
    const full = step(unit, 300, 35)
    expect(half).toBeGreaterThan(0)
    expect(half).toBeLessThan(0.8 * full)
    expect(full).toBeGreaterThan(2500)
    unit.setMode('off')
    expect(step(unit, 5, 35)).toBeGreaterThan(0.5 * full)
    expect(step(unit, 300, 35)).toBeLessThan(1)
  })

  test('draws more and cools less on a hotter day, and counts its energy', () => {
    const [mild, hot] = [new AirConditioner(14), new AirConditioner(14)]
    for (const unit of [mild, hot]) unit.setMode('cool')
    expect(step(mild, HOUR, 27)).toBeGreaterThan(step(hot, HOUR, 37))
    expect(mild.watts).toBeLessThan(hot.watts)
    expect(hot.kWh).toBeCloseTo(hot.watts / 1000, 1)
    hot.setMode('off')
    step(hot, 1, 37)
    expect(hot.watts).toBeLessThan(10)
  })
})

function readings(home: World): number[] {
  const taken: number[] = []
  for (let minute = 0; minute < 10; minute += 1) {
    home.advance(60)
    taken.push(home.measure('kitchen'), home.senseAt('kitchen', 'sensor-kitchen'), home.truth('study'))
  }
  return taken
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length
