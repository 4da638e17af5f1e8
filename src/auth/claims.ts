import { createHash } from 'node:crypto'
import type { Evidence } from '../model/evidence.ts'
import { Failure } from '../model/failure.ts'
import { looksLikeSecret, parseSecret } from '../vault/secret-format.ts'
import { readToken, type UnverifiedToken } from './verify-jwt.ts'

/** One identity that an evidence shows. `reference` names it for the attempt limiter; it holds no secret. */
export type Claim = { readonly reference: string | null } & (
  | { readonly kind: 'x509'; readonly certificate: Buffer }
  | { readonly kind: 'psk'; readonly identity: string }
  | { readonly kind: 'jwt'; readonly token: UnverifiedToken }
  | { readonly kind: 'secret'; readonly text: string }
  /** A password of no known shape. */
  | { readonly kind: 'unknown' }
)

/** Everything in an evidence that has to be proved, what the channel showed first. Throws `token-invalid`. */
export function claimsOf(evidence: Evidence, tokenBytes: number): Claim[] {
  const claims: Claim[] = []
  const [certificate] = evidence.certificates
  if (certificate !== undefined) claims.push({ kind: 'x509', certificate, reference: `x509:${sha256(certificate)}` })
  if (evidence.pskIdentity !== null)
    claims.push({ kind: 'psk', identity: evidence.pskIdentity, reference: `psk:${evidence.pskIdentity}` })
  if (evidence.password !== null && evidence.password.length > 0)
    claims.push(passwordClaim(evidence.password, tokenBytes))
  return claims
}

/** A password is routed by its shape. */
function passwordClaim(password: Buffer, tokenBytes: number): Claim {
  if (password.length > tokenBytes) {
    throw new Failure('token-invalid', `The password has ${password.length} bytes; a token may have ${tokenBytes}`)
  }
  const text = password.toString('utf8')
  if (looksLikeSecret(text)) {
    const keyId = parseSecret(text)?.keyId
    return { kind: 'secret', text, reference: keyId === undefined ? null : `secret:${keyId}` }
  }
  if (text.startsWith('eyJ') && text.split('.').length === 3) {
    const token = readToken(text)
    // One issuer speaks for many subjects: the failures of one are not those of the others.
    const named = JSON.stringify([token.issuer, token.subject])
    return { kind: 'jwt', token, reference: `jwt:${sha256(Buffer.from(named))}` }
  }
  return { kind: 'unknown', reference: null }
}

const sha256 = (data: Buffer) => createHash('sha256').update(data).digest('hex')
