// A gateway: speaks for battery sensors that have no connection of their own.
import { type Behaviour, every, type Voice } from './behaviour.ts'
import type { Surroundings } from './home-device.ts'

export interface GatewayParts {
  readonly sensors: readonly { readonly id: string; readonly room: string }[]
  readonly world: Pick<Surroundings, 'seconds' | 'senseAt'>
}

/** Milliseconds of wall time. */
const PERIOD = 1_000

export class GatewayBehaviour implements Behaviour {
  readonly filters: readonly string[] = []
  readonly #parts: GatewayParts
  #end = () => {}

  constructor(parts: GatewayParts) {
    this.#parts = parts
  }

  begin(voice: Voice): void {
    const { sensors, world } = this.#parts
    this.#end = every(PERIOD, () => {
      for (const { id, room } of sensors) {
        const celsius = Math.round(world.senseAt(room, id) * 100) / 100
        voice.say(`home/${room}/sensor/${id}`, { celsius, battery: batteryAt(world.seconds) }, { qos: 0 })
      }
    })
  }

  connected(): void {}

  received(): void {}

  end(): void {
    this.#end()
  }
}

/** Percent: a cell that lasts two years, new when the world began. */
const batteryAt = (seconds: number) => Math.max(0, Math.round((1 - seconds / (730 * 86_400)) * 10_000) / 100)
