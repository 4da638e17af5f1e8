import type { CredentialKind } from '../model/credential.ts'
import type { CredentialRecord } from '../registry/records.ts'

/** One identity that was proved. */
export interface Proof {
  /** Device or client. */
  readonly owner: string
  readonly credential: { readonly id: string; readonly kind: CredentialKind }
  readonly credentialEpoch: number
  /** The owner's epoch that the proof speaks of; null: the present one. */
  readonly ownerEpoch: number | null
  /** Milliseconds since the epoch; null: it does not end by itself. */
  readonly expiresAt: number | null
  readonly scopes: readonly string[] | null
  readonly issuer: string | null
  readonly jti: string | null
}

/** What the audit trail is told of an attempt, also when it is refused. Filled while its claims are verified. */
export interface Trace {
  principal: string | null
  credential: string | null
  credentialKind: CredentialKind | null
}

/** By a credential of the registry that has just been used as it should. */
export function proofBy(record: CredentialRecord): Proof {
  const { id, kind, owner, epoch, expiresAt } = record
  return {
    owner,
    credential: { id, kind },
    credentialEpoch: epoch,
    ownerEpoch: null,
    expiresAt,
    scopes: null,
    issuer: null,
    jti: null,
  }
}
