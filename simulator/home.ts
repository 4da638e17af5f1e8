// The home of a run: the world, those who live in it, and what became of them.
import type { FaultyRoom } from './checks/room-checks.ts'
import type { InhabitantView, RoomView } from './demo-state.ts'
import type { BrokerAddress, EnergyService, HomeDevice, Inhabitant } from './devices/home-device.ts'
import { isAirConditioner, makeEnergyService, makeHome } from './devices/make-home.ts'
import type { HomeChecker } from './home-checker.ts'
import type { DevicePlan, HomePlan } from './home-plan.ts'
import type { DeviceReport } from './report.ts'
import { deafTimes, type Timetable } from './timetable.ts'
import { startingExcess, World } from './world/world.ts'

export interface HomeParts {
  readonly plan: HomePlan
  readonly seed: number
  readonly speed: number
  readonly timetable: Timetable
  readonly broker: BrokerAddress
  readonly folder: string
  /** Told what befell somebody, in words for a person. */
  readonly tell: (line: string) => void
}

export interface Cut {
  /** RFC 3339. */
  readonly revokedAt: string
  readonly cutAfterMs: number | null
}

export class Home {
  readonly world: World
  readonly devices: readonly HomeDevice[]
  readonly energy: EnergyService
  /** Who is made deaf, and when, in seconds of the run. */
  readonly deafness: readonly FaultyRoom[]
  readonly #parts: HomeParts
  readonly #links = new Map<string, InhabitantView['link']>()
  readonly #cuts = new Map<string, Cut>()

  constructor(parts: HomeParts) {
    const { plan, seed, speed, timetable, broker, folder, tell } = parts
    const { seconds, lifetime } = timetable
    this.#parts = parts
    this.world = new World({ seed, rooms: plan.rooms, excess: startingExcess(seconds * speed) })
    this.deafness = deafTimes(this.world.faults, timetable)
    this.devices = makeHome({ plan, world: this.world, broker, folder, speed, lifetime })
    this.energy = makeEnergyService({ plan, broker, folder, lifetime })
    for (const one of this.inhabitants) {
      one.on('connected', () => this.#links.set(one.id, 'up'))
      one.on('disconnected', reason => {
        this.#links.set(one.id, 'down')
        tell(`${one.id} lost its connection: ${reason}`)
      })
      one.on('denied', topic => tell(`${one.id} was refused ${topic}`))
    }
  }

  get inhabitants(): readonly Inhabitant[] {
    return [...this.devices, this.energy]
  }

  device(id: string): HomeDevice {
    const found = this.devices.find(device => device.id === id)
    if (!found) throw new RangeError(`the plan has no device '${id}'`)
    return found
  }

  isUp(id: string): boolean {
    return this.#links.get(id) === 'up'
  }

  /** Ids of those who have no connection now. */
  get away(): string[] {
    return this.inhabitants.map(({ id }) => id).filter(id => !this.isUp(id))
  }

  wasCut(id: string, cut: Cut): void {
    this.#cuts.set(id, cut)
  }

  /** Lets the world catch up; `elapsed`: seconds of wall time since the beginning. */
  tick(elapsed: number): void {
    const { speed, plan } = this.#parts
    this.world.advance(Math.max(0, elapsed * speed - this.world.seconds))
    for (const { name, airConditioner } of plan.rooms) {
      const device = this.device(airConditioner.id)
      if (!isAirConditioner(device)) continue
      device.deaf = this.deafness.some(({ room, from, to }) => room === name && elapsed >= from && elapsed < to)
    }
  }

  async stop(): Promise<void> {
    await Promise.all(this.inhabitants.map(one => one.stop()))
  }

  reports(): DeviceReport[] {
    return this.inhabitants.map(({ id, type, protocol, credential, counts }) => {
      const { connects, renewals, published, received, denied } = counts
      const { revokedAt = null, cutAfterMs = null } = this.#cuts.get(id) ?? {}
      const cut = { revokedAt, cutAfterMs: cutAfterMs === null ? null : Math.round(cutAfterMs) }
      return { id, type, protocol, credential, connects, renewals, published, received, denied, ...cut }
    })
  }

  /** What there is to see; temperatures and modes as they were heard over the wire. */
  rooms(checker: HomeChecker, elapsed: number): RoomView[] {
    return this.#parts.plan.rooms.map(({ name, setpoint, thermostat, airConditioner }) => ({
      name,
      setpoint,
      ...checker.now(name),
      inBandShare: checker.shareOf(name, elapsed),
      thermostat: this.#view(thermostat),
      airConditioner: this.#view(airConditioner),
    }))
  }

  others(): InhabitantView[] {
    return [this.#parts.plan.gateway, this.#parts.plan.energy].map(plan => this.#view(plan))
  }

  #view({ id, protocol, credential }: DevicePlan): InhabitantView {
    const { renewals = 0 } = this.inhabitants.find(one => one.id === id)?.counts ?? {}
    return { id, protocol, credential, link: this.#links.get(id) ?? 'new', renewals }
  }
}
