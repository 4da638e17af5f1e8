import type { X509Certificate } from 'node:crypto'
import type { Clock } from '../model/clock.ts'
import { Failure } from '../model/failure.ts'
import { isIdentifier } from '../model/identifier.ts'
import { whyUnusable } from '../registry/credentials.ts'
import type { CertificateCredential } from '../registry/records.ts'
import type { Registry } from '../registry/registry.ts'
import { BoundedMap } from './bounded-map.ts'
import { certificateOf } from './certificate-bytes.ts'
import type { TrustedAuthorities, UnknownCertificate } from './ports.ts'
import type { Trace } from './proof.ts'

export interface CertificateVerification {
  readonly registry: Registry
  readonly trust: TrustedAuthorities
  readonly clock: Clock
  readonly chainLength: number
  readonly signatures: VerifiedSignatures
  readonly unknownCertificate: UnknownCertificate | null
}

/** id-kp-clientAuth, RFC 5280 4.2.1.12. */
const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2'
const DEVICE_URI = 'URI:urn:latchkey:device:'

/**
 * The credential of a device certificate. The private key behind it was proved by TLS, now or in the session that is
 * resumed; everything else is judged here, and afresh each time, but for signatures that were found good before. In this
 * order: form, chain, validity, purpose, name, registry. Throws `certificate-invalid`, `certificate-untrusted`,
 * `certificate-unknown`, `credential-expired`, `credential-not-active` or `credential-revoked`.
 */
export async function verifyCertificate(
  der: Buffer,
  { registry, trust, clock, chainLength, signatures, unknownCertificate }: CertificateVerification,
  trace: Trace,
): Promise<CertificateCredential> {
  trace.credentialKind = 'x509'
  const certificate = parse(der)
  verifyChain(certificate, { trust, chainLength, signatures }, clock.now())
  verifyTime(certificate, clock.now())
  verifyPurpose(certificate)
  const owner = deviceOf(certificate)
  const fingerprint = fingerprintOf(certificate)
  if (unknownCertificate !== null && registry.credentialByFingerprint(fingerprint) === undefined)
    await unknownCertificate.present(certificate, owner)
  const record = registry.credentialByFingerprint(fingerprint)
  if (record?.kind !== 'x509')
    throw new Failure('certificate-unknown', `The certificate of ${owner} is genuine but not registered`)
  trace.credential = record.id
  if (record.owner !== owner)
    throw new Failure('certificate-invalid', `Certificate ${record.id} is registered for another owner than it names`)
  trace.principal = owner
  const why = whyUnusable(record, clock.now())
  if (why !== null) throw new Failure(why, `Certificate ${record.id} of ${owner}: ${why}`)
  return record
}

/** SHA-256 in lower-case hex, as the registry has it. */
export function fingerprintOf(certificate: X509Certificate): string {
  return certificate.fingerprint256.replaceAll(':', '').toLowerCase()
}

export function parse(der: Buffer): X509Certificate {
  try {
    return certificateOf(der)
  } catch (error) {
    throw new Failure('certificate-invalid', 'The certificate cannot be read', { cause: error })
  }
}

/** Every signature up to a trusted authority that signed itself. What the peer sent along is not trusted and not used. */
function verifyChain(
  leaf: X509Certificate,
  { trust, chainLength, signatures }: Pick<CertificateVerification, 'trust' | 'chainLength' | 'signatures'>,
  now: number,
): void {
  let certificate = leaf
  for (let length = 0; length < chainLength; length++) {
    const issuer = trust.issuerOf(certificate)
    if (issuer === null || !issuer.ca || !certificate.checkIssued(issuer) || !signatures.hasSigned(issuer, certificate))
      throw new Failure('certificate-untrusted')
    if (!(Date.parse(issuer.validFrom) <= now && now <= Date.parse(issuer.validTo)))
      throw new Failure('certificate-untrusted', 'A certificate of the authorities that signed it has expired')
    if (issuer.checkIssued(issuer) && signatures.hasSigned(issuer, issuer)) return
    certificate = issuer
  }
  throw new Failure('certificate-untrusted', `The chain of authorities is longer than ${chainLength}`)
}

/**
 * Certificates whose signature was found good, by their fingerprint, and whose it is: neither ever changes, and a device
 * shows the same certificate again each time. Whether the issuer is trusted, and until when, is not remembered.
 */
export class VerifiedSignatures {
  readonly #issuers: BoundedMap<string, X509Certificate>

  constructor(entries: number) {
    this.#issuers = new BoundedMap(entries)
  }

  hasSigned(issuer: X509Certificate, certificate: X509Certificate): boolean {
    const { fingerprint256 } = certificate
    if (this.#issuers.get(fingerprint256) === issuer) return true
    if (!certificate.verify(issuer.publicKey)) return false
    this.#issuers.set(fingerprint256, issuer)
    return true
  }
}

function verifyTime(certificate: X509Certificate, now: number): void {
  // What cannot be read as a time is no time that fits.
  if (!(now <= Date.parse(certificate.validTo)))
    throw new Failure('credential-expired', `The certificate expired on ${certificate.validTo}`)
  if (!(Date.parse(certificate.validFrom) <= now))
    throw new Failure('credential-not-active', `The certificate is valid from ${certificate.validFrom}`)
}

function verifyPurpose(certificate: X509Certificate): void {
  if (certificate.ca)
    throw new Failure('certificate-invalid', 'The certificate is one of an authority, not of a device')
  // Node calls the extended key usage `keyUsage`; it is undefined when the extension is absent.
  const usages: readonly string[] | undefined = certificate.keyUsage
  if (!usages?.includes(CLIENT_AUTH))
    throw new Failure('certificate-invalid', 'The certificate is not for client authentication')
}

/** The one URI among the subject's alternative names, which must name a device. */
export function deviceOf(certificate: X509Certificate): string {
  const names = certificate.subjectAltName ?? ''
  // Node quotes a name in which anything could be mistaken for a separator; ours never need that.
  const uris = names.includes('"') ? [] : names.split(', ').filter(name => name.startsWith('URI:'))
  const [uri = ''] = uris
  const device = uri.startsWith(DEVICE_URI) ? uri.slice(DEVICE_URI.length) : ''
  if (uris.length === 1 && isIdentifier(device)) return device
  throw new Failure('certificate-invalid', 'The certificate must have exactly one URI, urn:latchkey:device:<id>')
}
