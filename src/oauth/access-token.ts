import { SignJWT } from 'jose'
import { type AccessTokenOrigin, ORIGIN_CLAIM } from '../auth/verify-jwt.ts'
import type { SigningKey } from './signing-keys.ts'

/** What an access token says. Times are milliseconds since the epoch. */
export interface AccessTokenContent {
  readonly issuer: string
  readonly audience: string
  /** Client or device: `sub` and `client_id` (RFC 9068 2.2). */
  readonly client: string
  readonly scopes: readonly string[]
  readonly issuedAt: number
  readonly expiresAt: number
  readonly jti: string
  /** What the token falls with. */
  readonly origin: AccessTokenOrigin
}

/** A JWT access token (RFC 9068), signed with ES256. */
export function signAccessToken(content: AccessTokenContent, { kid, privateKey }: SigningKey): Promise<string> {
  return new SignJWT({
    client_id: content.client,
    scope: content.scopes.join(' '),
    [ORIGIN_CLAIM]: { ...content.origin },
  })
    .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid })
    .setIssuer(content.issuer)
    .setSubject(content.client)
    .setAudience(content.audience)
    .setIssuedAt(Math.floor(content.issuedAt / 1000))
    .setExpirationTime(Math.floor(content.expiresAt / 1000))
    .setJti(content.jti)
    .sign(privateKey)
}
