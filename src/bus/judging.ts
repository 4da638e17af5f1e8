import type { Clock } from '../model/clock.ts'
import type { Decision, Request } from '../model/decision.ts'
import type { Principal } from '../model/principal.ts'

/** What the policy grants one principal; binds itself anew when the epoch moves. */
export interface Rights {
  decide(request: Request): Decision
}

/** What the bus asks of `access`. */
export interface Judge {
  /** Rises with whatever can change a decision. */
  readonly epoch: number
  rights(principal: Principal): Rights
}

/** Who decides, and when it is. */
export interface Judging {
  readonly access: Judge
  readonly clock: Clock
}

/** Whether a decision taken at this epoch still holds. */
export function stillHolds(epoch: number, until: number | null, { access, clock }: Judging): boolean {
  return epoch === access.epoch && (until === null || clock.now() < until)
}

/**
 * One permission, kept until the epoch moves, its time window turns, or somebody else holds the rights. A refusal is
 * asked for again each time, so that every one of them is counted.
 */
export class KeptDecision {
  readonly #request: Request
  #decision: Decision | null = null
  #rights: Rights | null = null
  #epoch = -1
  /** A refusal that was seen by `permits` alone, and has still to be told. */
  #untold: Decision | null = null

  constructor(request: Request) {
    this.#request = request
  }

  /** Whether it is permitted. A refusal is the next answer of `of`, without being asked for again. */
  permits(rights: Rights, judging: Judging): boolean {
    const decision = this.of(rights, judging)
    if (!decision.permit) this.#untold = decision
    return decision.permit
  }

  of(rights: Rights, judging: Judging): Decision {
    const untold = this.#untold
    this.#untold = null
    if (untold !== null) return untold
    const kept = this.#decision
    if (kept?.permit && this.#rights === rights && stillHolds(this.#epoch, kept.until, judging)) return kept
    this.#epoch = judging.access.epoch
    this.#rights = rights
    this.#decision = rights.decide(this.#request)
    return this.#decision
  }
}

/** What one session may receive of one topic, by QoS and RETAIN as delivered. Decided when first asked. */
export class ReceiveDecisions {
  readonly #topic: string
  readonly #judging: Judging
  #rights: Rights
  #epoch = -1
  #until: number | null = null
  /** One bit for each QoS, without RETAIN and with it. */
  #decided = 0
  #permitted = 0

  constructor(topic: string, rights: Rights, judging: Judging) {
    this.#topic = topic
    this.#rights = rights
    this.#judging = judging
  }

  /** At which all was decided. */
  get epoch(): number {
    return this.#epoch
  }

  /** When a time window changes what was decided so far. */
  get until(): number | null {
    return this.#until
  }

  /** A filter is permitted only if every topic it matches is: this asks no more than the subscription did. */
  permits(rights: Rights, qos: 0 | 1 | 2, retain: boolean): boolean {
    if (this.#rights !== rights || !stillHolds(this.#epoch, this.#until, this.#judging)) {
      this.#rights = rights
      this.#epoch = this.#judging.access.epoch
      this.#until = null
      this.#decided = this.#permitted = 0
    }
    const bit = 1 << (retain ? qos + 3 : qos)
    if ((this.#decided & bit) === 0) this.#decide(bit, qos, retain)
    return (this.#permitted & bit) !== 0
  }

  #decide(bit: number, qos: 0 | 1 | 2, retain: boolean): void {
    const { permit, until } = this.#rights.decide({ action: 'receive', target: this.#topic, qos, retain })
    this.#decided |= bit
    if (permit) this.#permitted |= bit
    if (until !== null && (this.#until === null || until < this.#until)) this.#until = until
  }
}
