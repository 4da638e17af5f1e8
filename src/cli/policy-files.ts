// Policies without a broker: read, compiled and judged as the broker would.
import type { Finding, TestResult, TextFile } from '../client/client.ts'
import { YamlReader } from '../model/yaml-reader.ts'
import { lint } from '../policy/lint.ts'
import { parsePolicy } from '../policy/parse-policy.ts'
import { compile, type Policy } from '../policy/policy.ts'
import { runTests } from '../policy/run-tests.ts'
import { Misuse } from './misuse.ts'

/** A folder's files apart: manifests say their `kind`, the others are policies. Throws misuse when there is no policy. */
export function sorted(files: readonly TextFile[]): { policies: readonly TextFile[]; manifests: readonly TextFile[] } {
  const isManifest = ({ path, text }: TextFile): boolean => {
    const [first] = new YamlReader(path, 'invalid-policy').documents(text)
    return first?.has('kind') ?? false
  }
  const manifests = files.filter(isManifest)
  const policies = files.filter(file => !manifests.includes(file))
  if (policies.length === 0) throw new Misuse('there is no policy file among these: a policy begins with "version: 1"')
  return { policies, manifests }
}

/** Throws `invalid-policy` with the place of the first error. */
export const compileFiles = (files: readonly TextFile[]): Policy =>
  compile(
    files.map(({ path, text }) => parsePolicy(text, path)),
    0,
  )

export const findingsOf = (policy: Policy): Finding[] =>
  lint(policy).map(({ place, ...finding }) => ({ ...finding, location: place }))

/** Devices that a test names by id come from the manifests beside the policy. */
export async function testsOf(policy: Policy, manifests: readonly TextFile[]): Promise<TestResult[]> {
  const { subjectsIn } = await import('../offline-subjects.ts') // late: it brings the registry with it
  return runTests(policy, subjectsIn(manifests)).map(({ name, ok, expected, problem, place }) => ({
    name,
    ok,
    expected,
    problem,
    location: place,
  }))
}
