import type { Actor } from '../audit/events.ts'
import { Failure } from '../model/failure.ts'
import { type Finding, lint } from '../policy/lint.ts'
import { parsePolicy } from '../policy/parse-policy.ts'
import { compile, type Policy } from '../policy/policy.ts'
import { runTests, type SubjectLookup, type TestResult } from '../policy/run-tests.ts'
import type { PreparedPart } from '../registry/draft.ts'
import type { PolicyHistory } from './policy-history.ts'
import { checkedFiles, hashOf, type PolicyFile, type PolicyLimits, type PolicyVersion } from './policy-version.ts'

/** What came of a policy that was put in force, or would. */
export interface PolicyOutcome {
  /** The version that is in force now (or would be). */
  readonly version: number
  /** False when the policy in force has the same files already: then there is no new version. */
  readonly changed: boolean
  readonly findings: readonly Finding[]
  readonly tests: readonly TestResult[]
}

/** A policy that was checked and could be put in force. */
export interface PreparedPolicy {
  readonly outcome: PolicyOutcome
  readonly policy: Policy
  /** null when nothing changes. */
  readonly part: PreparedPart | null
}

export interface PolicyCircumstances {
  readonly actor: Actor
  /** Milliseconds since the epoch. */
  readonly at: number
  readonly rollbackOf: number | null
  /** What is in force now. */
  readonly current: PolicyVersion
  readonly history: PolicyHistory
  readonly limits: PolicyLimits
  /** Finds the devices and clients that tests name. */
  readonly lookup: SubjectLookup
  readonly isDeviceType: (id: string) => boolean
  /** Roles that manifests beside the policy give. */
  readonly rolesInUse?: ReadonlySet<string>
}

/**
 * Parses, compiles and tests the files as one whole policy, and prepares the batch that puts it in force. Throws
 * `invalid-policy`, `policy-test-failed` or `too-large`.
 */
export function preparePolicy(files: readonly PolicyFile[], circumstances: PolicyCircumstances): PreparedPolicy {
  const { current, history, limits, lookup, isDeviceType, rolesInUse = new Set<string>() } = circumstances
  const checked = checkedFiles(files, limits)
  const changed = hashOf(checked) !== current.hash
  const next = changed ? history.prepare(checked, circumstances) : { version: current, part: null }
  const { version } = next.version
  const policy = compilePolicy(checked, version)
  const tests = runTests(policy, lookup)
  refuseFailed(tests)
  const findings = lint(policy, { isDeviceType, rolesInUse })
  return { outcome: { version, changed, findings, tests }, policy, part: next.part }
}

export function compilePolicy(files: readonly PolicyFile[], version: number): Policy {
  return compile(
    files.map(({ path, text }) => parsePolicy(text, path)),
    version,
  )
}

function refuseFailed(tests: readonly TestResult[]): void {
  const failed = tests.filter(test => !test.ok)
  const [first] = failed
  if (!first) return
  const more = failed.length > 1 ? ` (and ${failed.length - 1} more of ${tests.length} tests failed)` : ''
  throw new Failure('policy-test-failed', `the test "${first.name}" failed: ${first.problem}${more}`, {
    location: first.place,
  })
}
