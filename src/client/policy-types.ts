// Policies, what they decide, and what `apply` does.
import type { Location, TextFile } from './types.ts'

/** One version of the policy, whole. */
export interface PolicyVersion {
  readonly version: number
  readonly createdAt: string
  /** Who put it in force. */
  readonly by: string
  /** SHA-256 over paths and texts. */
  readonly hash: string
  /** The earlier version whose files these are. */
  readonly rollbackOf: number | null
  readonly files: readonly TextFile[]
}

export type PolicyVersionSummary = Omit<PolicyVersion, 'files'> & { readonly files: readonly string[] }

export interface Finding {
  readonly severity: 'warning' | 'note'
  readonly code: string
  readonly message: string
  readonly location: Location | null
}

export interface TestResult {
  readonly name: string
  readonly ok: boolean
  readonly expected: 'allow' | 'deny'
  /** What came out instead and why. */
  readonly problem: string | null
  readonly location: Location
}

export interface PolicyOutcome {
  /** The version that is in force now; with `dryRun` the one that would be. */
  readonly version: number
  /** False when the same files were in force already: there is no new version. */
  readonly changed: boolean
  readonly findings: readonly Finding[]
  readonly tests: readonly TestResult[]
}

export type Action = 'publish' | 'subscribe' | 'receive' | 'enrol' | 'administer'

export interface ExplainInput {
  /** One of the two: who asks. */
  readonly device?: string | undefined
  readonly client?: string | undefined
  readonly action: Action
  /** Topic, filter, device type, or `devices:write`. */
  readonly topic: string
  readonly qos?: 0 | 1 | 2 | undefined
  readonly retain?: boolean | undefined
  readonly credential?: string | undefined
  readonly transport?: string | undefined
  readonly address?: string | undefined
  readonly scopes?: readonly string[] | undefined
}

/** A rule by name and place. */
export interface RuleReference {
  readonly id: string
  readonly role: string
  readonly policyVersion: number
  readonly file: string
  readonly line: number
}

export interface ConsideredRule {
  readonly rule: RuleReference
  readonly effect: 'permit' | 'forbid'
  /** As written. */
  readonly patterns: readonly string[]
  /** As they stand for this device. */
  readonly filters: readonly string[]
  readonly outcome: 'applies' | 'covers-part' | 'no-match' | 'condition' | 'no-value'
  readonly condition: string | null
}

export interface Explanation {
  readonly permit: boolean
  readonly reason: 'rule' | 'no-rule' | 'scope' | 'reserved'
  readonly rule: RuleReference | null
  /** In one sentence. */
  readonly summary: string
  readonly roles: readonly string[]
  /** Roles that no policy file defines. */
  readonly unknownRoles: readonly string[]
  readonly considered: readonly ConsideredRule[]
  /** For a subscription: a topic it would reach and no rule permits. */
  readonly uncovered: string | null
  readonly policyVersion: number
  /** What was assumed of the circumstances, for rules with conditions. */
  readonly context: {
    readonly credential: string | null
    readonly transport: string
    readonly address: string
    readonly now: string
  }
  /** What the audit trail says, when a denial was asked about. */
  readonly denial: {
    readonly action: string
    readonly target: string
    readonly permit: boolean
    readonly count: number
    /** False when the same question is answered otherwise by now. */
    readonly agrees: boolean
  } | null
}

export interface PlanStep {
  readonly action: 'create' | 'update' | 'unchanged'
  readonly kind: 'device-type' | 'device' | 'client' | 'policy'
  readonly id: string
  readonly fields: readonly { readonly name: string; readonly before: unknown; readonly after: unknown }[]
  readonly location: Location
}

/** What `apply` did, or would do. */
export interface ApplyPlan {
  /** False after a dry run. */
  readonly applied: boolean
  /** Whether any step is more than `unchanged`. */
  readonly changes: boolean
  readonly steps: readonly PlanStep[]
  /** What became of the policy; null when no policy file was sent: then the one in force stays. */
  readonly policy: PolicyOutcome | null
  /** Files that are no YAML and were left alone. */
  readonly ignored: readonly string[]
}
