// A thermostat: measures its room, reports it, and commands the air conditioner.
import type { Order } from '../control/orders.ts'
import { ThermostatControl } from '../control/thermostat-control.ts'
import type { Message } from '../message.ts'
import { type Behaviour, every, type Voice, wallPeriod } from './behaviour.ts'
import type { Surroundings } from './home-device.ts'
import { readState } from './payloads.ts'

export interface ThermostatParts {
  readonly room: string
  /** Degrees Celsius. */
  readonly setpoint: number
  readonly world: Pick<Surroundings, 'seconds' | 'measure'>
  readonly speed: number
}

/** Simulated seconds between measurements. */
const PERIOD = 15

export class ThermostatBehaviour implements Behaviour {
  readonly filters: readonly string[]
  readonly #parts: ThermostatParts
  readonly #control: ThermostatControl
  #end = () => {}

  constructor(parts: ThermostatParts) {
    this.#parts = parts
    this.#control = new ThermostatControl({ setpoint: parts.setpoint })
    this.filters = [`home/${parts.room}/ac/state`]
  }

  begin(voice: Voice): void {
    const { room, world, speed } = this.#parts
    this.#end = every(wallPeriod(PERIOD, speed), () => {
      const celsius = Math.round(world.measure(room) * 100) / 100
      voice.say(`home/${room}/temperature`, { celsius }, { retain: true })
      this.#give(this.#control.measured(world.seconds, celsius, voice.linked), voice)
    })
  }

  connected(): void {}

  received(_topic: string, message: Message, voice: Voice): void {
    const state = readState(message)
    if (state !== null) this.#give(this.#control.confirmed(this.#parts.world.seconds, state), voice)
  }

  end(): void {
    this.#end()
  }

  /** A command has no `seq`: its id is one. */
  #give(orders: readonly Order[], voice: Voice): void {
    const { room } = this.#parts
    for (const order of orders) {
      if (order.kind === 'command') {
        voice.say(`home/${room}/ac/set`, { mode: order.mode, id: order.id }, { seq: order.id })
      } else voice.say(`home/${room}/alert`, { what: order.what, id: order.id }, { retain: true })
    }
  }
}
