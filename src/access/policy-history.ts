import type { Actor } from '../audit/events.ts'
import { Failure } from '../model/failure.ts'
import type { PreparedPart } from '../registry/draft.ts'
import type { Operation, Store } from '../store/store.ts'
import {
  CURRENT_KEY,
  hashOf,
  NOTHING_YET,
  type PolicyFile,
  type PolicyLimits,
  type PolicyVersion,
  readVersion,
  VERSIONS_PREFIX,
  versionKey,
} from './policy-version.ts'

/** The policy versions in the Store: `policy/current` names one of `policy/<16 digits>`. */
export class PolicyHistory {
  readonly #store: Store
  readonly #limits: PolicyLimits

  constructor(store: Store, limits: PolicyLimits) {
    this.#store = store
    this.#limits = limits
  }

  /** What the Store says is in force; sees what was accepted and is not yet durable. */
  currentNumber(): number {
    const entry = this.#store.get(CURRENT_KEY)
    return entry ? (JSON.parse(entry.value.toString()) as { version: number }).version : 0
  }

  /** Throws `not-found` when there is no such version (any more). */
  get(version: number): PolicyVersion {
    if (version === 0) return NOTHING_YET
    const entry = Number.isSafeInteger(version) && version > 0 ? this.#store.get(versionKey(version)) : undefined
    if (entry) return readVersion(entry)
    throw new Failure('not-found', `there is no policy version ${version}; list the versions that are kept`)
  }

  /** Oldest first, version 0 among them. */
  async list(): Promise<PolicyVersion[]> {
    await this.#store.flush()
    const versions = [NOTHING_YET]
    for await (const entry of this.#store.list(VERSIONS_PREFIX)) {
      if (entry.key !== CURRENT_KEY) versions.push(readVersion(entry))
    }
    return versions
  }

  /** The next version with these files, and the batch that puts it in force if nobody else was faster. */
  prepare(
    files: readonly PolicyFile[],
    { actor, at, rollbackOf }: { actor: Actor; at: number; rollbackOf: number | null },
  ): { readonly version: PolicyVersion; readonly part: PreparedPart } {
    const before = this.currentNumber()
    const version = { version: before + 1, at, actor, hash: hashOf(files), files, rollbackOf }
    const operations: Operation[] = [
      { put: versionKey(version.version), value: JSON.stringify(version), if: 0 },
      {
        put: CURRENT_KEY,
        value: JSON.stringify({ version: version.version }),
        if: this.#store.get(CURRENT_KEY)?.revision ?? 0,
      },
    ]
    const oldest = version.version - this.#limits.policyVersions
    if (oldest > 0) operations.push({ del: versionKey(oldest) })
    const detail = { before, hash: version.hash, files: files.length, rollbackOf }
    return {
      version,
      part: {
        operations,
        events: [{ type: 'change', what: 'policy.activated', target: String(version.version), actor, detail }],
        changes: [{ kind: 'policy', version: version.version }],
      },
    }
  }
}
