import { Failure } from '../model/failure.ts'
import { printable } from '../model/printable.ts'
import type { Store } from '../store/store.ts'
import type { Draft } from './draft.ts'
import { audited, type Circumstances } from './owners.ts'
import { deniedAt } from './slots.ts'

export interface DeniedToken {
  readonly issuer: string
  readonly jti: string
  /** When the token ends by itself, ms since the epoch: nobody needs the denial after that. */
  readonly expiresAt: number
}

/** Claims longer than this come in no token that the door reads. */
const MAX_CLAIM = 8_192

/** Denies one token until its end. Denying it again, or when it has ended, changes nothing. */
export function denyToken(draft: Draft, token: DeniedToken, by: Circumstances): void {
  const { issuer, jti, expiresAt } = token
  if (!isClaim(issuer) || !isClaim(jti)) {
    throw new Failure('invalid-input', `issuer and jti must be texts of 1 to ${MAX_CLAIM} characters`)
  }
  const latest = by.now + by.limits.credentialLifetime * 1_000
  if (!Number.isFinite(expiresAt) || expiresAt > latest) {
    throw new Failure('invalid-input', `expiresAt of a token must be a time before ${new Date(latest).toISOString()}`)
  }
  const end = Math.ceil(expiresAt) + by.limits.clockSkew * 1_000
  if (end <= by.now || draft.read(deniedAt(issuer, jti))) return
  draft.write(deniedAt(issuer, jti), true, end)
  audited(draft, 'token.denied', printable(jti), by, { issuer: printable(issuer), expiresAt })
  draft.changes.push({ kind: 'token', jti, issuer })
}

export function isTokenDenied(store: Store, issuer: string, jti: string): boolean {
  return store.get(deniedAt(issuer, jti).key) !== undefined
}

function isClaim(value: unknown): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= MAX_CLAIM
}
