// The home without a network: thermostats and air conditioners of the plan that hear each other late, or not at all.

import { AirConditionerControl } from '../../../simulator/control/air-conditioner-control.ts'
import {
  AIR_CONDITIONER_TIMES,
  type Command,
  type Mode,
  type Order,
  type State,
  THERMOSTAT_TIMES,
} from '../../../simulator/control/orders.ts'
import { ThermostatControl } from '../../../simulator/control/thermostat-control.ts'
import { HOME, type RoomPlan } from '../../../simulator/home-plan.ts'
import { randomStream, type Xoshiro128 } from '../../../simulator/world/random.ts'
import { startingExcess, World } from '../../../simulator/world/world.ts'

export const BAND = 0.7
/** Wall seconds: between two measurements, and between two looks of an air conditioner at its clock. */
const PERIOD = 0.25
/** Wall seconds that a message takes. */
const DELAY = { low: 0.1, high: 0.5 }

export interface LoopOptions {
  readonly seed: number
  readonly speed: number
  /** Wall seconds. */
  readonly run: number
  /** False: a quiet run without outages and faults. */
  readonly trouble?: boolean
  readonly excess?: number
  /** Messages that met an outage come when it is over, all at once. Default: they are lost. */
  readonly kept?: boolean
  /** Thermostats know when they have no link. */
  readonly aware?: boolean
}

export interface RoomResult {
  readonly name: string
  readonly start: number
  /** Share of the time after the first quarter within the band: of the truth, and of what the thermostat measured. */
  readonly trueShare: number
  readonly measuredShare: number
  readonly cycles: number
  /** Simulated seconds of whole stretches. */
  readonly shortestOn: number
  readonly shortestOff: number
  readonly alerts: readonly (Order & { kind: 'alert' } & { at: number })[]
  readonly commands: number
}

interface Letter {
  readonly at: number
  readonly deliver: (at: number) => void
}

class Chamber {
  readonly plan: RoomPlan
  readonly #loop: Loop
  #thermostat: ThermostatControl
  readonly #unit = new AirConditionerControl()
  #switchedAt = Number.NEGATIVE_INFINITY
  #inTrue = 0
  #looks = 0
  #inMeasured = 0
  #readings = 0
  #cycles = 0
  #commands = 0
  #shortest = { cool: Number.POSITIVE_INFINITY, off: Number.POSITIVE_INFINITY }
  readonly #alerts: (Order & { kind: 'alert' } & { at: number })[] = []
  readonly #start: number

  constructor(loop: Loop, plan: RoomPlan) {
    this.#loop = loop
    this.plan = plan
    this.#thermostat = new ThermostatControl({ setpoint: plan.setpoint })
    this.#start = loop.world.truth(plan.name) - plan.setpoint
  }

  restart(): void {
    this.#thermostat = new ThermostatControl({ setpoint: this.plan.setpoint })
    this.#loop.post(this.plan, 'thermostat', at => this.#speak(this.#thermostat.confirmed(at, this.#unit.state)))
  }

  measure(at: number): void {
    const celsius = this.#loop.world.measure(this.plan.name)
    if (this.#loop.late(at)) {
      this.#readings += 1
      if (this.#near(celsius)) this.#inMeasured += 1
    }
    this.#speak(this.#thermostat.measured(at, celsius, this.#loop.linked(this.plan)))
  }

  look(at: number): void {
    this.#report(at, this.#unit.tick(at))
    if (!this.#loop.late(at)) return
    this.#looks += 1
    if (this.#near(this.#loop.world.truth(this.plan.name))) this.#inTrue += 1
  }

  result(): RoomResult {
    return {
      name: this.plan.name,
      start: this.#start,
      trueShare: this.#inTrue / this.#looks,
      measuredShare: this.#inMeasured / this.#readings,
      cycles: this.#cycles,
      shortestOn: this.#shortest.cool,
      shortestOff: this.#shortest.off,
      alerts: this.#alerts,
      commands: this.#commands,
    }
  }

  #near(celsius: number): boolean {
    return Math.abs(celsius - this.plan.setpoint) <= BAND
  }

  #speak(orders: readonly Order[]): void {
    for (const order of orders) {
      if (order.kind === 'alert') {
        this.#alerts.push({ ...order, at: this.#loop.world.seconds })
        continue
      }
      this.#commands += 1
      this.#loop.post(this.plan, 'unit', at => this.#hear(at, order))
    }
  }

  #hear(at: number, command: Command): void {
    this.#report(at, this.#unit.commanded(at, command))
  }

  #report(at: number, states: readonly State[]): void {
    this.#turn(at, this.#unit.mode)
    for (const state of states) {
      this.#loop.post(this.plan, 'thermostat', when => this.#speak(this.#thermostat.confirmed(when, state)))
    }
  }

  #turn(at: number, mode: Mode): void {
    const machine = this.#loop.world.airConditioner(this.plan.name)
    if (machine.mode === mode) return
    this.#shortest[machine.mode] = Math.min(this.#shortest[machine.mode], at - this.#switchedAt)
    if (mode === 'off') this.#cycles += 1
    machine.setMode(mode)
    this.#switchedAt = at
  }
}

class Loop {
  readonly world: World
  readonly #options: LoopOptions
  readonly #delays: Xoshiro128
  readonly #chambers: Chamber[]
  #letters: Letter[] = []

  constructor(options: LoopOptions) {
    this.#options = options
    const excess = options.excess ?? startingExcess(options.run * options.speed)
    this.world = new World({ seed: options.seed, rooms: HOME.rooms, excess })
    this.#delays = randomStream(options.seed, 'delays of the closed loop')
    this.#chambers = HOME.rooms.map(plan => new Chamber(this, plan))
  }

  late(at: number): boolean {
    return at >= (this.#options.run * this.#options.speed) / 4
  }

  linked(plan: RoomPlan): boolean {
    return !this.#options.aware || !this.#out(plan, 'thermostat')
  }

  /** Lost or kept when its receiver or everything is out at the time of sending or of arrival. */
  post(plan: RoomPlan, to: 'thermostat' | 'unit', deliver: (at: number) => void): void {
    const arrive = (when: number) => {
      if (!this.#out(plan, to)) deliver(when)
      else if (this.#options.kept && !this.#deaf(plan, to)) this.#letters.push({ at: when + 1, deliver: arrive })
    }
    const delay = this.#delays.between(DELAY.low, DELAY.high) * this.#options.speed
    if (!this.#out(plan, to) || this.#options.kept)
      this.#letters.push({ at: this.world.seconds + delay, deliver: arrive })
  }

  run(): RoomResult[] {
    const { run, speed, seed } = this.#options
    const victim = this.#chambers[seed % this.#chambers.length]
    let gone = false
    for (let tick = 1; tick * PERIOD <= run; tick += 1) {
      this.#pass(tick * PERIOD * speed)
      const at = this.world.seconds
      for (const chamber of this.#chambers) {
        const away = this.#thermostatGone(chamber.plan)
        // Half of the victims come back without their memory.
        if (chamber === victim && gone && !away && seed % 2 === 0) chamber.restart()
        if (chamber === victim) gone = away
        if (!away) chamber.measure(at)
        chamber.look(at)
      }
    }
    return this.#chambers.map(chamber => chamber.result())
  }

  /** Time up to `end`, with the letters that arrive on the way. */
  #pass(end: number): void {
    for (;;) {
      const due = this.#letters.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0]
      this.world.advance((due?.at ?? end) - this.world.seconds)
      if (!due) return
      this.#letters = this.#letters.filter(letter => letter !== due)
      due.deliver(this.world.seconds)
    }
  }

  #out(plan: RoomPlan, who: 'thermostat' | 'unit'): boolean {
    if (this.#options.trouble === false) return false
    const { run, speed } = this.#options
    const share = this.world.seconds / (run * speed)
    if (share >= 0.65 && share < 0.65 + 5 / run) return true
    if (who === 'thermostat') return this.#thermostatGone(plan)
    return this.#deaf(plan, who)
  }

  #deaf(plan: RoomPlan, who: 'thermostat' | 'unit'): boolean {
    const share = this.world.seconds / (this.#options.run * this.#options.speed)
    const { faults } = this.world
    return who === 'unit' && faults.some(({ room, from, to }) => room === plan.name && share >= from && share < to)
  }

  #thermostatGone(plan: RoomPlan): boolean {
    const { run, speed, seed, trouble } = this.#options
    const share = this.world.seconds / (run * speed)
    const victim = HOME.rooms[seed % HOME.rooms.length]
    return trouble !== false && plan === victim && share >= 0.4 && share < 0.4 + 4 / run
  }
}

/** What every room of the plan came to. */
export const closedLoop = (options: LoopOptions): RoomResult[] => new Loop(options).run()

export const SHORTEST = {
  on: THERMOSTAT_TIMES.minimumOn,
  off: Math.min(THERMOSTAT_TIMES.minimumOff, AIR_CONDITIONER_TIMES.minimumOff),
}
