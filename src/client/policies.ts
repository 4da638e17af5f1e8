import type { Connection } from './connection.ts'
import { pages } from './pages.ts'
import type {
  ExplainInput,
  Explanation,
  Finding,
  PolicyOutcome,
  PolicyVersion,
  PolicyVersionSummary,
  TestResult,
} from './policy-types.ts'
import type { Page, PageQuery, TextFile } from './types.ts'

const PATH = '/v1/policies'

/** The policy and its versions. Needs `policies:read` or `policies:write`. */
export class Policies {
  readonly #connection: Connection

  constructor(connection: Connection) {
    this.#connection = connection
  }

  /** The version in force. */
  current(): Promise<PolicyVersion> {
    return this.#connection.json({ method: 'GET', path: PATH })
  }

  /** Newest first. */
  versions(query: PageQuery = {}): Promise<Page<PolicyVersionSummary>> {
    return this.#connection.json({ method: 'GET', path: `${PATH}/versions`, query: { ...query } })
  }

  allVersions(): AsyncGenerator<PolicyVersionSummary> {
    return pages(page => this.versions(page))
  }

  version(version: number): Promise<PolicyVersion> {
    return this.#connection.json({ method: 'GET', path: `${PATH}/versions/${version}` })
  }

  /** Puts a new version in force, all files together, unless a test in them fails. `dryRun` only tells what would come. */
  put(files: readonly TextFile[], options: { readonly dryRun?: boolean } = {}): Promise<PolicyOutcome> {
    return this.#connection.json({ method: 'PUT', path: PATH, body: { files, ...options } })
  }

  /** Is it well formed, and what looks unintended? Nothing is changed. */
  check(files: readonly TextFile[]): Promise<{ readonly findings: readonly Finding[] }> {
    return this.#connection.json({ method: 'POST', path: `${PATH}/check`, body: { files } })
  }

  /** Runs the tests in these files, or in the version in force. A failed test is an answer, not an error. */
  test(files?: readonly TextFile[]): Promise<{ readonly ok: boolean; readonly tests: readonly TestResult[] }> {
    return this.#connection.json({ method: 'POST', path: `${PATH}/test`, body: files === undefined ? {} : { files } })
  }

  /** Would it be permitted, and by which rule? */
  explain(input: ExplainInput): Promise<Explanation> {
    return this.#connection.json({ method: 'POST', path: `${PATH}/explain`, body: input })
  }

  /** Why was it denied? `denial` is the id of a `decision` record in the audit trail. */
  explainDenial(denial: number): Promise<Explanation> {
    return this.#connection.json({ method: 'POST', path: `${PATH}/explain`, body: { denial } })
  }

  /** Puts an earlier version in force again, as a new one. */
  rollback(version: number): Promise<PolicyOutcome> {
    return this.#connection.json({ method: 'POST', path: `${PATH}/rollback`, body: { version } })
  }
}
