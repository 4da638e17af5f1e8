// What a certificate request must pass before anything is signed: an ordered list that is the whole truth.
// The certificate is then written from its profile alone; a request that asks for more is refused, not trimmed.
import { verify } from 'node:crypto'
import { AsnConvert } from '@peculiar/asn1-schema'
import { BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAlternativeName } from '@peculiar/asn1-x509'
import { printable } from '../model/printable.ts'
import { EXTENDED_KEY_USAGES, KEY_USAGES, type Profile } from './profiles.ts'
import { type CertificateRequest, commonNamesOf, REQUEST_LIMITS, type RequestLimits, refusal } from './request.ts'
import { DEVICE_URI } from './signer.ts'

export interface RequestContext {
  readonly profile: Profile
  /** Whose certificate it will be. */
  readonly owner: string
  readonly limits: RequestLimits
}

interface RequestCheck {
  readonly name: string
  /** Why the request is refused; null when it passes. */
  refuses(request: CertificateRequest, context: RequestContext): string | null
}

/** Digest by signature algorithm (RFC 5758, RFC 8017, RFC 8410); SHA-1 and older are not there. */
const SIGNATURES: ReadonlyMap<string, { readonly key: 'ec' | 'rsa' | 'ed25519'; readonly digest: string | null }> =
  new Map([
    ['1.2.840.10045.4.3.2', { key: 'ec', digest: 'sha256' }],
    ['1.2.840.10045.4.3.3', { key: 'ec', digest: 'sha384' }],
    ['1.2.840.10045.4.3.4', { key: 'ec', digest: 'sha512' }],
    ['1.2.840.113549.1.1.11', { key: 'rsa', digest: 'sha256' }],
    ['1.2.840.113549.1.1.12', { key: 'rsa', digest: 'sha384' }],
    ['1.2.840.113549.1.1.13', { key: 'rsa', digest: 'sha512' }],
    ['1.3.101.112', { key: 'ed25519', digest: null }],
  ])
const CURVES = new Set(['prime256v1', 'secp384r1'])

/** Judges one requested extension by its identifier. What is not here is refused when critical and ignored when not. */
const EXTENSION_RULES: ReadonlyMap<string, (value: Buffer, context: RequestContext) => string | null> = new Map([
  ['2.5.29.19', refuseCa],
  ['2.5.29.15', refuseCaUsages],
  ['2.5.29.37', refuseOtherPurposes],
  ['2.5.29.17', refuseOtherNames],
  ['2.5.29.14', () => null], // subject key identifier: ours is computed from the key
  ['2.5.29.30', () => 'it asks for name constraints, which are for CAs'],
  ['2.5.29.33', () => 'it asks for policy mappings, which are for CAs'],
  ['2.5.29.36', () => 'it asks for policy constraints, which are for CAs'],
  ['2.5.29.54', () => 'it asks to inhibit anyPolicy, which is for CAs'],
])

/** In this order; the first refusal ends it. Size, encoding and PKCS #10 itself come before, in `readRequest`. */
export const REQUEST_CHECKS: readonly RequestCheck[] = [
  { name: 'key', refuses: refuseWeakKey },
  { name: 'signature algorithm', refuses: refuseOldSignature },
  { name: 'proof of possession', refuses: refuseWithoutPossession },
  { name: 'subject', refuses: refuseOtherSubject },
  { name: 'extensions', refuses: refuseExtensions },
]

/** Throws `invalid-csr` naming the check. */
export function checkRequest(
  request: CertificateRequest,
  context: Omit<RequestContext, 'limits'> & { readonly limits?: RequestLimits },
): void {
  const complete = { ...context, limits: context.limits ?? REQUEST_LIMITS }
  for (const check of REQUEST_CHECKS) {
    const why = check.refuses(request, complete)
    if (why !== null) throw refusal(check.name, why)
  }
}

function refuseWeakKey({ publicKey }: CertificateRequest, { limits }: RequestContext): string | null {
  const { namedCurve, modulusLength = 0, publicExponent = 0n } = publicKey.asymmetricKeyDetails ?? {}
  switch (publicKey.asymmetricKeyType) {
    case 'ed25519':
      return null
    case 'ec':
      return CURVES.has(namedCurve ?? '') ? null : 'its curve is neither P-256 nor P-384'
    case 'rsa':
      if (modulusLength < limits.rsaMinimum || modulusLength > limits.rsaMaximum)
        return `its RSA key has ${modulusLength} bits; ${limits.rsaMinimum} to ${limits.rsaMaximum} are allowed`
      // NIST SP 800-56B 6.2: odd, above 2^16; a huge one only costs the verifier
      return publicExponent > 65_536n && publicExponent < 1n << 32n && publicExponent % 2n === 1n
        ? null
        : 'its RSA exponent is not an odd number above 65536 of at most 32 bits'
    default:
      return 'its key is none of P-256, P-384, Ed25519 and RSA'
  }
}

function refuseOldSignature({ signatureAlgorithm, publicKey }: CertificateRequest): string | null {
  return SIGNATURES.get(signatureAlgorithm)?.key === publicKey.asymmetricKeyType
    ? null
    : 'it is not signed with ECDSA, RSA (PKCS #1 v1.5, SHA-256 or longer) or Ed25519 by its own kind of key'
}

/** RFC 2986 4.2: signed with the private key that belongs to the public key inside. */
function refuseWithoutPossession(request: CertificateRequest): string | null {
  const digest = SIGNATURES.get(request.signatureAlgorithm)?.digest ?? null
  return verify(digest, request.signedBytes, request.publicKey, request.signature)
    ? null
    : 'its signature was not made with the key inside it'
}

/** The certificate's subject is ours to write; a common name must not say anything else. Other attributes are dropped. */
function refuseOtherSubject(request: CertificateRequest, { owner }: RequestContext): string | null {
  const names = commonNamesOf(request)
  if (names.length > 1) return 'it has more than one common name'
  const [name] = names
  if (name === undefined || name === owner) return null
  return `its common name is ${name === null ? 'not text' : `"${printable(name, 80)}"`}, not "${owner}"`
}

function refuseExtensions({ extensions }: CertificateRequest, context: RequestContext): string | null {
  const seen = new Set<string>()
  for (const { id, critical, value } of extensions) {
    if (seen.has(id)) return `it asks for the extension ${id} twice` // RFC 5280 4.2
    seen.add(id)
    const rule = EXTENSION_RULES.get(id)
    if (!rule && critical) return `it asks for the critical extension ${id}, which is not known here`
    const why = rule ? judged(rule, value, context, id) : null
    if (why !== null) return why
  }
  return null
}

function judged(
  rule: (value: Buffer, context: RequestContext) => string | null,
  value: Buffer,
  context: RequestContext,
  id: string,
): string | null {
  try {
    return rule(value, context)
  } catch {
    return `its extension ${id} cannot be read`
  }
}

function refuseCa(value: Buffer): string | null {
  const { cA, pathLenConstraint } = AsnConvert.parse(value, BasicConstraints)
  return cA || pathLenConstraint !== undefined ? 'it asks to be a CA (basicConstraints)' : null
}

function refuseCaUsages(value: Buffer): string | null {
  const usages = AsnConvert.parse(value, KeyUsage).toNumber()
  return usages & (KEY_USAGES.keyCertSign | KEY_USAGES.cRLSign)
    ? 'it asks to sign certificates or revocation lists (keyUsage)'
    : null
}

function refuseOtherPurposes(value: Buffer, { profile }: RequestContext): string | null {
  const allowed = new Set<string>(profile.extendedKeyUsage.map(usage => EXTENDED_KEY_USAGES[usage]))
  return AsnConvert.parse(value, ExtendedKeyUsage).every(purpose => allowed.has(purpose))
    ? null
    : `it asks for other purposes than ${profile.extendedKeyUsage.join(', ')} (extendedKeyUsage)`
}

function refuseOtherNames(value: Buffer, { owner }: RequestContext): string | null {
  return AsnConvert.parse(value, SubjectAlternativeName).every(
    name => name.uniformResourceIdentifier === DEVICE_URI + owner,
  )
    ? null
    : `it asks for other names than ${DEVICE_URI}${owner} (subjectAltName)`
}
