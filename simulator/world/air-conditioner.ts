// A split unit with a compressor of one speed.

/** Watts of cooling per m2 of floor at 35 degrees outdoors: 3.0 kW for a room of 14 m2, the next size above need. */
const COOLING_PER_AREA = 215
/** Efficiency (W cooling per W electrical) at 35 degrees outdoors, the rating point of ISO 5151; class A is above 3.2. */
const EFFICIENCY = 3.2
const RATED_OUTDOOR = 35
/** Per kelvin outdoors, typical of makers' tables: efficiency falls 2.5 %, capacity 1 %. */
const EFFICIENCY_SLOPE = 0.025
const CAPACITY_SLOPE = 0.01
/** Seconds from the command to the turning compressor: relay, fan, valve. */
const START_LAG = 15
/** Seconds to 63 % of full cooling once it turns, and to 37 % when it stands: the coil is cold for a while. */
const RAMP_UP = 30
const RAMP_DOWN = 20
/** Watts electrical. */
const FAN = 30
const STANDBY = 2

const JOULES_PER_KWH = 3_600_000

export class AirConditioner {
  readonly #capacity: number
  #mode: 'cool' | 'off' = 'off'
  #lag = 0
  #level = 0
  #watts = STANDBY
  #joules = 0

  constructor(area: number) {
    this.#capacity = COOLING_PER_AREA * area
  }

  get mode(): 'cool' | 'off' {
    return this.#mode
  }

  /** Takes effect with the next step of the world. */
  setMode(mode: 'cool' | 'off'): void {
    if (mode === this.#mode) return
    this.#mode = mode
    this.#lag = START_LAG
  }

  /** Electrical, now. */
  get watts(): number {
    return this.#watts
  }

  /** Electrical, since the beginning. */
  get kWh(): number {
    return this.#joules / JOULES_PER_KWH
  }

  /** One step of the world. Returns watts of heat taken from the room. */
  step(seconds: number, outdoor: number): number {
    const cooling = this.#mode === 'cool'
    const waiting = cooling && this.#lag > 0
    if (waiting) this.#lag -= seconds
    const turning = cooling && !waiting
    this.#level += ((turning ? 1 : 0) - this.#level) * (seconds / (turning ? RAMP_UP : RAMP_DOWN))
    const above = outdoor - RATED_OUTDOOR
    const capacity = this.#capacity * (1 - CAPACITY_SLOPE * above)
    const compressor = turning ? (capacity * this.#level) / (EFFICIENCY * (1 - EFFICIENCY_SLOPE * above)) : 0
    this.#watts = STANDBY + (cooling ? FAN : 0) + compressor
    this.#joules += this.#watts * seconds
    return capacity * this.#level
  }
}
