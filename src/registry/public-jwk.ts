// Public keys of devices that sign their own tokens: three kinds, one row each (RFC 7518 6, RFC 8037 2).
import { createHash, createPublicKey } from 'node:crypto'
import { Failure } from '../model/failure.ts'
import type { RegistryLimits } from './limits.ts'
import type { JwtAlgorithm, PublicJwk } from './records.ts'

/** d, p, q, dp, dq, qi, oth: private members of EC, OKP and RSA keys; k: a symmetric key (RFC 7518 6.2.2, 6.3.2, 6.4). */
const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k']

export interface AcceptedKey {
  readonly jwk: PublicJwk
  readonly algorithm: JwtAlgorithm
  /** RFC 7638, SHA-256. */
  readonly thumbprint: string
}

/** Accepts a public key or throws `invalid-input`; what the key holds is never repeated. */
export function acceptPublicJwk(value: unknown, algorithm: string | undefined, limits: RegistryLimits): AcceptedKey {
  const members = membersOf(value)
  const accepted = resolve(members, limits)
  const named = [algorithm, members.get('alg')].filter(name => name !== undefined)
  if (named.some(name => name !== accepted.algorithm)) {
    throw invalid(`this key verifies ${accepted.algorithm} only, but another algorithm is named: leave it out`)
  }
  const use = members.get('use')
  if (use !== undefined && use !== 'sig') throw invalid('the use of the key must be sig (RFC 7517 4.2)')
  const operations = members.get('key_ops')
  if (operations !== undefined && !(Array.isArray(operations) && operations.includes('verify'))) {
    throw invalid('key_ops of the key must hold verify (RFC 7517 4.3)')
  }
  try {
    createPublicKey({ key: { ...accepted.jwk }, format: 'jwk' })
  } catch {
    throw invalid('the key is not a valid public key: its numbers do not fit its curve or type')
  }
  return { ...accepted, thumbprint: thumbprint(accepted.jwk) }
}

function membersOf(value: unknown): Map<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalid('the key must be a JSON object (RFC 7517): send one public JWK, not a PEM and not a key set')
  }
  const members = new Map<string, unknown>(Object.entries(value))
  if (members.has('keys')) throw invalid('the key is a key set: send one JWK out of its keys')
  if (PRIVATE_MEMBERS.some(member => members.has(member))) {
    throw invalid(
      'the key holds private members: send the public key alone (EC: kty, crv, x, y; OKP: kty, crv, x; RSA: kty, n, e), and replace a private key that was sent here by mistake',
    )
  }
  return members
}

function resolve(members: Map<string, unknown>, limits: RegistryLimits): Omit<AcceptedKey, 'thumbprint'> {
  const kty = members.get('kty')
  const crv = members.get('crv')
  if (kty === 'EC' && crv === 'P-256') {
    const jwk = { kty, crv, x: octets(members, 'x', 32, 32), y: octets(members, 'y', 32, 32) } as const
    return { jwk, algorithm: 'ES256' }
  }
  if (kty === 'OKP' && crv === 'Ed25519') {
    return { jwk: { kty, crv, x: octets(members, 'x', 32, 32) }, algorithm: 'EdDSA' }
  }
  if (kty === 'RSA') {
    const jwk = { kty, n: octets(members, 'n', 1, limits.rsaBits / 8), e: octets(members, 'e', 1, 4) } as const
    checkRsa(Buffer.from(jwk.n, 'base64url'), Buffer.from(jwk.e, 'base64url'))
    return { jwk, algorithm: 'RS256' }
  }
  throw invalid('the key must be EC P-256 (ES256), OKP Ed25519 (EdDSA) or RSA of 2048 bits and more (RS256)')
}

/** RFC 7518 3.3: 2048 bits or larger; an even or tiny exponent verifies forgeries. */
function checkRsa(modulus: Buffer, exponent: Buffer): void {
  const bits = modulus.length * 8 - Math.clz32(modulus[0] ?? 0) + 24
  if (bits < 2_048) throw invalid(`the RSA key has ${bits} bits; use at least 2048`)
  const e = exponent.readUIntBE(0, exponent.length)
  if (e < 3 || e % 2 === 0) throw invalid('the public exponent of the RSA key must be odd and at least 3')
}

/** base64url without padding, in its one canonical form, of `least` to `most` octets. */
function octets(members: Map<string, unknown>, name: string, least: number, most: number): string {
  const text = members.get(name)
  if (typeof text !== 'string' || text.length > 2 * most + 2)
    throw invalid(`member ${name} of the key is missing or too long`)
  const bytes = Buffer.from(text, 'base64url')
  if (bytes.toString('base64url') !== text || bytes.length < least || bytes.length > most || bytes.length === 0) {
    throw invalid(
      `member ${name} of the key must be base64url without padding of ${least === most ? least : `at most ${most}`} bytes`,
    )
  }
  return text
}

/** RFC 7638 3: required members only, in lexicographic order, without white space. */
export function thumbprint(jwk: PublicJwk): string {
  const members = Object.entries(jwk).sort(([a], [b]) => (a < b ? -1 : 1))
  return createHash('sha256')
    .update(JSON.stringify(Object.fromEntries(members)))
    .digest('base64url')
}

function invalid(message: string): Failure {
  return new Failure('invalid-input', message)
}
