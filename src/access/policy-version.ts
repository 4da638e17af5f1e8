import { createHash } from 'node:crypto'
import type { Actor } from '../audit/events.ts'
import { Failure } from '../model/failure.ts'
import { printable } from '../model/printable.ts'
import type { Entry } from '../store/store.ts'

/** One file of a policy, verbatim. */
export interface PolicyFile {
  /** As it shall stand in decisions and errors. */
  readonly path: string
  readonly text: string
}

/** A policy as it was put in force: all its files, and who did it when. */
export interface PolicyVersion {
  /** Rises by one with every change; 0 is the empty policy of a fresh data directory, which denies everything. */
  readonly version: number
  /** Milliseconds since the epoch. */
  readonly at: number
  readonly actor: Actor
  /** SHA-256 over paths and texts, lower-case hexadecimal. */
  readonly hash: string
  /** In the order of their paths. */
  readonly files: readonly PolicyFile[]
  /** The version whose files were put in force again; null for files that were given. */
  readonly rollbackOf: number | null
}

export interface PolicyLimits {
  /** Files of one policy. */
  readonly policyFiles: number
  /** UTF-8 bytes of all files of one policy. */
  readonly policyBytes: number
  /** Characters of a file's path. */
  readonly policyPath: number
  /** Versions that can be looked at and rolled back to; older ones are dropped. */
  readonly policyVersions: number
}

export const NOTHING_YET: PolicyVersion = {
  version: 0,
  at: 0,
  actor: { kind: 'system', id: 'latchkey' },
  hash: hashOf([]),
  files: [],
  rollbackOf: null,
}

const PREFIX = 'policy/'
const DIGITS = 16

export const VERSIONS_PREFIX = PREFIX
export const CURRENT_KEY = `${PREFIX}current`

export function versionKey(version: number): string {
  return PREFIX + String(version).padStart(DIGITS, '0')
}

export function hashOf(files: readonly PolicyFile[]): string {
  return createHash('sha256')
    .update(JSON.stringify(files.map(({ path, text }) => [path, text])))
    .digest('hex')
}

/** The files in the order of their paths. Throws `invalid-policy` or `too-large`. */
export function checkedFiles(files: readonly PolicyFile[], limits: PolicyLimits): PolicyFile[] {
  if (files.length > limits.policyFiles) {
    throw new Failure('too-large', `a policy has at most ${limits.policyFiles} files and this one has ${files.length}`)
  }
  const bytes = files.reduce((sum, { text }) => sum + Buffer.byteLength(text), 0)
  if (bytes > limits.policyBytes) {
    throw new Failure('too-large', `a policy has at most ${limits.policyBytes} bytes and this one has ${bytes}`)
  }
  const seen = new Set<string>()
  for (const { path } of files) {
    if (path === '' || path.length > limits.policyPath || path !== printable(path, limits.policyPath)) {
      const message = `the path ${JSON.stringify(printable(path, 80))} cannot name a policy file; use 1 to ${limits.policyPath} printable characters`
      throw new Failure('invalid-policy', message)
    }
    if (seen.has(path)) throw new Failure('invalid-policy', `the policy file ${path} is given twice; give it once`)
    seen.add(path)
  }
  return files.map(({ path, text }) => ({ path, text })).sort((a, b) => (a.path < b.path ? -1 : 1))
}

export function readVersion(entry: Entry): PolicyVersion {
  const version = JSON.parse(entry.value.toString()) as PolicyVersion
  if (hashOf(version.files) === version.hash) return version
  throw new Failure(
    'store-failed',
    `policy version ${version.version} does not match its hash; restore a backup or put the policy in force again`,
  )
}
