// The authorities themselves: root and issuing CA, how they are made, kept and read back.
import {
  X509Certificate as Certificate,
  createPrivateKey,
  generateKeyPairSync,
  type KeyObject,
  webcrypto,
} from 'node:crypto'
import { AsnConvert } from '@peculiar/asn1-schema'
import { Certificate as CertificateStructure } from '@peculiar/asn1-x509'
import type { Clock, Random } from '../model/clock.ts'
import { Failure } from '../model/failure.ts'
import type { PreparedPart } from '../registry/draft.ts'
import type { Store } from '../store/store.ts'
import type { Vault } from '../vault/vault.ts'
import { toPem } from './pem.ts'
import type { Profile, Profiles } from './profiles.ts'
import {
  distinguishedName,
  ECDSA_P256,
  type Issuer,
  keyIdentifier,
  newSerial,
  signCertificate,
  type Validity,
  validityOf,
} from './signer.ts'

/** An authority ready to sign. */
export interface SigningAuthority extends Issuer {
  readonly certificate: Certificate
  readonly certificatePem: string
}

/** As stored under `ca/<id>`. */
interface AuthorityRecord {
  readonly certificate: string
  /** PKCS #8, sealed by the vault for this id; base64. */
  readonly sealedKey: string
}

export const authorityKey = (id: string): string => `ca/${id}`
const sealingContext = (id: string): string => `ca:${id}`

/** Reads an authority back; undefined when it was never made. Throws `vault-key` when its key cannot be unsealed. */
export async function loadAuthority(store: Store, vault: Vault, id: string): Promise<SigningAuthority | undefined> {
  const entry = store.get(authorityKey(id))
  if (!entry) return undefined
  const record = JSON.parse(entry.value.toString('utf8')) as AuthorityRecord
  const certificate = new Certificate(Buffer.from(record.certificate, 'base64'))
  const key = createPrivateKey({
    key: vault.unseal(Buffer.from(record.sealedKey, 'base64'), sealingContext(id)),
    format: 'der',
    type: 'pkcs8',
  })
  if (!certificate.checkPrivateKey(key)) {
    throw new Failure(
      'store-failed',
      `The key of the authority ${id} does not belong to its certificate; restore a backup.`,
    )
  }
  return signingAuthority(id, certificate, key)
}

/** Makes a root and an issuing CA under it; nothing is stored yet: `part` does it, in one batch. */
export async function makeAuthorities(
  ids: { readonly root: string; readonly issuing: string },
  profiles: Profiles,
  { vault, clock, random }: { readonly vault: Vault; readonly clock: Clock; readonly random: Random },
): Promise<{ root: SigningAuthority; issuing: SigningAuthority; part: PreparedPart }> {
  const now = clock.now()
  const root = await makeAuthority(ids.root, profiles.root, now, null, random)
  const issuing = await makeAuthority(ids.issuing, profiles.issuing, now, root, random)
  const made = [root, issuing]
  return {
    root,
    issuing,
    part: {
      operations: made.map(authority => ({
        put: authorityKey(authority.id),
        value: JSON.stringify(recordOf(authority, vault)),
        if: 0,
      })),
      events: made.map(authority => ({
        type: 'change',
        what: 'ca.created',
        target: authority.id,
        actor: { kind: 'system', id: 'ca' },
        detail: {
          serial: authority.certificate.serialNumber.toLowerCase(),
          issuer: root.id,
          notAfter: authority.notAfter,
        },
      })),
      changes: [],
    },
  }
}

/** `parent` null: it signs itself. */
async function makeAuthority(
  id: string,
  profile: Profile,
  now: number,
  parent: SigningAuthority | null,
  random: Random,
): Promise<SigningAuthority> {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const publicKeyInfo = publicKey.export({ type: 'spki', format: 'der' })
  // Two houses must not have roots of one name: verifiers look anchors up by it
  const commonName = `${profile.subject.commonName ?? id} ${random.bytes(4).toString('hex')}`
  const validity = validityOf(profile, now, undefined, parent)
  const issuer = parent ?? {
    ...validity,
    id,
    name: distinguishedName(commonName, profile.subject.organization),
    keyIdentifier: keyIdentifier(publicKeyInfo),
    key: privateKey,
    signingKey: await signingKeyOf(privateKey),
  }
  const certificate = await signCertificate(
    {
      ...validity,
      profile,
      serial: newSerial(random),
      commonName,
      publicKey: publicKeyInfo,
      alternativeNames: [],
      crlUrl: null,
    },
    issuer,
  )
  return signingAuthority(id, certificate, privateKey)
}

async function signingAuthority(id: string, certificate: Certificate, key: KeyObject): Promise<SigningAuthority> {
  const { subject } = AsnConvert.parse(certificate.raw, CertificateStructure).tbsCertificate
  return {
    ...validityIn(certificate),
    id,
    certificate,
    certificatePem: toPem('CERTIFICATE', certificate.raw),
    name: Buffer.from(AsnConvert.serialize(subject)),
    keyIdentifier: keyIdentifier(certificate.publicKey.export({ type: 'spki', format: 'der' })),
    key,
    signingKey: await signingKeyOf(key),
  }
}

/** The validity that a certificate states, ms since the epoch. */
export function validityIn(certificate: Certificate): Validity {
  return { notBefore: Date.parse(certificate.validFrom), notAfter: Date.parse(certificate.validTo) }
}

function recordOf(authority: SigningAuthority, vault: Vault): AuthorityRecord {
  const key = authority.key.export({ type: 'pkcs8', format: 'der' })
  return {
    certificate: authority.certificate.raw.toString('base64'),
    sealedKey: vault.seal(key, sealingContext(authority.id)).toString('base64'),
  }
}

function signingKeyOf(key: KeyObject): Promise<webcrypto.CryptoKey> {
  return webcrypto.subtle.importKey('pkcs8', key.export({ type: 'pkcs8', format: 'der' }), ECDSA_P256, false, ['sign'])
}
