// The physics of the home: weather outside, rooms that warm and cool, and the instruments in them. Pure and deterministic:
// the seed and the plan fix everything but what the air conditioners are told.

import type { RoomPlan } from '../home-plan.ts'
import { type Fault, faultSchedule } from './faults.ts'
import { randomStream } from './random.ts'
import { Room, WALL_BETWEEN } from './room.ts'
import { Sky, type Weather } from './weather.ts'
import { worldDigest } from './world-digest.ts'

/** Simulated seconds of one inner step. */
const STEP = 1
/** Sums of fractions may fall short of a whole step by rounding. */
const ROUNDING = 1e-6
/** Kelvin. */
const MOST_EXCESS = 3

export interface WorldOptions {
  readonly seed: number
  readonly rooms: readonly RoomPlan[]
  /** Kelvin by which rooms begin too warm at most (every room at 0.4 to 1.0 of it). Default 3. See `startingExcess`. */
  readonly excess?: number
}

/** What a device may do with the unit that it controls. */
export interface AirConditionerUnit {
  setMode(mode: 'cool' | 'off'): void
  readonly mode: 'cool' | 'off'
  /** Electrical, now. */
  readonly watts: number
  /** Electrical, since the beginning. */
  readonly kWh: number
}

export class World {
  readonly seed: number
  /** Hex SHA-256 over weather, sun, occupants, biases, noise and faults of a day: the seed and the plan alone decide it. */
  readonly digest: string
  readonly faults: readonly Fault[]
  readonly #rooms = new Map<string, Room>()
  readonly #row: readonly Room[]
  readonly #sky: Sky
  #weather: Weather
  #asked = 0
  #steps = 0

  constructor({ seed, rooms, excess = MOST_EXCESS }: WorldOptions) {
    this.seed = seed
    for (const room of rooms) {
      const share = randomStream(seed, `start of ${room.name}`).between(0.4, 1)
      this.#rooms.set(room.name, new Room(seed, room, share * excess))
    }
    this.#row = [...this.#rooms.values()]
    this.#sky = new Sky(seed)
    this.#weather = this.#sky.at(0)
    this.faults = faultSchedule(
      seed,
      rooms.map(({ name }) => name),
    )
    this.digest = worldDigest(seed, rooms, this.faults)
  }

  /** Simulated seconds since the beginning (13:00). */
  get seconds(): number {
    return this.#asked
  }

  get weather(): Weather {
    return this.#weather
  }

  /** Degrees Celsius. */
  get outdoor(): number {
    return this.#weather.outdoor
  }

  /** Lets time pass, in steps of a second: however it is cut, the same things happen. */
  advance(simulatedSeconds: number): void {
    this.#asked += simulatedSeconds
    const due = Math.floor((this.#asked + ROUNDING) / STEP)
    while (this.#steps < due) this.#step()
  }

  /** What the thermostat of the room reads, in degrees Celsius. */
  measure(room: string): number {
    const found = this.#room(room)
    return found.thermometer.read(found.housing)
  }

  /** What a battery sensor in the room reads, in degrees Celsius. */
  senseAt(room: string, sensorId: string): number {
    const found = this.#room(room)
    return found.sensor(sensorId).read(found.housing)
  }

  airConditioner(room: string): AirConditionerUnit {
    return this.#room(room).airConditioner
  }

  /** The true temperature of the air, in degrees Celsius, which no device knows. */
  truth(room: string): number {
    return this.#room(room).air
  }

  occupants(room: string): number {
    return this.#room(room).occupants.count
  }

  #room(name: string): Room {
    const room = this.#rooms.get(name)
    if (!room) throw new RangeError(`the plan has no room '${name}'; it has ${[...this.#rooms.keys()].join(', ')}`)
    return room
  }

  #step(): void {
    const at = this.#steps * STEP
    this.#weather = this.#sky.at(at)
    const before = this.#row.map(room => room.air)
    for (const [index, room] of this.#row.entries()) {
      const own = before[index] ?? room.air
      const flow = (before[index - 1] ?? own) - own + (before[index + 1] ?? own) - own
      room.step(at, STEP, this.#weather, WALL_BETWEEN * flow)
    }
    this.#steps += 1
  }
}

/**
 * The excess that suits a run: what the air conditioners can take away in the first quarter of it. An hour begins 3 K too
 * warm, a few minutes begin near the set point, as nobody cools a room by 3 K in one minute.
 */
export function startingExcess(simulatedSeconds: number): number {
  const seconds = simulatedSeconds / 4 - 60
  return Math.min(MOST_EXCESS, Math.max(0.5, 0.5 + seconds * 0.003))
}
