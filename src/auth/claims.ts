import { createHash } from 'node:crypto'
import type { Evidence } from '../model/evidence.ts'
import { Failure } from '../model/failure.ts'
import { looksLikeSecret, parseSecret } from '../vault/secret-format.ts'
import { readToken, type UnverifiedToken } from './verify-jwt.ts'
import type { ScramConversation } from './verify-scram.ts'

/** One identity that an evidence shows. `reference` names it for the attempt limiter; it holds no secret. */
export type Claim = { readonly reference: string | null } & (
  | { readonly kind: 'x509'; readonly certificate: Buffer }
  | { readonly kind: 'psk'; readonly identity: string }
  | { readonly kind: 'oscore'; readonly credential: string }
  | { readonly kind: 'jwt'; readonly token: UnverifiedToken }
  | { readonly kind: 'secret'; readonly text: string }
  | { readonly kind: 'scram'; readonly conversation: ScramConversation; readonly answer: Buffer | null }
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
  if (evidence.oscore !== undefined)
    claims.push({ kind: 'oscore', credential: evidence.oscore, reference: `oscore:${evidence.oscore}` })
  const password = evidence.password !== null && evidence.password.length > 0 ? evidence.password : null
  if (evidence.token !== undefined) claims.push(methodClaim(evidence.token, password, tokenBytes))
  else if (password !== null) claims.push(passwordClaim(password, tokenBytes))
  return claims
}

/** Who names the method `JWT` shows a JWT and nothing else, or its certificate alone would admit it. */
function methodClaim(token: Buffer | null, password: Buffer | null, tokenBytes: number): Claim {
  if (password !== null) throw new Failure('token-invalid', 'A password came beside the JWT; one of them is enough')
  const claim = token === null ? null : passwordClaim(token, tokenBytes)
  if (claim?.kind !== 'jwt') throw new Failure('token-invalid', 'The authentication data is no JWT')
  return claim
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
