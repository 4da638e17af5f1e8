import type { Action, Decision, Request } from '../model/decision.ts'
import type { DenialSink } from '../model/denial-sink.ts'
import type { Principal } from '../model/principal.ts'
import { printable } from '../model/printable.ts'
import type { DecisionCircumstances, DecisionEvent } from './events.ts'

interface Row {
  readonly first: DecisionEvent
  count: number
}

/** Permits are counted apart from denials, so that busy devices cannot crowd out what was refused. */
interface Minute {
  readonly number: number
  readonly permits: Map<string, Row>
  readonly denials: Map<string, Row>
  readonly others: Map<string, Row>
}

export interface DecisionLogOptions {
  /** Milliseconds since the epoch. */
  readonly now: () => number
  readonly record: (event: DecisionEvent) => void
  /** Rows of each kind that a minute may have. */
  readonly maximumPermits: number
  readonly maximumDenials: number
}

/** Aggregates decisions per principal, action, rule and minute: the first at once, the total when the minute is over. */
export class DecisionLog implements DenialSink {
  readonly #options: DecisionLogOptions
  #minute: Minute

  constructor(options: DecisionLogOptions) {
    this.#options = options
    this.#minute = newMinute(0)
  }

  get pending(): boolean {
    return this.#minute.permits.size + this.#minute.denials.size > 0
  }

  decided(principal: Principal, request: Request, decision: Decision): void {
    this.repeated(principal, request, decision, 1)
  }

  repeated(principal: Principal, request: Request, decision: Decision, times: number): void {
    const { action, target } = request
    this.roll(Math.floor(this.#options.now() / 60_000))
    const { kind, id } = principal.subject
    const { rule, permit, reason } = decision
    const key = rule
      ? `${kind} ${id} ${action} ${rule.policyVersion} ${rule.role} ${rule.id}`
      : `${kind} ${id} ${action} ${reason}`
    const rows = permit ? this.#minute.permits : this.#minute.denials
    const row = rows.get(key)
    if (row !== undefined) {
      row.count += times
      return
    }
    if (rows.size >= (permit ? this.#options.maximumPermits : this.#options.maximumDenials)) {
      this.#countOther(action, target, decision, times)
      return
    }
    this.#begin(rows, key, times, {
      type: 'decision',
      principal: id,
      action,
      target: printable(target),
      permit,
      rule: rule ? `${rule.role}/${rule.id}` : null,
      policyVersion: rule?.policyVersion ?? null,
      file: rule?.file ?? null,
      line: rule?.line ?? null,
      reason,
      circumstances: circumstancesOf(principal, request),
      minute: this.#minute.number,
      count: 1,
    })
  }

  #countOther(action: Action, target: string, { permit, reason }: Decision, times: number): void {
    const key = `${action} ${permit} ${reason}`
    const row = this.#minute.others.get(key)
    if (row !== undefined) {
      row.count += times
      return
    }
    this.#begin(this.#minute.others, key, times, {
      type: 'decision',
      principal: 'others',
      action,
      target: printable(target),
      permit,
      rule: null,
      policyVersion: null,
      file: null,
      line: null,
      reason,
      circumstances: null,
      minute: this.#minute.number,
      count: 1,
    })
  }

  #begin(rows: Map<string, Row>, key: string, count: number, first: DecisionEvent): void {
    rows.set(key, { first, count })
    this.#options.record(first)
  }

  /** Goes on to this minute; writes the totals of the one before. */
  roll(minute: number): void {
    if (minute !== this.#minute.number) this.#end(minute)
  }

  /** Writes the totals of the minute that is not over. */
  close(): void {
    this.#end(this.#minute.number)
  }

  #end(next: number): void {
    const { permits, denials, others } = this.#minute
    this.#minute = newMinute(next)
    for (const rows of [denials, permits, others]) {
      for (const { first, count } of rows.values()) {
        if (count > 1) this.#options.record({ ...first, count })
      }
    }
  }
}

function newMinute(number: number): Minute {
  return { number, permits: new Map(), denials: new Map(), others: new Map() }
}

function circumstancesOf(principal: Principal, { qos, retain }: Request): DecisionCircumstances {
  const { credential, transport, address, scopes } = principal
  return {
    credential: credential?.kind ?? null,
    transport,
    address,
    qos: qos ?? null,
    retain: retain ?? null,
    scopes: scopes?.join(' ') ?? null,
  }
}
