// Policies without a broker: read, compiled and judged as the broker would.
import type { Finding, TestResult, TextFile } from '../client/client.ts'
import { parseYaml } from '../model/yaml-source.ts'
import { lint } from '../policy/lint.ts'
import { parsePolicy } from '../policy/parse-policy.ts'
import { compile, type Policy } from '../policy/policy.ts'
import { runTests } from '../policy/run-tests.ts'
import { Misuse } from './misuse.ts'

/** Of a folder's files those that are policies: manifests say their `kind`. Throws misuse when none is left. */
export function policyFiles(files: readonly TextFile[]): readonly TextFile[] {
  const policies = files.filter(({ path, text }) => {
    const [first] = parseYaml(text, path, 'invalid-policy')
    return !(typeof first?.value === 'object' && first.value !== null && Object.hasOwn(first.value, 'kind'))
  })
  if (policies.length === 0) throw new Misuse('there is no policy file among these: a policy begins with "version: 1"')
  return policies
}

/** Throws `invalid-policy` with the place of the first error. */
export const compileFiles = (files: readonly TextFile[]): Policy =>
  compile(
    files.map(({ path, text }) => parsePolicy(text, path)),
    0,
  )

export const findingsOf = (policy: Policy): Finding[] =>
  lint(policy).map(({ place, ...finding }) => ({ ...finding, location: place }))

/** Tests that name registered devices fail here, and say that the broker knows them. */
export const testsOf = (policy: Policy): TestResult[] =>
  runTests(policy).map(({ name, ok, expected, problem, place }) => ({ name, ok, expected, problem, location: place }))
