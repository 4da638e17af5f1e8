// What a sensor makes of a temperature.

import { randomStream, type Xoshiro128 } from './random.ts'

export interface SensorKind {
  /** Kelvin; every piece has an error of its own between -bias and bias. */
  readonly bias: number
  /** Kelvin, standard deviation of one reading. */
  readonly noise: number
  /** Kelvin, the step of its digits. */
  readonly quantum: number
}

/** A wired sensor like Sensirion's SHT31: accuracy 0.2 K, of which most pieces use half; repeatability 0.04 K; 0.01 K in its digits. */
export const WIRED: SensorKind = { bias: 0.12, noise: 0.04, quantum: 0.01 }
/** A battery sensor like the DHT22: 0.5 K at most, 0.1 K in its digits. */
export const BATTERY: SensorKind = { bias: 0.3, noise: 0.1, quantum: 0.1 }

/** Seconds until a sensor in its housing has followed 63 % of a step, in still air (30 to 120 by their makers). */
export const HOUSING_LAG = 30

export class Thermometer {
  /** Kelvin. */
  readonly bias: number
  readonly #kind: SensorKind
  readonly #noise: Xoshiro128

  constructor(seed: number, name: string, kind: SensorKind) {
    this.bias = randomStream(seed, `bias of ${name}`).between(-kind.bias, kind.bias)
    this.#kind = kind
    this.#noise = randomStream(seed, `noise of ${name}`)
  }

  /** Degrees Celsius for those of its housing. */
  read(celsius: number): number {
    const { noise, quantum } = this.#kind
    const steps = Math.round((celsius + this.bias + noise * this.#noise.gaussian()) / quantum)
    return Number((steps * quantum).toFixed(2))
  }
}
