import type { Context, Decision, Request } from '../model/decision.ts'
import type { Principal, Subject } from '../model/principal.ts'
import type { BoundRules } from '../policy/bind.ts'

/** Why Rights bind themselves anew: another policy, or a subject that has changed. */
export interface Judge {
  /** Rises with whatever can change a decision. */
  readonly epoch: number
  /** The subject and its rules as they are now, or null when neither has changed since `epoch`. */
  rebind(principal: Principal, epoch: number): { subject: Subject; rules: BoundRules } | null
  /** Decides and counts; never throws. */
  judge(rules: BoundRules, principal: Principal, request: Request, context: Context): Decision
  /** These Rights have answers to report that came out of their cache. */
  owes(rights: Rights): void
  report(principal: Principal, request: Request, decision: Decision, times: number): void
  /** Decides without counting. */
  glance(rules: BoundRules, request: Request, context: Context): Decision
  readonly now: () => number
  readonly limits: RightsLimits
}

export interface RightsLimits {
  /** Answers that one principal's Rights keep. */
  readonly keptDecisions: number
  /** Characters of a topic or filter whose answer is kept. */
  readonly keptTarget: number
}

interface Kept {
  readonly request: Request
  readonly decision: Decision
  repeats: number
}

/**
 * What one principal may do, for hot paths: answers are kept until the epoch moves or a time window turns. Judged by
 * what the registry and the policy say now, whether the principal is connected or not.
 */
export class Rights {
  readonly #judge: Judge
  #principal: Principal
  #rules: BoundRules
  #epoch: number
  /** null until the first: who only listens has none. */
  #kept: Map<string, Kept> | null = null
  /** Kept answers that were repeated since the last report. */
  #repeated: Kept[] = []

  constructor(judge: Judge, principal: Principal, rules: BoundRules) {
    this.#judge = judge
    this.#principal = principal
    this.#rules = rules
    this.#epoch = judge.epoch
  }

  /** With the subject as it was when last looked at. */
  get principal(): Principal {
    return this.#principal
  }

  decide(request: Request): Decision {
    if (this.#epoch !== this.#judge.epoch) this.#follow()
    const key = `${request.action} ${request.qos ?? '-'}${request.retain ?? '-'} ${request.target}`
    const kept = this.#kept?.get(key)
    if (kept && (kept.decision.until === null || this.#judge.now() < kept.decision.until)) {
      if (kept.repeats === 0) this.#owe(kept)
      kept.repeats++
      return kept.decision
    }
    const decision = this.#judge.judge(this.#rules, this.#principal, request, this.#context())
    this.#keep(key, { request, decision, repeats: 0 })
    return decision
  }

  /** The same answer, neither counted nor kept: for lists of what somebody may have, where nobody has asked for the rest. */
  glance(request: Request): Decision {
    if (this.#epoch !== this.#judge.epoch) this.#follow()
    return this.#judge.glance(this.#rules, request, this.#context())
  }

  /** Reports what came out of the cache since the last time. */
  settle(): void {
    const repeated = this.#repeated
    this.#repeated = []
    for (const kept of repeated) {
      const times = kept.repeats
      kept.repeats = 0
      this.#judge.report(this.#principal, kept.request, kept.decision, times)
    }
  }

  #owe(kept: Kept): void {
    if (this.#repeated.length === 0) this.#judge.owes(this)
    this.#repeated.push(kept)
  }

  #keep(key: string, kept: Kept): void {
    const { keptDecisions, keptTarget } = this.#judge.limits
    this.#kept?.delete(key)
    if (kept.request.target.length > keptTarget) return
    if (kept.request.action === 'subscribe' && kept.decision.permit) return // the subscription keeps it
    this.#kept ??= new Map()
    const oldest = this.#kept.keys().next()
    if (this.#kept.size >= keptDecisions && !oldest.done) this.#kept.delete(oldest.value)
    this.#kept.set(key, kept)
  }

  #follow(): void {
    const bound = this.#judge.rebind(this.#principal, this.#epoch)
    this.#epoch = this.#judge.epoch
    if (!bound) return
    this.settle()
    this.#kept = null
    this.#rules = bound.rules
    this.#principal = { ...this.#principal, subject: bound.subject }
  }

  #context(): Context {
    const { credential, transport, address } = this.#principal
    return { credential: credential?.kind ?? null, transport, address, now: this.#judge.now() }
  }
}
