import type { Change } from '../model/change.ts'
import type { Clock } from '../model/clock.ts'
import type { Context, Decision, Request } from '../model/decision.ts'
import type { DenialSink } from '../model/denial-sink.ts'
import type { Log } from '../model/log.ts'
import type { Meter } from '../model/meter.ts'
import type { Principal, Subject } from '../model/principal.ts'
import { type BoundRules, bind } from '../policy/bind.ts'
import { refused } from '../policy/outcome.ts'
import { compile, type Policy } from '../policy/policy.ts'
import { currentSubject, isSameSubject, type Register } from './current-subject.ts'
import { type Judge, Rights, type RightsLimits } from './rights.ts'
import type { Scheduler } from './scheduler.ts'

/** `off-for-tests` permits everything, so that a test of an attack is seen to fail. No configuration file can say it. */
export type Enforcement = 'on' | 'off-for-tests'

export interface JudgeLimits extends RightsLimits {
  /** Milliseconds until repeated answers are reported. */
  readonly repeatInterval: number
  /** Owners whose last change is remembered; when there are more, everybody's rights are looked at again. */
  readonly changedOwners: number
}

export interface JudgeParts {
  readonly register: Register
  readonly decisions: DenialSink
  readonly clock: Clock
  readonly scheduler: Scheduler
  readonly meter: Meter
  readonly log: Log
  readonly limits: JudgeLimits
  readonly enforcement: Enforcement
}

const EVERYTHING: Decision = { permit: true, rule: null, maxQos: 2, until: null, reason: 'rule' }
const NO_POLICY = compile([], 0)

/** Decides under the policy in force, and knows for whom something has changed. */
export class PolicyJudge implements Judge {
  readonly #parts: JudgeParts
  readonly now: () => number
  #policy: Policy = NO_POLICY
  #epoch = 1
  /** The epoch at which the policy came into force. */
  #policyEpoch = 1
  /** The epoch at which an owner last changed. */
  readonly #changed = new Map<string, number>()
  /** Owners that are not in `changed` have not changed after this epoch. */
  #unchangedSince = 1
  readonly #rights = new WeakMap<Principal, Rights>()
  #owing = new Set<Rights>()
  #cancelReport: (() => void) | null = null

  constructor(parts: JudgeParts) {
    this.#parts = parts
    this.now = () => parts.clock.now()
  }

  get epoch(): number {
    return this.#epoch
  }

  get policy(): Policy {
    return this.#policy
  }

  get limits(): RightsLimits {
    return this.#parts.limits
  }

  enforce(policy: Policy): void {
    this.#policy = policy
    this.#epoch++
    this.#policyEpoch = this.#epoch
  }

  /** Who was just created has no rights yet that could be out of date; its gateway is told by a change of its own. */
  follow(change: Change): void {
    if ((change.kind !== 'device' && change.kind !== 'client') || change.what === 'created') return
    this.#epoch++
    if (this.#changed.size >= this.#parts.limits.changedOwners) {
      this.#changed.clear()
      this.#unchangedSince = this.#epoch
    }
    this.#changed.set(change.id, this.#epoch)
  }

  /** Rights by the subject as the registry has it now. */
  rights(principal: Principal): Rights {
    const known = this.#rights.get(principal)
    if (known) return known
    const { subject, rules } = this.#bind(principal)
    const rights = new Rights(this, { ...principal, subject }, rules)
    this.#rights.set(principal, rights)
    return rights
  }

  /** By the subject as given: nothing is kept and nothing is looked up. */
  decide(principal: Principal, request: Request): Decision {
    const { subject, scopes, credential, transport, address } = principal
    const context = { credential: credential?.kind ?? null, transport, address, now: this.now() }
    return this.judge(bind(this.#policy, subject, scopes), principal, request, context)
  }

  judge(rules: BoundRules, principal: Principal, request: Request, context: Context): Decision {
    if (this.#parts.enforcement === 'off-for-tests') return EVERYTHING
    const decision = this.#ask(rules, request, context)
    this.#count(request, decision, 1)
    this.#tell(sink => sink.decided(principal, request, decision))
    return decision
  }

  glance(rules: BoundRules, request: Request, context: Context): Decision {
    return this.#parts.enforcement === 'off-for-tests' ? EVERYTHING : this.#ask(rules, request, context)
  }

  rebind(principal: Principal, epoch: number): { subject: Subject; rules: BoundRules } | null {
    const changed = this.#changed.get(principal.subject.id) ?? this.#unchangedSince
    if (this.#policyEpoch <= epoch && changed <= epoch) return null
    const fresh = this.#bind(principal)
    return this.#policyEpoch <= epoch && isSameSubject(fresh.subject, principal.subject) ? null : fresh
  }

  owes(rights: Rights): void {
    this.#owing.add(rights)
    this.#cancelReport ??= this.#parts.scheduler.after(this.#parts.limits.repeatInterval, () => this.settle())
  }

  report(principal: Principal, request: Request, decision: Decision, times: number): void {
    if (this.#parts.enforcement === 'off-for-tests') return
    this.#count(request, decision, times)
    this.#tell(sink => sink.repeated(principal, request, decision, times))
  }

  /** Reports everything that came out of caches so far. */
  settle(): void {
    this.#cancelReport?.()
    this.#cancelReport = null
    const owing = this.#owing
    this.#owing = new Set()
    for (const rights of owing) rights.settle()
  }

  #subjectOf(principal: Principal): Subject | undefined {
    try {
      return currentSubject(this.#parts.register, principal)
    } catch (error) {
      this.#parts.log.error({ cause: String(error) }, 'a subject could not be read and has no rights')
      return undefined
    }
  }

  /** Who is gone from the registry has no rights at all. */
  #bind(principal: Principal): { subject: Subject; rules: BoundRules } {
    const { subject, scopes } = principal
    const fresh = this.#subjectOf(principal)
    if (fresh) return { subject: fresh, rules: bind(this.#policy, fresh, scopes) }
    const nobody = { ...subject, type: null, groups: [], roles: [], children: [] }
    return { subject: nobody, rules: bind(NO_POLICY, nobody, []) }
  }

  #ask(rules: BoundRules, request: Request, context: Context): Decision {
    try {
      return rules.decide(request, context)
    } catch (error) {
      this.#parts.log.error({ action: request.action, cause: String(error) }, 'a decision failed and denies')
      return refused('no-rule', null)
    }
  }

  #tell(telling: (sink: DenialSink) => void): void {
    try {
      telling(this.#parts.decisions)
    } catch (error) {
      this.#parts.log.error({ cause: String(error) }, 'a decision could not be recorded')
    }
  }

  #count({ action }: Request, { permit }: Decision, times: number): void {
    this.#parts.meter.count('latchkey_decisions_total', { action, result: permit ? 'permit' : 'deny' }, times)
  }
}
