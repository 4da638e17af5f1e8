// One run of the demo: what all its steps share.
import { setTimeout as sleep } from 'node:timers/promises'
import type { LatchkeyClient, Session, TextFile } from '../src/client/client.ts'
import { Interrupted, within } from './bounded.ts'
import type { Holding } from './checks/device-checks.ts'
import type { DemoState, DenialView, Phase, PhaseState, Screen } from './demo-state.ts'
import type { BrokerAddress } from './devices/home-device.ts'
import { Home } from './home.ts'
import { HomeChecker } from './home-checker.ts'
import type { HomePlan } from './home-plan.ts'
import type { Attempt, IntruderParts, Outcome } from './intruder/attempt.ts'
import type { Check } from './report.ts'
import { type Timetable, timetableOf } from './timetable.ts'
import type { WireListener } from './wire-listener.ts'

/** The broker as a process that can be killed. */
export interface BrokerControl {
  /** Resolves when it is ready; a second time on the same ports and data. */
  start(): Promise<void>
  /** SIGKILL; resolves when the process has gone. */
  kill(): Promise<void>
  /** True to the broker that runs now. */
  readonly address: BrokerAddress
  /** All of them, the HTTP API too. */
  readonly listeners: Readonly<Record<string, { readonly host: string; readonly port: number }>>
  /** The API, with the rights of this start's operator. */
  operator(): LatchkeyClient
}

export interface DemoOptions {
  readonly plan: HomePlan
  /** Of wall time. */
  readonly seconds: number
  readonly speed: number
  readonly seed: number
  /** Devices keep their credentials below it. */
  readonly folder: string
  /** Devices, types, clients and policy of the home. */
  readonly manifests: readonly TextFile[]
}

export interface DemoPorts {
  readonly broker: BrokerControl
  readonly screen: Screen
  /** Ends the run early. */
  readonly signal: AbortSignal
}

export type PhaseName = 'broker' | 'enrolment' | 'intruder' | 'revocation' | 'restart' | 'last checks'
const PHASES: readonly PhaseName[] = ['broker', 'enrolment', 'intruder', 'revocation', 'restart', 'last checks']
const NEWS_KEPT = 50

export class Run {
  readonly options: DemoOptions
  readonly broker: BrokerControl
  readonly signal: AbortSignal
  readonly timetable: Timetable
  readonly checker: HomeChecker
  readonly home: Home
  readonly holdings: Holding[] = []
  /** What the intruder tried, and what came of it. */
  readonly attempts: { readonly attempt: Attempt; readonly outcome: Outcome }[] = []
  listener: WireListener | null = null
  intruder: IntruderParts | null = null
  /** Who was connected by what, before anything was revoked. */
  sessions: readonly Session[] = []
  /** Newest first. */
  denials: readonly (DenialView & { readonly id: number })[] = []
  readonly #screen: Screen
  readonly #checks: Check[] = []
  readonly #news: string[] = []
  readonly #phases = new Map<PhaseName, PhaseState>(PHASES.map(name => [name, 'waiting']))
  #startedAt: number | null = null
  #judged = false

  constructor(options: DemoOptions, { broker, screen, signal }: DemoPorts) {
    const { plan, seconds, speed, seed, folder } = options
    this.options = options
    this.broker = broker
    this.signal = signal
    this.#screen = screen
    this.timetable = timetableOf(seconds, speed)
    this.checker = new HomeChecker(plan.rooms, this.timetable.judgedFrom)
    const tell = (line: string) => this.tell(line)
    this.home = new Home({ plan, seed, speed, timetable: this.timetable, broker: broker.address, folder, tell })
  }

  get checks(): readonly Check[] {
    return this.#checks
  }

  /** Seconds of wall time since the home came alive. */
  get elapsed(): number {
    return this.#startedAt === null ? 0 : (performance.now() - this.#startedAt) / 1000
  }

  begin(): void {
    this.#startedAt = performance.now()
  }

  readonly add = (...checks: readonly Check[]): void => {
    this.#checks.push(...checks)
    for (const { ok, name, observed } of checks) if (!ok) this.tell(`FAILED ${name}: ${observed}`)
  }

  tell(line: string): void {
    this.#news.push(line)
    if (this.#news.length > NEWS_KEPT) this.#news.shift()
    this.announce(line)
  }

  /** For those who read lines: the picture has a place of its own for it. */
  announce(line: string): void {
    this.#screen.tell(this.elapsed, line)
  }

  /**
   * Work with an end. What goes wrong in it becomes a failed check named after the phase, and the run goes on; only an
   * early end of the run goes through.
   */
  async step(name: PhaseName, milliseconds: number, work: () => Promise<void>): Promise<void> {
    this.#phases.set(name, 'running')
    const failedBefore = this.#failed()
    try {
      await within(name, milliseconds, this.signal, work())
    } catch (error) {
      this.#phases.set(name, 'failed')
      if (error instanceof Interrupted) throw error
      this.add({
        name: `step:${name.replaceAll(' ', '-')}`,
        ok: false,
        expected: 'it comes to its end',
        observed: error instanceof Error ? error.message : String(error),
        evidence: `after ${this.elapsed.toFixed(1)} s`,
      })
      return
    }
    this.#phases.set(name, this.#failed() > failedBefore ? 'failed' : 'done')
  }

  #failed(): number {
    return this.#checks.filter(({ ok }) => !ok).length
  }

  /** Waits for a time of the run; at once when it has passed. */
  async until(seconds: number): Promise<void> {
    await this.sleep(Math.max(0, (seconds - this.elapsed) * 1000))
  }

  readonly sleep = async (milliseconds: number): Promise<void> => {
    try {
      await sleep(milliseconds, undefined, { signal: this.signal })
    } catch {
      throw new Interrupted()
    }
  }

  /** The run is over: the view shows what came of it. */
  judged(): void {
    this.#judged = true
    this.draw()
  }

  draw(): void {
    const { seconds, speed, seed } = this.options
    const elapsed = Math.min(this.elapsed, seconds)
    const phases = [...this.#phases].map(([name, state]): Phase => ({ name, state }))
    const state: DemoState = {
      elapsed,
      seconds,
      speed,
      seed,
      outdoor: this.home.world.outdoor,
      phases,
      rooms: this.home.rooms(this.checker, elapsed),
      others: this.home.others(),
      denials: this.denials,
      news: this.#news,
      checks: this.#judged ? this.#checks : null,
    }
    this.#screen.draw(state)
  }
}
