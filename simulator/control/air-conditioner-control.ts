// How an air conditioner obeys. Pure: time comes in with every call, states to report go out.

import { AIR_CONDITIONER_TIMES, type AirConditionerTimes, type Command, type Mode, type State } from './orders.ts'

/**
 * Obeys the newest command, as far as the compressor allows, and answers with its true state: at once, or with the next tick
 * when there is something to switch. An answer with the id of the command and another mode says: heard, but not yet. `mode`
 * belongs on the unit after every call.
 */
export class AirConditionerControl {
  readonly #times: AirConditionerTimes
  #mode: Mode = 'off'
  #since = Number.NEGATIVE_INFINITY
  #ordered: State = { mode: 'off', id: 0 }
  #heardAt = Number.NEGATIVE_INFINITY
  #answerDue = false

  constructor(times: Partial<AirConditionerTimes> = {}) {
    this.#times = { ...AIR_CONDITIONER_TIMES, ...times }
  }

  get mode(): Mode {
    return this.#mode
  }

  /** To report after every connect, too. */
  get state(): State {
    return { mode: this.#mode, id: this.#ordered.id }
  }

  /** A command, new or repeated. An older one is not obeyed: the answer tells its sender where the ids stand. */
  commanded(at: number, command: Command): State[] {
    const known = this.#ordered
    const repeated = command.id === known.id && command.mode === known.mode
    if (!repeated && command.id <= known.id) return [this.state]
    this.#ordered = { mode: command.mode, id: command.id }
    this.#heardAt = at
    // Commands that waited out an outage come in a burst: only the last of them may switch the compressor.
    this.#answerDue = command.mode !== this.#mode
    return this.#answerDue ? [] : [this.state]
  }

  /** At least every 20 simulated seconds: switches what is to be switched. Empty when there is nothing to tell. */
  tick(at: number): State[] {
    const before = this.#mode
    this.#settle(at)
    if (this.#mode === before && !this.#answerDue) return []
    this.#answerDue = false
    return [this.state]
  }

  #settle(at: number): void {
    // A room that nobody watches is better warm than icy.
    const silent = at - this.#heardAt >= this.#times.silence
    const wanted = silent ? 'off' : this.#ordered.mode
    if (wanted === this.#mode) return
    const { minimumOn, minimumOff } = this.#times
    if (at - this.#since < (this.#mode === 'cool' ? minimumOn : minimumOff)) return
    this.#mode = wanted
    this.#since = at
  }
}
