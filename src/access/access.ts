import type { Audit } from '../audit/audit.ts'
import type { Actor } from '../audit/events.ts'
import type { Change, Changes } from '../model/change.ts'
import type { Clock } from '../model/clock.ts'
import type { Decision, Request } from '../model/decision.ts'
import type { DenialSink } from '../model/denial-sink.ts'
import { Failure } from '../model/failure.ts'
import type { Log } from '../model/log.ts'
import type { Meter } from '../model/meter.ts'
import type { Principal } from '../model/principal.ts'
import type { Policy } from '../policy/policy.ts'
import type { Registry } from '../registry/registry.ts'
import type { Store } from '../store/store.ts'
import { type ApplyLimits, type ApplyPlan, applyFiles, type PolicyKeeper } from './apply.ts'
import { type DenialExplanation, Explainer, type ExplainQuery, type OwnerExplanation } from './explainer.ts'
import { type Enforcement, type JudgeLimits, PolicyJudge } from './judge.ts'
import { LiveSessions } from './live-sessions.ts'
import { PolicyHistory } from './policy-history.ts'
import { NOTHING_YET, type PolicyFile, type PolicyLimits, type PolicyVersion } from './policy-version.ts'
import {
  compilePolicy,
  type PolicyCircumstances,
  type PolicyOutcome,
  type PreparedPolicy,
  preparePolicy,
} from './prepare-policy.ts'
import type { Rights } from './rights.ts'
import { type Scheduler, systemScheduler } from './scheduler.ts'

export interface AccessLimits extends PolicyLimits, JudgeLimits, ApplyLimits {}

export const DEFAULT_ACCESS_LIMITS: AccessLimits = {
  policyFiles: 256,
  policyBytes: 4_194_304,
  policyPath: 512,
  policyVersions: 1_000,
  keptDecisions: 256,
  keptTarget: 1_024,
  repeatInterval: 1_000,
  changedOwners: 100_000,
  applyFiles: 10_000,
}

export interface AccessOptions {
  readonly store: Store
  readonly audit: Audit
  readonly registry: Registry
  readonly changes: Changes
  readonly clock: Clock
  readonly meter: Meter
  readonly log: Log
  readonly decisions: DenialSink
  readonly limits?: Partial<AccessLimits>
  readonly scheduler?: Scheduler
  readonly enforcement?: Enforcement
}

/** The policy in force, what it says to whom, and who is connected under it. */
export class Access {
  readonly sessions: LiveSessions
  readonly #options: AccessOptions
  readonly #limits: AccessLimits
  readonly #history: PolicyHistory
  readonly #judge: PolicyJudge
  readonly #explainer: Explainer
  readonly #unsubscribe: () => void
  #current: PolicyVersion = NOTHING_YET

  private constructor(options: AccessOptions) {
    const { registry, decisions, clock, meter, log, store, audit } = options
    this.#options = options
    this.#limits = { ...DEFAULT_ACCESS_LIMITS, ...options.limits }
    this.#history = new PolicyHistory(store, this.#limits)
    const scheduler = options.scheduler ?? systemScheduler
    const enforcement = options.enforcement ?? 'on'
    const shared = { register: registry, clock, scheduler, meter, log }
    this.#judge = new PolicyJudge({ ...shared, decisions, limits: this.#limits, enforcement })
    this.sessions = new LiveSessions(shared)
    this.#explainer = new Explainer({ registry, audit, clock, history: this.#history })
    this.#unsubscribe = options.changes.subscribe(change => this.#follow(change))
    meter.gauge('latchkey_policy_version', 'The policy version in force.', () => this.#current.version)
  }

  /**
   * Puts the stored policy in force. One that can no longer be read denies everything, and the log says so: an operator
   * can still come in and put another one in force.
   */
  static async open(options: AccessOptions): Promise<Access> {
    const access = new Access(options)
    access.#load(access.#history.currentNumber())
    return access
  }

  close(): void {
    this.#unsubscribe()
    this.#judge.settle()
    this.sessions.close()
  }

  // --- decisions

  /** Rises with every policy version and every change of a subject; caches of decisions key on it. */
  get epoch(): number {
    return this.#judge.epoch
  }

  /** By the principal exactly as given, at this moment. Synchronous; never throws. */
  decide(principal: Principal, request: Request): Decision {
    return this.#judge.decide(principal, request)
  }

  /** For hot paths, and for principals kept for longer: follows the registry and the policy by itself. */
  rights(principal: Principal): Rights {
    return this.#judge.rights(principal)
  }

  explain(query: ExplainQuery): OwnerExplanation {
    return this.#explainer.explain(this.#judge.policy, query)
  }

  /** Explains a decision of the audit trail, under the policy that was in force then. */
  explainDenial(auditId: number): Promise<DenialExplanation> {
    return this.#explainer.explainDenial(auditId)
  }

  // --- the policy

  policy(): PolicyVersion {
    return this.#current
  }

  /** The policy in force, compiled. */
  get compiled(): Policy {
    return this.#judge.policy
  }

  /** Oldest first. */
  versions(): Promise<PolicyVersion[]> {
    return this.#history.list()
  }

  version(number: number): PolicyVersion {
    return this.#history.get(number)
  }

  /**
   * Puts these files in force as the whole policy, all or nothing, once their own tests pass. Files that are in force
   * already make no new version. Throws `invalid-policy`, `policy-test-failed`, `too-large` or `conflict`.
   */
  async putPolicy(
    files: readonly PolicyFile[],
    actor: Actor,
    { dryRun = false }: { readonly dryRun?: boolean } = {},
  ): Promise<PolicyOutcome> {
    const { outcome, part } = this.#prepare(files, { actor })
    if (!dryRun && part) await this.#options.registry.commitAll([part])
    return outcome
  }

  /** Puts the files of an earlier version in force again, as a new version. Its tests run again. */
  async rollback(version: number, actor: Actor): Promise<PolicyOutcome> {
    const { outcome, part } = this.#prepare(this.#history.get(version).files, { actor, rollbackOf: version })
    if (part) await this.#options.registry.commitAll([part])
    return outcome
  }

  /** Manifests and policies in one batch: the plan first, then all of it or nothing. Idempotent. */
  apply(
    files: readonly PolicyFile[],
    actor: Actor,
    { dryRun = false }: { readonly dryRun?: boolean } = {},
  ): Promise<ApplyPlan> {
    const keeper: PolicyKeeper = {
      current: this.#accepted(),
      compiled: this.compiled,
      prepare: (policies, planned) => this.#prepare(policies, { actor, ...planned }),
    }
    return applyFiles(keeper, this.#options.registry, files, { actor, dryRun, limits: this.#limits })
  }

  /** What is in force, or will be as soon as the batch that was accepted last is durable. */
  #accepted(): PolicyVersion {
    const number = this.#history.currentNumber()
    return number === this.#current.version ? this.#current : this.#history.get(number)
  }

  #prepare(
    files: readonly PolicyFile[],
    circumstances: Pick<PolicyCircumstances, 'actor'> & Partial<PolicyCircumstances>,
  ): PreparedPolicy {
    const { registry, clock } = this.#options
    return preparePolicy(files, {
      at: clock.now(),
      rollbackOf: null,
      current: this.#accepted(),
      history: this.#history,
      limits: this.#limits,
      lookup: id => registry.subjectOf(id),
      isDeviceType: id => registry.deviceType(id) !== undefined,
      ...circumstances,
    })
  }

  /** A policy comes into force when its batch is durable and its change is told; then everybody else hears of it. */
  #follow(change: Change): void {
    if (change.kind !== 'policy') this.#judge.follow(change)
    else if (change.version > this.#current.version) this.#load(change.version)
    this.sessions.follow(change)
  }

  #load(number: number): void {
    try {
      const version = this.#history.get(number)
      this.#enforce(version, compilePolicy(version.files, number))
    } catch (error) {
      const { message, where } = error instanceof Failure ? error : { message: String(error), where: '' }
      const fields = { version: number, where, cause: message }
      this.#options.log.error(fields, 'the stored policy cannot be read: everything is denied')
      this.#enforce({ ...NOTHING_YET, version: number }, compilePolicy([], number))
    }
  }

  #enforce(version: PolicyVersion, policy: Policy): void {
    this.#current = version
    this.#judge.enforce(policy)
  }
}
