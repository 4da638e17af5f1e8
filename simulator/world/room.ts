// The heat of one room: two nodes, as in the simple hourly method of ISO 13790, seen in seconds.

import { AirConditioner } from './air-conditioner.ts'
import { Occupants } from './occupants.ts'
import { BATTERY, HOUSING_LAG, Thermometer, WIRED } from './thermometer.ts'
import type { Weather } from './weather.ts'

/**
 * J/K per m2 of floor that follow the air within minutes: air itself 3 000, furniture and what lies in it 30 000 (building
 * simulations multiply the air by 5 to 10 for it), the first centimetre of plaster and floor 27 000.
 */
const AIR_CAPACITY = 60_000
/** J/K per m2 of floor in walls and slabs (ISO 13790 table 12, class "medium": 165 000). */
const WALL_CAPACITY = 165_000
/** W/K per m2 of floor between air and walls: 3.45 W/(m2 K) over those walls that no cupboard covers, 2.3 m2 per m2. */
const AIR_TO_WALL = 8
/** W/K per m2 of floor through the outer walls: 1 m2 per m2 at 0.5 W/(m2 K). */
const WALL_TO_OUTDOOR = 0.5
/** W/K per m2 of floor through gaps: 0.4 changes an hour, 2.5 m high, 0.34 Wh/(m3 K). */
const AIR_CHANGE = 0.34
/** W/(m2 K) of double glazing. */
const GLAZING = 1.3
/** W/K to the next room through 10 m2 of light wall and a door: rooms stand in the order of the plan. */
export const WALL_BETWEEN = 12
/** Of the sun on the window: glazing lets 60 % through (EN 410), outer blinds 30 % of that (EN 14501). */
const SUN_ADMITTED = 0.6 * 0.3
/** Of that, warms the air and what is light; the rest lies on floor and walls. */
const SUN_TO_AIR = 0.4
/** How much of the excess in the air has come through to the walls when the story begins. */
const WALLS_FOLLOW = 0.6

export interface RoomShape {
  readonly name: string
  readonly setpoint: number
  /** m2 */
  readonly area: number
  /** m2 */
  readonly window: number
}

export class Room {
  readonly airConditioner: AirConditioner
  readonly thermometer: Thermometer
  readonly occupants: Occupants
  readonly #seed: number
  readonly #shape: RoomShape
  readonly #sensors = new Map<string, Thermometer>()
  #air: number
  #walls: number
  #housing: number

  /** `excess`: kelvin above its set point at the beginning. */
  constructor(seed: number, shape: RoomShape, excess: number) {
    this.#seed = seed
    this.#shape = shape
    this.#air = shape.setpoint + excess
    this.#walls = shape.setpoint + WALLS_FOLLOW * excess
    this.#housing = this.#air
    this.airConditioner = new AirConditioner(shape.area)
    this.thermometer = new Thermometer(seed, `thermostat of ${shape.name}`, WIRED)
    this.occupants = new Occupants(seed, shape)
  }

  /** Degrees Celsius of the air. */
  get air(): number {
    return this.#air
  }

  /** Degrees Celsius inside a sensor's housing. */
  get housing(): number {
    return this.#housing
  }

  /** A battery sensor of the room, made when first asked for. */
  sensor(id: string): Thermometer {
    const known = this.#sensors.get(id)
    if (known) return known
    const made = new Thermometer(this.#seed, `sensor ${id} of ${this.#shape.name}`, BATTERY)
    this.#sensors.set(id, made)
    return made
  }

  /** One step; `fromNeighbours` in watts. */
  step(at: number, seconds: number, weather: Weather, fromNeighbours: number): void {
    const { area, window } = this.#shape
    const sun = weather.sun * window * SUN_ADMITTED
    const intoWalls = AIR_TO_WALL * area * (this.#air - this.#walls)
    const fromOutdoors = (GLAZING * window + AIR_CHANGE * area) * (weather.outdoor - this.#air)
    const gains = SUN_TO_AIR * sun + this.occupants.heat(at) + fromOutdoors + fromNeighbours
    const cooling = this.airConditioner.step(seconds, weather.outdoor)
    const throughWalls = WALL_TO_OUTDOOR * area * (weather.outdoor - this.#walls) + (1 - SUN_TO_AIR) * sun
    this.#air += ((gains - intoWalls - cooling) * seconds) / (AIR_CAPACITY * area)
    this.#walls += ((throughWalls + intoWalls) * seconds) / (WALL_CAPACITY * area)
    this.#housing += (this.#air - this.#housing) * (seconds / HOUSING_LAG)
  }
}
