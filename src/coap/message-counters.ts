import { codeText } from '../coap-wire/codes.ts'
import type { Meter } from '../model/meter.ts'
import type { TimerWheel } from './timer-wheel.ts'

/** Milliseconds that a count may wait before the meter has it. */
const FLUSH_AFTER = 1000

export type DropReason =
  /** Not CoAP, or malformed beyond an answer. */
  | 'malformed'
  /** Neither request, acknowledgement nor reset: nothing we serve. */
  | 'unexpected'
  /** The peer asks faster than it may, and was told. */
  | 'rate'
  /** All exchanges that are remembered of the peer are in progress. */
  | 'busy'
  /** The queue to the peer was full. */
  | 'queue'
  /** A notification longer than a datagram may be. */
  | 'size'
  /** The peer never acknowledged. */
  | 'timeout'
  /** The network takes nothing, or refuses the datagram. */
  | 'network'

/** What became of a request that bears the OSCORE option. */
export type OscoreResult =
  | 'served'
  /** Asked with Echo to show that it is new, or from where. */
  | 'challenged'
  | 'replayed'
  | 'undecryptable'
  /** No such context, or none any more. */
  | 'unknown'
  | 'malformed'

const METHODS: readonly string[] = ['other', 'GET', 'POST', 'PUT', 'DELETE', 'FETCH', 'PATCH', 'iPATCH']

/** Counts in numbers and tells the meter once a second, because labels cost more than an answer. */
export class MessageCounters {
  readonly #meter: Meter
  readonly #wheel: TimerWheel
  /** By method and code, in one number. */
  readonly #requests = new Map<number, number>()
  readonly #dropped = new Map<DropReason, number>()
  readonly #oscore = new Map<OscoreResult, number>()
  #duplicates = 0
  #retransmissions = 0
  #waiting = false

  constructor(meter: Meter, wheel: TimerWheel) {
    this.#meter = meter
    this.#wheel = wheel
  }

  request(method: number, code: number): void {
    const key = ((method < METHODS.length ? method : 0) << 8) | code
    this.#requests.set(key, (this.#requests.get(key) ?? 0) + 1)
    if (!this.#waiting) this.#wait()
  }

  dropped(reason: DropReason): void {
    this.#dropped.set(reason, (this.#dropped.get(reason) ?? 0) + 1)
    if (!this.#waiting) this.#wait()
  }

  /** A request that was protected by OSCORE. */
  oscore(result: OscoreResult): void {
    this.#oscore.set(result, (this.#oscore.get(result) ?? 0) + 1)
    if (!this.#waiting) this.#wait()
  }

  duplicate(): void {
    this.#duplicates += 1
    if (!this.#waiting) this.#wait()
  }

  retransmission(): void {
    this.#retransmissions += 1
    if (!this.#waiting) this.#wait()
  }

  /** Tells the meter what it has not been told yet. */
  flush(): void {
    this.#waiting = false
    for (const [key, count] of this.#requests) {
      const labels = { method: METHODS[key >> 8] ?? 'other', code: codeText(key & 0xff) }
      this.#meter.count('latchkey_coap_requests_total', labels, count)
    }
    this.#requests.clear()
    for (const [reason, count] of this.#dropped) this.#meter.count('latchkey_coap_dropped_total', { reason }, count)
    this.#dropped.clear()
    for (const [result, count] of this.#oscore)
      this.#meter.count('latchkey_coap_oscore_requests_total', { result }, count)
    this.#oscore.clear()
    if (this.#duplicates > 0) this.#meter.count('latchkey_coap_duplicates_total', {}, this.#duplicates)
    this.#duplicates = 0
    if (this.#retransmissions > 0) this.#meter.count('latchkey_coap_retransmissions_total', {}, this.#retransmissions)
    this.#retransmissions = 0
  }

  #wait(): void {
    this.#waiting = true
    this.#wheel.after(FLUSH_AFTER, () => this.flush())
  }
}
