// The energy service: reads what the air conditioners take, with access tokens of the token endpoint.
import type { Message } from '../message.ts'
import type { Behaviour } from './behaviour.ts'
import type { EnergyService } from './home-device.ts'
import { readPower } from './payloads.ts'
import { Station, type StationParts } from './station.ts'

export class EnergyBehaviour implements Behaviour {
  readonly filters = ['home/+/ac/power']
  /** Kilowatt hours by room: meters count on, so that a message that comes twice changes nothing. */
  readonly readings = new Map<string, number>()

  begin(): void {}

  connected(): void {}

  received(topic: string, message: Message): void {
    const [, room] = topic.split('/')
    const power = readPower(message)
    if (room === undefined || power === null) return
    this.readings.set(room, Math.max(power.kWh, this.readings.get(room) ?? 0))
  }

  end(): void {}
}

export class EnergyReader extends Station implements EnergyService {
  readonly #behaviour: EnergyBehaviour

  constructor(parts: Omit<StationParts, 'type' | 'behaviour'>, behaviour = new EnergyBehaviour()) {
    super({ ...parts, type: 'service', behaviour })
    this.#behaviour = behaviour
  }

  get readings(): ReadonlyMap<string, number> {
    return this.#behaviour.readings
  }

  get kWh(): number {
    return [...this.readings.values()].reduce((sum, kWh) => sum + kWh, 0)
  }

  /** The secret is kept like any credential; another one replaces it. */
  start(clientSecret: string): Promise<void> {
    const obtainedAt = Date.now()
    return this.live(() =>
      this.identity.keep({ kind: 'secret', audience: 'token', secret: clientSecret, obtainedAt, expiresAt: null }),
    )
  }
}
