import type { Store } from '../store/store.ts'
import type { Vault } from '../vault/vault.ts'
import { EMPTY_HEAD, type Head, readHead, readRecord, recordFault, recordKey, TRAIL_PREFIX } from './trail.ts'

export interface Verification {
  readonly ok: boolean
  /** How many records were found whole and in their place. */
  readonly records: number
  /** Id of the first record that is wrong or missing; null when it is the head. */
  readonly brokenAt: number | null
  readonly reason: string | null
}

/**
 * Walks the whole trail as it is on disk: every hash, every link, and the head. With `upTo` (a running broker knows its own
 * head) records after it are not looked at: they came while we walked.
 */
export async function verifyTrail(store: Store, vault: Vault, upTo?: Head): Promise<Verification> {
  const stored = readHead(store, vault)
  const head = upTo ?? stored
  if (stored === 'forged' || head === 'forged') return broken(0, null, 'the head is forged: its MAC is wrong')
  if (stored === undefined || head === undefined) return broken(0, null, 'the head is missing')
  let last = EMPTY_HEAD
  let damage: Verification | null = null
  for await (const { key, value } of store.list(TRAIL_PREFIX)) {
    if (upTo !== undefined && last.id >= upTo.id) break
    const expected = last.id + 1
    if (key > recordKey(expected)) return broken(last.id, expected, 'the record is missing')
    const fault = faultOf(value, last)
    if (fault !== null) return broken(last.id, expected, fault)
    if (expected > head.id) return broken(last.id, expected, 'the record lies beyond the head')
    const { hash, event } = readRecord(value)
    last = { id: expected, hash }
    if (event.type === 'damage') damage ??= broken(expected, expected, `found at a start before: ${event.reason}`)
  }
  if (last.id < head.id) return broken(last.id, last.id + 1, 'the record is missing: the end of the trail was cut off')
  if (last.hash !== head.hash) return broken(last.id, last.id, 'the record is not the one that the head names')
  return damage === null
    ? { ok: true, records: last.id, brokenAt: null, reason: null }
    : { ...damage, records: last.id }
}

function faultOf(value: Buffer, last: Head): string | null {
  try {
    return recordFault(value, last)
  } catch {
    return 'the record cannot be read'
  }
}

function broken(records: number, brokenAt: number | null, reason: string): Verification {
  return { ok: false, records, brokenAt, reason }
}
