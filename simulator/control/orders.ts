// What thermostat and air conditioner say to each other, and the times both keep. All times are simulated seconds.

export type Mode = 'cool' | 'off'

/** What `home/<room>/ac/set` carries. Ids are safe integers from 1 and only grow. */
export interface Command {
  readonly mode: Mode
  readonly id: number
}

/** What `home/<room>/ac/state` carries: the mode as it is, and the newest command known (0: none since power-up). */
export interface State {
  readonly mode: Mode
  readonly id: number
}

/** What a thermostat wants said. */
export type Order =
  | { readonly kind: 'command'; readonly mode: Mode; readonly id: number }
  | { readonly kind: 'alert'; readonly what: 'ac-not-confirmed' | 'cleared'; readonly id: number }

export interface CompressorTimes {
  /** A started compressor runs at least so long: its oil has to come back. Makers ask for 2 to 5 minutes. */
  readonly minimumOn: number
  /** A stopped compressor rests at least so long, until the pressures are even. Makers ask for 3 minutes. */
  readonly minimumOff: number
}

export interface ThermostatTimes extends CompressorTimes {
  /** Kelvin to either side of the set point. */
  readonly hysteresis: number
  /** An order not confirmed in this time is repeated; the second silence raises the alert. */
  readonly confirmWithin: number
  /** A confirmed order is said again after this time, so that an air conditioner knows its thermostat alive. */
  readonly repeatEvery: number
}

export interface AirConditionerTimes extends CompressorTimes {
  /** Without a command for so long an air conditioner stops cooling. At least `minimumOn`. */
  readonly silence: number
}

/** Tuned with the home of home-plan.ts; test/unit/simulator/closed-loop.test.ts proves it. */
export const THERMOSTAT_TIMES: ThermostatTimes = {
  hysteresis: 0.15,
  minimumOn: 120,
  minimumOff: 180,
  confirmWithin: 40,
  repeatEvery: 30,
}

export const AIR_CONDITIONER_TIMES: AirConditionerTimes = { minimumOn: 120, minimumOff: 180, silence: 120 }

/** A deaf air conditioner is noticed after this time at the latest. */
export const NOTICED_WITHIN = THERMOSTAT_TIMES.repeatEvery + 2 * THERMOSTAT_TIMES.confirmWithin
