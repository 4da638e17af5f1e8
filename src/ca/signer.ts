// Builds and signs certificates (RFC 5280 4) under a profile. Whoever calls has already decided that they may exist.
import 'reflect-metadata'
import { X509Certificate as Certificate, createHash, type KeyObject, type webcrypto } from 'node:crypto'
import { isIP } from 'node:net'
import { AsnConvert } from '@peculiar/asn1-schema'
import { SubjectPublicKeyInfo } from '@peculiar/asn1-x509'
import * as x509 from '@peculiar/x509'
import type { Random } from '../model/clock.ts'
import { Failure } from '../model/failure.ts'
import { EXTENDED_KEY_USAGES, KEY_USAGES, type Profile } from './profiles.ts'

export const DEVICE_URI = 'urn:latchkey:device:'
export const ECDSA_P256 = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const

/** Whole seconds, as milliseconds since the epoch. */
export interface Validity {
  readonly notBefore: number
  readonly notAfter: number
}

/** Whoever signs: an authority, or a new root for itself. */
export interface Issuer extends Validity {
  readonly id: string
  /** Subject of the issuer, DER. */
  readonly name: Buffer
  readonly keyIdentifier: Buffer
  readonly key: KeyObject
  readonly signingKey: webcrypto.CryptoKey
}

/** All that a new certificate says. */
export interface CertificatePlan extends Validity {
  readonly profile: Profile
  /** Hexadecimal, from `newSerial`. */
  readonly serial: string
  readonly commonName: string
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Buffer
  /** A device URI, or DNS names and addresses; as the profile wants it. */
  readonly alternativeNames: readonly string[]
  /** Where the issuer's CRL is served; null leaves the extension out. */
  readonly crlUrl: string | null
}

/** 128 random bits (RFC 5280 4.1.2.2 asks for at most 20 octets), without leading zero octets, so that it has one spelling. */
export function newSerial(random: Random): string {
  return (
    random
      .bytes(16)
      .toString('hex')
      .replace(/^(00)+/, '') || '01'
  )
}

/** RFC 7093 2, method 1: the leftmost 160 bits of the SHA-256 of the public key's bits. */
export function keyIdentifier(publicKey: Buffer): Buffer {
  const { subjectPublicKey } = AsnConvert.parse(publicKey, SubjectPublicKeyInfo)
  return createHash('sha256').update(Buffer.from(subjectPublicKey)).digest().subarray(0, 20)
}

/** A distinguished name, DER. */
export function distinguishedName(commonName: string, organization?: string): Buffer {
  const rdns = organization === undefined ? [{ CN: [commonName] }] : [{ O: [organization] }, { CN: [commonName] }]
  return Buffer.from(new x509.Name(rdns).toArrayBuffer())
}

/**
 * When a certificate issued now begins and ends. Never after its issuer (a chain is only as long-lived as its shortest link), nor before.
 * `lifetime` in seconds; throws `invalid-input` when it is outside the profile, `wrong-state` when the issuer itself has ended.
 */
export function validityOf(
  profile: Profile,
  now: number,
  lifetime: number | undefined,
  issuer: Validity | null,
): Validity {
  const { minimum, default: usual, maximum } = profile.lifetime
  const seconds = lifetime ?? usual
  if (!Number.isSafeInteger(seconds) || seconds < minimum || seconds > maximum) {
    throw new Failure(
      'invalid-input',
      `lifetime ${seconds} is not possible: the ${profile.name} profile allows ${minimum} to ${maximum} whole seconds`,
    )
  }
  const second = Math.floor(now / 1000)
  const notBefore = (second - profile.backdate) * 1000
  const notAfter = (second + seconds) * 1000
  if (!issuer) return { notBefore, notAfter }
  if (now >= issuer.notAfter) {
    throw new Failure(
      'wrong-state',
      `The issuing certificate ended on ${new Date(issuer.notAfter).toISOString()}; make a new authority before issuing.`,
    )
  }
  return { notBefore: Math.max(notBefore, issuer.notBefore), notAfter: Math.min(notAfter, issuer.notAfter) }
}

/** Signs with the issuer's key; a root is its own issuer. */
export async function signCertificate(plan: CertificatePlan, issuer: Issuer): Promise<Certificate> {
  const { profile } = plan
  const signed = await x509.X509CertificateGenerator.create({
    serialNumber: plan.serial,
    subject: new x509.Name(distinguishedName(plan.commonName, profile.subject.organization)),
    issuer: new x509.Name(issuer.name),
    notBefore: new Date(plan.notBefore),
    notAfter: new Date(plan.notAfter),
    publicKey: plan.publicKey,
    signingKey: issuer.signingKey,
    signingAlgorithm: ECDSA_P256,
    extensions: extensionsOf(plan, issuer),
  })
  return new Certificate(Buffer.from(signed.rawData))
}

function extensionsOf(plan: CertificatePlan, issuer: Issuer): x509.Extension[] {
  const { profile } = plan
  const usages = profile.keyUsage.reduce((bits, usage) => bits | KEY_USAGES[usage], 0)
  const extensions: x509.Extension[] = [
    new x509.BasicConstraintsExtension(profile.ca !== null, profile.ca?.pathLength, true),
    new x509.KeyUsagesExtension(usages, true),
    new x509.SubjectKeyIdentifierExtension(keyIdentifier(plan.publicKey).toString('hex')),
    new x509.AuthorityKeyIdentifierExtension(issuer.keyIdentifier.toString('hex')),
  ]
  if (profile.extendedKeyUsage.length > 0) {
    extensions.push(
      new x509.ExtendedKeyUsageExtension(profile.extendedKeyUsage.map(usage => EXTENDED_KEY_USAGES[usage])),
    )
  }
  if (profile.subjectAlternativeName !== 'none') {
    extensions.push(new x509.SubjectAlternativeNameExtension(plan.alternativeNames.map(generalName)))
  }
  if (plan.crlUrl !== null) extensions.push(new x509.CRLDistributionPointsExtension([plan.crlUrl]))
  return extensions
}

function generalName(name: string): x509.JsonGeneralNames[number] {
  if (name.startsWith('urn:')) return { type: 'url', value: name }
  return { type: isIP(name) ? 'ip' : 'dns', value: name }
}
