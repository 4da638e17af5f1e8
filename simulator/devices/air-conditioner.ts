// An air conditioner: obeys commands of its room, confirms them, and reads its own meter.
import { AirConditionerControl } from '../control/air-conditioner-control.ts'
import type { State } from '../control/orders.ts'
import type { Message } from '../message.ts'
import { type Behaviour, every, type Voice, wallPeriod } from './behaviour.ts'
import { Device, type DeviceParts } from './device.ts'
import type { AirConditionerDevice, Surroundings } from './home-device.ts'
import { readCommand } from './payloads.ts'

export interface AirConditionerParts {
  readonly room: string
  readonly world: Surroundings
  readonly speed: number
}

/** Simulated seconds between looks at what has to happen without a command. */
const TICK = 10
/** Milliseconds of wall time between meter readings. */
const METER = 1_000

export class AirConditionerBehaviour implements Behaviour {
  readonly filters: readonly string[]
  /** Hears no command. */
  deaf = false
  readonly #parts: AirConditionerParts
  readonly #control = new AirConditionerControl()
  #ends: (() => void)[] = []

  constructor(parts: AirConditionerParts) {
    this.#parts = parts
    this.filters = [`home/${parts.room}/ac/set`]
  }

  begin(voice: Voice): void {
    const { world, speed, room } = this.#parts
    this.#ends = [
      every(wallPeriod(TICK, speed), () => this.#act(this.#control.tick(world.seconds), voice)),
      every(METER, () => {
        const { watts, kWh } = world.airConditioner(room)
        voice.say(`home/${room}/ac/power`, { watts: Math.round(watts), kWh: Math.round(kWh * 1e6) / 1e6 })
      }),
    ]
  }

  connected(voice: Voice): void {
    this.#act([this.#control.state], voice)
  }

  received(_topic: string, message: Message, voice: Voice): void {
    const command = readCommand(message)
    if (command !== null && !this.deaf) this.#act(this.#control.commanded(this.#parts.world.seconds, command), voice)
  }

  end(): void {
    for (const end of this.#ends.splice(0)) end()
  }

  #act(states: readonly State[], voice: Voice): void {
    const { world, room } = this.#parts
    world.airConditioner(room).setMode(this.#control.mode)
    for (const { mode, id } of states) voice.say(`home/${room}/ac/state`, { mode, id }, { retain: true })
  }
}

export class AirConditioner extends Device implements AirConditionerDevice {
  readonly #behaviour: AirConditionerBehaviour

  constructor(parts: Omit<DeviceParts, 'type' | 'behaviour'>, behaviour: AirConditionerBehaviour) {
    super({ ...parts, type: 'air-conditioner', behaviour })
    this.#behaviour = behaviour
  }

  get deaf(): boolean {
    return this.#behaviour.deaf
  }

  set deaf(deaf: boolean) {
    this.#behaviour.deaf = deaf
  }
}
