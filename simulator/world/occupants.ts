// Who is in a room, and what they have switched on.

import { randomStream, type Xoshiro128 } from './random.ts'

/** Watts of sensible heat of one resting person (ISO 7730: 1.0 to 1.2 met, about 80 W dry). */
const PERSON = 80
/** Watts of lamps, screens and pans that one person keeps on. */
const APPLIANCES = 60
/** Watts per m2 that stand by (EN 16798-1 assumes 2 to 3 W/m2 for all appliances of homes). */
const STANDBY = 2
/** m2 of floor that a guest wants. */
const FLOOR_EACH = 12
/** Seconds that people stay and stay away. */
const STAY = { low: 900, high: 4500 }

/** Stretches of presence by the seed. Time only goes forward in `heat`. */
export class Occupants {
  readonly #stream: Xoshiro128
  readonly #standby: number
  readonly #most: number
  #count: number
  #until: number

  constructor(seed: number, room: { readonly name: string; readonly area: number }) {
    this.#stream = randomStream(seed, `occupants of ${room.name}`)
    this.#standby = STANDBY * room.area
    this.#most = Math.max(1, Math.round(room.area / FLOOR_EACH))
    this.#count = this.#stream.uniform() < 0.5 ? 0 : this.#some()
    this.#until = this.#stream.between(STAY.low, STAY.high)
  }

  get count(): number {
    return this.#count
  }

  /** Watts, at this moment. */
  heat(seconds: number): number {
    while (seconds >= this.#until) {
      this.#count = this.#count > 0 ? 0 : this.#some()
      this.#until += this.#stream.between(STAY.low, STAY.high)
    }
    return this.#standby + this.#count * (PERSON + APPLIANCES)
  }

  #some(): number {
    return 1 + Math.floor(this.#stream.uniform() * this.#most)
  }
}
