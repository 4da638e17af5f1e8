// What an access token of our own token server is worth now: for introspection (RFC 7662) and revocation (RFC 7009).
import { jwtVerify } from 'jose'
import type { IssuerKeys } from '../auth/ports.ts'
import { ORIGIN_CLAIM, readToken } from '../auth/verify-jwt.ts'
import type { Clock } from '../model/clock.ts'
import { Failure } from '../model/failure.ts'
import type { Registry } from '../registry/registry.ts'

/** Times are seconds since the epoch, as in the token. */
export interface AccessTokenClaims {
  readonly issuer: string
  readonly jti: string
  /** Client or device. */
  readonly subject: string
  readonly scope: string
  readonly audience: string
  readonly issuedAt: number
  readonly expiresAt: number
  /** Credential it was given for, and the epochs at that time. */
  readonly credential: string
  readonly credentialEpoch: number
  readonly ownerEpoch: number
}

export interface AccessTokensParts {
  readonly registry: Registry
  readonly issuerKeys: IssuerKeys
  readonly clock: Clock
}

/** Characters; longer texts are not read at all. */
const MAXIMUM_TOKEN = 8192

export class AccessTokens {
  readonly #parts: AccessTokensParts

  constructor(parts: AccessTokensParts) {
    this.#parts = parts
  }

  /** The claims of a genuine token that has not expired; null for anything else. */
  async read(text: string): Promise<AccessTokenClaims | null> {
    const { issuerKeys, clock } = this.#parts
    if (text.length > MAXIMUM_TOKEN) return null
    try {
      const { header, issuer } = readToken(text)
      const key = issuer === issuerKeys.ownIssuer ? await issuerKeys.keyFor(issuer, header) : null
      if (!key) return null
      const { payload } = await jwtVerify(text, key.key, {
        algorithms: [...key.algorithms],
        issuer,
        audience: key.audience,
        typ: 'at+jwt',
        requiredClaims: ['exp', 'iat', 'jti', 'sub', 'scope', ORIGIN_CLAIM],
        currentDate: new Date(clock.now()),
      })
      return claimsOf(payload)
    } catch (error) {
      // Whatever is wrong with it, it is no token of ours; a failed store is another matter.
      if (error instanceof Failure && error.row.http >= 500) throw error
      return null
    }
  }

  /** Whether the broker would still take it: not denied, and all that it was given for still holds. */
  isActive(claims: AccessTokenClaims): boolean {
    const subject = this.#parts.registry.subjectOf(claims.subject)
    if (!subject) return false
    const failure = this.#parts.registry.standing({
      subject,
      credential: { id: claims.credential, kind: 'jwt-key' },
      expiresAt: claims.expiresAt * 1000,
      scopes: claims.scope.split(' '),
      issuer: claims.issuer,
      jti: claims.jti,
      ownerEpoch: claims.ownerEpoch,
      credentialEpoch: claims.credentialEpoch,
      transport: 'https',
      address: '',
    })
    return failure === null
  }
}

function claimsOf(payload: Record<string, unknown>): AccessTokenClaims | null {
  const { iss, jti, sub, scope, aud, iat, exp, [ORIGIN_CLAIM]: origin } = payload
  if (typeof iss !== 'string' || typeof jti !== 'string' || typeof sub !== 'string' || typeof scope !== 'string')
    return null
  if (typeof aud !== 'string' || typeof iat !== 'number' || typeof exp !== 'number') return null
  if (typeof origin !== 'object' || origin === null) return null
  const { credential, credentialEpoch, ownerEpoch } = origin as Record<string, unknown>
  if (typeof credential !== 'string' || typeof credentialEpoch !== 'number' || typeof ownerEpoch !== 'number')
    return null
  return {
    issuer: iss,
    jti,
    subject: sub,
    scope,
    audience: aud,
    issuedAt: iat,
    expiresAt: exp,
    credential,
    credentialEpoch,
    ownerEpoch,
  }
}
