// A credential that its own device renews: one successor at a time, and an end for the old one.
import { Failure } from '../model/failure.ts'
import { credentialOf, endCredential, whyUnusable, writeRevocation } from './credentials.ts'
import type { Draft } from './draft.ts'
import { type Circumstances, ownerOf } from './owners.ts'
import type { CredentialRecord } from './records.ts'
import { credentialAt } from './slots.ts'

export interface SuccessionInput {
  /** Seconds during which the old one still works, if it does not end before. */
  readonly overlap: number
  /** Whether somebody is connected by this credential now. */
  isInUse(credential: string): boolean
}

/**
 * Makes room for the successor of `id`, which is made after this in the same batch with `renews: id`. However often a
 * device asks, two live credentials are left: whoever renews by a credential has it, so the one before that ends; and
 * what an earlier renewal left and nobody is connected by ends too. A successor that is in use stays: then that is the
 * one to be renewed, and `wrong-state` says so.
 */
export function succeed(draft: Draft, id: string, { overlap, isInUse }: SuccessionInput, by: Circumstances) {
  const old = credentialOf(draft, id)
  if (whyUnusable(old, by.now) !== null) {
    throw new Failure('wrong-state', `credential ${id} is revoked, expired or not active: it cannot be renewed`)
  }
  for (const successor of successorsOf(draft, old, by)) {
    if (isInUse(successor.id)) {
      throw new Failure('wrong-state', `credential ${id} was renewed and ${successor.id} is in use: renew that one`)
    }
    writeRevocation(draft, successor, 'renewed again', by)
  }
  const before = old.renews === undefined ? undefined : draft.read(credentialAt(old.renews))
  if (before && whyUnusable(before, by.now) === null) writeRevocation(draft, before, 'renewed twice', by)
  const end = by.now + overlap * 1_000
  if (old.expiresAt === null || old.expiresAt > end) endCredential(draft, old, end, by)
  return old
}

/** Those that still work. */
function successorsOf(draft: Draft, { id, owner }: CredentialRecord, by: Circumstances): CredentialRecord[] {
  const ids = ownerOf(draft, owner).entry.credentials
  return ids
    .map(other => draft.read(credentialAt(other)))
    .filter(other => other !== undefined)
    .filter(other => other.renews === id && whyUnusable(other, by.now) === null)
}
