// A hot summer day in a town by the sea, with a night that does not cool down: a home without heating needs no more.

import { randomStream, type Xoshiro128 } from './random.ts'

const HOUR = 3600
/** Simulated time 0 is one o'clock in the afternoon, before the hottest hour. */
export const STARTS_AT_HOUR = 13

/** Degrees Celsius: 25 at five in the morning, 35 at three in the afternoon. A Mediterranean heat wave. */
const MEAN_TEMPERATURE = 30
const DAILY_SWING = 5
const HOTTEST_HOUR = 15
/** W/m2 on a vertical window towards the sun under a clear sky: 500 to 700 in July at 40 degrees north. */
const PEAK_ON_WINDOW = 600
const SUNRISE = 5.5
const SUNSET = 20.5
/** The share of radiation under a closed cover is 1 - 0.75 (Kasten and Czeplak, 1980: 1 - 0.75 n^3.4). */
const CLOUD_LOSS = 0.75
const CLOUD_EXPONENT = 3.4

export interface Weather {
  /** Degrees Celsius. */
  readonly outdoor: number
  /** W per m2 of window, outside. */
  readonly sun: number
  /** 0 clear to 1 covered. */
  readonly clouds: number
}

/** Straight lines between random knots, drawn in their order when first needed: any moment may be asked for. */
class Wander {
  readonly #stream: Xoshiro128
  readonly #every: number
  readonly #draw: (stream: Xoshiro128) => number
  readonly #knots: number[] = []

  constructor(stream: Xoshiro128, everySeconds: number, draw: (stream: Xoshiro128) => number) {
    this.#stream = stream
    this.#every = everySeconds
    this.#draw = draw
  }

  at(seconds: number): number {
    const place = seconds / this.#every
    const index = Math.floor(place)
    while (this.#knots.length < index + 2) this.#knots.push(this.#draw(this.#stream))
    const left = this.#knots[index] ?? 0
    return left + ((this.#knots[index + 1] ?? left) - left) * (place - index)
  }
}

export class Sky {
  readonly #offset: number
  readonly #gusts: Wander
  readonly #clouds: Wander

  constructor(seed: number) {
    const day = randomStream(seed, 'weather: the day')
    this.#offset = day.between(-0.8, 0.8)
    const cloudiness = day.between(0.2, 0.9)
    this.#gusts = new Wander(randomStream(seed, 'weather: temperature'), HOUR, stream => stream.between(-0.6, 0.6))
    this.#clouds = new Wander(randomStream(seed, 'weather: clouds'), HOUR / 4, stream => stream.uniform() * cloudiness)
  }

  at(seconds: number): Weather {
    const hour = (STARTS_AT_HOUR + seconds / HOUR) % 24
    const clouds = this.#clouds.at(seconds)
    const swing = Math.cos((2 * Math.PI * (hour - HOTTEST_HOUR)) / 24)
    const height = Math.sin((Math.PI * (hour - SUNRISE)) / (SUNSET - SUNRISE))
    const clear = hour > SUNRISE && hour < SUNSET ? PEAK_ON_WINDOW * height : 0
    return {
      outdoor: MEAN_TEMPERATURE + this.#offset + DAILY_SWING * swing + this.#gusts.at(seconds),
      sun: clear * (1 - CLOUD_LOSS * clouds ** CLOUD_EXPONENT),
      clouds,
    }
  }
}
