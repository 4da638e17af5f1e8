// How a thermostat decides. Pure: time comes in with every call, what is to be said goes out.

import { type Mode, type Order, type State, THERMOSTAT_TIMES, type ThermostatTimes } from './orders.ts'

export interface ThermostatOptions extends Partial<ThermostatTimes> {
  /** Degrees Celsius. */
  readonly setpoint: number
}

/**
 * Two-point control with hysteresis and compressor protection, one order at a time.
 *
 * Ids survive a restart without being stored: an air conditioner answers a command older than the newest it knows with its
 * state, which carries that newest id, and the thermostat goes on above it.
 */
export class ThermostatControl {
  readonly #setpoint: number
  readonly #times: ThermostatTimes
  #order: State | undefined
  #lastId = 0
  #sentAt = 0
  #awaiting = false
  #silences = 0
  #alerting = false
  /** What the air conditioner says it does, and since when we know. */
  #actual: Mode | undefined
  #actualSince = Number.NEGATIVE_INFINITY
  /** When it reported for the first time. */
  #heardSince = Number.NEGATIVE_INFINITY
  /** It knows the order and does otherwise. */
  #contradicted = false
  /** Nobody could hear us. */
  #mute = false

  constructor(options: ThermostatOptions) {
    this.#setpoint = options.setpoint
    this.#times = { ...THERMOSTAT_TIMES, ...options }
  }

  /** The order in force; undefined before the first measurement. */
  get order(): State | undefined {
    return this.#order
  }

  get alerting(): boolean {
    return this.#alerting
  }

  /**
   * A measurement, at least every 30 simulated seconds: timeouts are noticed here as well. `linked` false: nobody would hear
   * an order, so there is none, and silence says nothing about the air conditioner; the order in force follows later.
   */
  measured(at: number, celsius: number, linked = true): Order[] {
    const back = linked && this.#mute
    this.#mute = !linked
    if (!linked) return []
    if (back) this.#silences = 0
    const wanted = this.#wanted(celsius)
    const order = this.#order
    if (!order) return [this.#issue(at, wanted)]
    if (wanted !== order.mode && this.#maySwitch(at, wanted)) return [this.#issue(at, wanted)]
    if (this.#contradicted && this.#maySwitch(at, order.mode)) return [this.#issue(at, order.mode)]
    return back ? [this.#send(at, order)] : this.#remind(at, order)
  }

  /** A state that the air conditioner reports, live or retained. */
  confirmed(at: number, state: State): Order[] {
    if (this.#actual === undefined) this.#heardSince = at
    if (state.mode !== this.#actual) {
      // What an air conditioner did before we listened is its own to protect; one that runs may have just begun.
      if (this.#actual !== undefined || state.mode === 'cool') this.#actualSince = at
      this.#actual = state.mode
    }
    this.#lastId = Math.max(this.#lastId, state.id)
    const order = this.#order
    if (!order || state.id < order.id) return []
    if (state.id > order.id) return this.#overtake(at, order)
    this.#awaiting = false
    this.#silences = 0
    this.#contradicted = state.mode !== order.mode
    if (!this.#contradicted) return this.#clear(order)
    // It may be resting since before we listened; it then obeys by itself.
    this.#actualSince = Math.max(this.#actualSince, this.#heardSince)
    return this.#maySwitch(at, order.mode) ? [this.#issue(at, order.mode)] : []
  }

  /** Somebody commanded with a higher id: another, or ourselves before a restart. */
  #overtake(at: number, order: State): Order[] {
    if (this.#maySwitch(at, order.mode)) return [this.#issue(at, order.mode)]
    this.#contradicted = true
    return []
  }

  #wanted(celsius: number): Mode {
    if (celsius >= this.#setpoint + this.#times.hysteresis) return 'cool'
    if (celsius <= this.#setpoint - this.#times.hysteresis) return 'off'
    return this.#order?.mode ?? this.#actual ?? 'off'
  }

  /** Counted from the report, never from the order: an order on its way has switched nothing yet. */
  #maySwitch(at: number, mode: Mode): boolean {
    if (this.#actual === undefined || this.#actual === mode) return true
    return at - this.#actualSince >= (this.#actual === 'cool' ? this.#times.minimumOn : this.#times.minimumOff)
  }

  /** A new order. Silences go on counting: an air conditioner that hears nothing does not get a fresh start by it. */
  #issue(at: number, mode: Mode): Order {
    this.#lastId += 1
    this.#order = { mode, id: this.#lastId }
    this.#contradicted = false
    return this.#send(at, this.#order)
  }

  #send(at: number, { mode, id }: State): Order {
    this.#sentAt = at
    this.#awaiting = true
    return { kind: 'command', mode, id }
  }

  #remind(at: number, order: State): Order[] {
    const { confirmWithin, repeatEvery } = this.#times
    if (at - this.#sentAt < (this.#awaiting ? confirmWithin : repeatEvery)) return []
    if (this.#awaiting) this.#silences += 1
    const orders = [this.#send(at, order)]
    if (this.#silences < 2 || this.#alerting) return orders
    this.#alerting = true
    return [...orders, { kind: 'alert', what: 'ac-not-confirmed', id: order.id }]
  }

  #clear(order: State): Order[] {
    if (!this.#alerting) return []
    this.#alerting = false
    return [{ kind: 'alert', what: 'cleared', id: order.id }]
  }
}
