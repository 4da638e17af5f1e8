// What there is to see of a run at one moment.
import type { CredentialName, Protocol } from './home-plan.ts'
import type { Check } from './report.ts'

export type PhaseState = 'waiting' | 'running' | 'done' | 'failed'

export interface Phase {
  readonly name: string
  readonly state: PhaseState
}

export interface RoomView {
  readonly name: string
  readonly setpoint: number
  readonly celsius: number | null
  readonly inBandShare: number | null
  readonly mode: string | null
  readonly watts: number | null
  readonly alert: boolean
  readonly thermostat: InhabitantView
  readonly airConditioner: InhabitantView
}

export interface InhabitantView {
  readonly id: string
  readonly protocol: Protocol
  readonly credential: CredentialName
  readonly link: 'new' | 'up' | 'down'
  readonly renewals: number
}

export interface DenialView {
  readonly principal: string
  /** `publish`, `subscribe`, or `connect` for who was not let in at all. */
  readonly action: string
  readonly target: string
  /** The rule that forbade it, `no rule`, or the failure's code. */
  readonly because: string
}

export interface DemoState {
  /** Wall time. */
  readonly elapsed: number
  readonly seconds: number
  readonly speed: number
  readonly seed: number
  /** Degrees Celsius. */
  readonly outdoor: number
  readonly phases: readonly Phase[]
  readonly rooms: readonly RoomView[]
  /** Gateway and services. */
  readonly others: readonly InhabitantView[]
  /** Newest first. */
  readonly denials: readonly DenialView[]
  /** Newest last. */
  readonly news: readonly string[]
  /** Null until the run is over. */
  readonly checks: readonly Check[] | null
}

/** Where a run is shown. */
export interface Screen {
  /** One event worth reading. */
  tell(seconds: number, line: string): void
  /** Called a few times a second. */
  draw(state: DemoState): void
}
