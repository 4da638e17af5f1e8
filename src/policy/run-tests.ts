import type { Decision } from '../model/decision.ts'
import type { Subject } from '../model/principal.ts'
import { bind } from './bind.ts'
import type { Place, PolicyTest } from './document.ts'
import type { Policy } from './policy.ts'

export interface TestResult {
  /** `device t1 publish home/attic/temperature: deny` */
  readonly name: string
  readonly ok: boolean
  readonly expected: 'allow' | 'deny'
  /** null when nobody has the id that the test names. */
  readonly decision: Decision | null
  /** What came out instead and why; null when the test passed. */
  readonly problem: string | null
  readonly place: Place
}

/** Finds a registered device or client by its id. */
export type SubjectLookup = (id: string) => Subject | undefined

/** Runs the `tests:` of all files. Devices that a test names by id come from `lookup`. */
export function runTests(policy: Policy, lookup: SubjectLookup = () => undefined): TestResult[] {
  return policy.documents.flatMap(document => document.tests).map(test => runTest(policy, test, lookup))
}

function runTest(policy: Policy, test: PolicyTest, lookup: SubjectLookup): TestResult {
  const id = 'inline' in test.actor ? test.actor.inline.id : test.actor.registered
  const subject = 'inline' in test.actor ? test.actor.inline : lookup(id)
  const told = { name: `${id} ${test.action} ${test.target}: ${test.expect}`, expected: test.expect, place: test.place }
  if (!subject) {
    const problem = `no device or client is called ${id}; describe it in the test, or register it first`
    return { ...told, ok: false, decision: null, problem }
  }
  const { action, target, qos, retain, credential, transport, address, at } = test
  // A test that names no QoS publishes with 0 and subscribes with whatever it may get.
  const request = { action, target, retain, ...(action === 'subscribe' && qos === null ? {} : { qos: qos ?? 0 }) }
  const decision = bind(policy, subject, test.scopes).decide(request, { credential, transport, address, now: at })
  const problem = judge(test, decision)
  return { ...told, ok: problem === null, decision, problem }
}

function judge(test: PolicyTest, decision: Decision): string | null {
  const { rule, reason, permit } = decision
  const by = rule ? `rule ${rule.id} of role ${rule.role} (${rule.file}:${rule.line})` : reason
  if (permit !== (test.expect === 'allow')) return `it was ${permit ? 'permitted' : 'denied'} by ${by}`
  if (test.rule !== null && test.rule !== rule?.id) return `it was decided by ${by} and not by rule ${test.rule}`
  return null
}
