// One maker per kind of credential. Each returns the record and, once, what the device needs to keep.

import type { Random } from '../model/clock.ts'
import { Failure } from '../model/failure.ts'
import { isIdentifier } from '../model/identifier.ts'
import { deriveScramKeys, encodeScramKeys, SCRAM_ITERATIONS, SCRAM_SALT_BYTES } from '../vault/scram-keys.ts'
import { newSecret } from '../vault/secret-format.ts'
import type { Vault } from '../vault/vault.ts'
import {
  activeOwner,
  addCredential,
  credentialOf,
  endCredential,
  endOfLife,
  holderOf,
  indexCredential,
  plannedEnd,
  whyUnusable,
  writeCredential,
} from './credentials.ts'
import type { Draft } from './draft.ts'
import { checkedText } from './owner-fields.ts'
import { audited, type Circumstances } from './owners.ts'
import { acceptPublicJwk } from './public-jwk.ts'
import type {
  CertificateCredential,
  CertificateInput,
  CredentialRecord,
  JwtKeyCredential,
  JwtKeyInput,
  PskCredential,
  PskInput,
  PskRotationInput,
  RotationInput,
  ScramCredential,
  ScramInput,
  SecretCredential,
  SecretInput,
} from './records.ts'
import { credentialAt, fingerprintAt, jwtKeyAt, keyIdAt, ownerAt, pskAt, scramAt } from './slots.ts'

export interface Makers {
  readonly vault: Vault
  readonly random: Random
}

export interface IssuedSecret {
  readonly credential: SecretCredential
  /** Shown once; only its MAC is kept. */
  readonly secret: string
}

export interface IssuedPsk {
  readonly credential: PskCredential
  readonly identity: string
  readonly key: Buffer
}

export interface IssuedScram {
  readonly credential: ScramCredential
  readonly username: string
  /** Shown once; what is kept of it checks a proof and makes none. */
  readonly password: string
}

const SCRAM_PASSWORD_BYTES = 24
const PSK_BYTES = 32
/** RFC 4279 5.1 asks for at most 128 octets; printable ASCII so that it survives every configuration file. */
const PSK_IDENTITY = /^[\x21-\x7e]{1,128}$/
const KID = /^[A-Za-z0-9._~:-]{1,128}$/

export function issueSecret(draft: Draft, owner: string, input: SecretInput, by: Circumstances, makers: Makers) {
  const base = newBase(draft, owner, input, by, makers)
  if (input.audience !== 'mqtt' && input.audience !== 'api' && input.audience !== 'token') {
    throw new Failure('invalid-input', 'the audience of a secret must be mqtt, api or token')
  }
  const { text, keyId } = newSecret(input.audience, makers.random)
  if (holderOf(draft, keyIdAt(keyId))) throw new Failure('conflict', 'this key id is taken: try again')
  const { pepper, mac } = makers.vault.hashSecret(text)
  const credential: SecretCredential = { ...base, kind: 'secret', keyId, audience: input.audience, pepper, mac }
  addCredential(draft, credential, by)
  return { credential, secret: text } satisfies IssuedSecret
}

export function issuePsk(draft: Draft, owner: string, input: PskInput, by: Circumstances, makers: Makers): IssuedPsk {
  const base = newBase(draft, owner, input, by, makers)
  const identity = input.identity ?? owner
  checkIdentity(draft, identity, owner, by)
  const key = input.key === undefined ? makers.random.bytes(PSK_BYTES) : parseKey(input.key)
  const sealed = makers.vault.seal(key, sealContext(base)).toString('base64')
  const credential: PskCredential = { ...base, kind: 'psk', identity, sealed }
  addCredential(draft, credential, by)
  return { credential, identity, key }
}

/** SCRAM shows its salt before it knows who asks, so that a username has one password at a time. */
export function issueScram(
  draft: Draft,
  owner: string,
  input: ScramInput,
  by: Circumstances,
  makers: Makers,
): IssuedScram {
  const base = newBase(draft, owner, input, by, makers)
  const holder = holderOf(draft, scramAt(base.owner))
  if (holder && whyUnusable(holder, by.now) === null)
    throw new Failure('already-exists', `${owner} has the SCRAM password ${holder.id}: revoke it before the next one`)
  const { random, vault } = makers
  const password = random.bytes(SCRAM_PASSWORD_BYTES).toString('base64url')
  const keys = deriveScramKeys(password, random.bytes(SCRAM_SALT_BYTES), SCRAM_ITERATIONS)
  const sealed = vault.seal(encodeScramKeys(keys), sealContext(base)).toString('base64')
  const credential: ScramCredential = { ...base, kind: 'scram', mechanism: 'SCRAM-SHA-256', sealed }
  addCredential(draft, credential, by)
  return { credential, username: base.owner, password }
}

/** Under the owner's id, or another name where that one still leads to a key. */
export function issueFurtherPsk(
  draft: Draft,
  owner: string,
  input: Omit<PskInput, 'identity'>,
  by: Circumstances,
  makers: Makers,
): IssuedPsk {
  const identity = freeIdentity(draft, { identity: owner, owner }, by)
  return issuePsk(draft, owner, { ...input, identity }, by, makers)
}

/** What binds a sealed key to its place: a sealed value copied to another record does not open. */
export function sealContext(credential: { readonly owner: string; readonly id: string }): string {
  return `credential:${credential.owner}:${credential.id}`
}

export function addJwtKey(
  draft: Draft,
  owner: string,
  input: JwtKeyInput,
  by: Circumstances,
  makers: Makers,
): JwtKeyCredential {
  const base = newBase(draft, owner, input, by, makers)
  const { jwk, algorithm, thumbprint } = acceptPublicJwk(input.jwk, input.algorithm, by.limits)
  const kid = input.kid ?? thumbprint
  if (!KID.test(kid)) throw new Failure('invalid-input', 'kid must be 1 to 128 letters, digits and . _ ~ : -')
  const holder = holderOf(draft, jwtKeyAt(owner, kid))
  if (holder && whyUnusable(holder, by.now) === null) {
    throw new Failure(
      'already-exists',
      `${owner} already has the key ${kid}: choose another kid, or revoke that key first`,
    )
  }
  if (holder?.kind === 'jwt-key' && JSON.stringify(holder.jwk) === JSON.stringify(jwk)) {
    throw new Failure('already-exists', `the key ${kid} of ${owner} was revoked or has expired: make a new key pair`)
  }
  const credential: JwtKeyCredential = { ...base, kind: 'jwt-key', kid, algorithm, jwk }
  addCredential(draft, credential, by)
  return credential
}

/** With `fingerprint: null` the credential is pending: reserved, to be activated when the certificate is signed. */
export function addCertificate(
  draft: Draft,
  owner: string,
  input: CertificateInput,
  by: Circumstances,
  makers: Makers,
): CertificateCredential {
  const base = newBase(draft, owner, input, by, makers)
  const { fingerprint, serial, issuer, subject, notBefore, expiresAt } = input
  if (!/^[0-9a-f]{1,64}$/.test(serial)) throw new Failure('invalid-input', 'serial must be lower-case hex')
  if (!isIdentifier(issuer)) throw new Failure('invalid-input', 'issuer must be the identifier of a CA')
  if (!Number.isInteger(notBefore) || !Number.isInteger(expiresAt) || notBefore >= expiresAt) {
    throw new Failure(
      'invalid-input',
      'notBefore and expiresAt must be whole milliseconds, the first before the second',
    )
  }
  const credential: CertificateCredential = {
    ...base,
    kind: 'x509',
    status: fingerprint === null ? 'pending' : 'active',
    notBefore,
    expiresAt,
    fingerprint: fingerprint === null ? '' : freeFingerprint(draft, fingerprint),
    serial,
    issuer,
    subject: checkedText(subject, 'subject', by.limits),
  }
  addCredential(draft, credential, by)
  return credential
}

/** Completes a reserved certificate: from now on the door finds it. */
export function activateCertificate(draft: Draft, id: string, fingerprint: string, by: Circumstances) {
  const pending = credentialOf(draft, id)
  if (pending.kind !== 'x509' || pending.status !== 'pending') {
    throw new Failure('wrong-state', `credential ${id} is not a certificate waiting for its signature`)
  }
  activeOwner(draft, pending.owner)
  const record: CertificateCredential = {
    ...pending,
    status: 'active',
    fingerprint: freeFingerprint(draft, fingerprint),
  }
  indexCredential(draft, record, by.limits)
  writeCredential(draft, record, by.limits)
  audited(draft, 'credential.activated', id, by, { owner: record.owner, kind: record.kind })
  draft.changes.push({ kind: 'credential', id, owner: record.owner, what: 'activated' })
  return record
}

/** A new secret now; the old one ends after the overlap (seconds), or at its own end if that is earlier. */
export function rotateSecret(draft: Draft, id: string, input: RotationInput, by: Circumstances, makers: Makers) {
  const old = rotatable(draft, id, 'secret', by)
  endCredential(draft, old, overlapEnd(input, by), by)
  const { audience, label } = old
  return issueSecret(draft, old.owner, { audience, label, lifetime: sameLifetime(old, input) }, by, makers)
}

export function rotatePsk(draft: Draft, id: string, input: PskRotationInput, by: Circumstances, makers: Makers) {
  const old = rotatable(draft, id, 'psk', by)
  endCredential(draft, old, overlapEnd(input, by), by)
  const { key } = input
  const identity = input.identity ?? freeIdentity(draft, old, by)
  const fresh = { identity, key, label: old.label, lifetime: sameLifetime(old, input) }
  return issuePsk(draft, old.owner, fresh, by, makers)
}

export function rotatable<K extends CredentialRecord['kind']>(draft: Draft, id: string, kind: K, by: Circumstances) {
  const credential = credentialOf(draft, id)
  if (credential.kind !== kind) {
    throw new Failure('wrong-state', `credential ${id} is of kind ${credential.kind}, not ${kind}`)
  }
  if (whyUnusable(credential, by.now) !== null) {
    throw new Failure('wrong-state', `credential ${id} is revoked, expired or not active: issue a new one instead`)
  }
  return credential as Extract<CredentialRecord, { kind: K }>
}

export function overlapEnd(input: RotationInput, by: Circumstances): number {
  const { overlap } = input
  if (typeof overlap === 'number' && overlap >= 0 && overlap <= by.limits.overlap) {
    return by.now + Math.round(overlap * 1_000)
  }
  throw new Failure('invalid-input', `overlap must be 0 to ${by.limits.overlap} seconds`)
}

/** Seconds. */
export function sameLifetime(old: CredentialRecord, input: RotationInput): number | null {
  if (input.lifetime !== undefined) return input.lifetime
  const end = plannedEnd(old)
  return end === null ? null : (end - old.notBefore) / 1_000
}

export function newBase(
  draft: Draft,
  owner: string,
  input: {
    readonly label?: string | undefined
    readonly lifetime?: number | null | undefined
    readonly renews?: string | undefined
  },
  by: Circumstances,
  makers: Makers,
) {
  const { id: name } = activeOwner(draft, owner)
  const id = makers.random.bytes(10).toString('hex')
  if (draft.read(credentialAt(id))) throw new Failure('conflict', 'this credential id is taken: try again')
  return {
    id,
    owner: name,
    ownerKind: draft.read(ownerAt(name))?.kind ?? 'device',
    status: 'active',
    notBefore: by.now,
    expiresAt: endOfLife(input.lifetime, by),
    epoch: 1,
    label: checkedText(input.label ?? '', 'label', by.limits),
    createdAt: by.now,
    revokedAt: null,
    revocationReason: null,
    ...(input.renews !== undefined && { renews: input.renews }),
  } as const
}

/** One identity leads to one key, and never names somebody else. */
function checkIdentity(draft: Draft, identity: string, owner: string, by: Circumstances): void {
  if (!PSK_IDENTITY.test(identity)) {
    throw new Failure('invalid-input', 'a PSK identity must be 1 to 128 printable ASCII characters without spaces')
  }
  if (identity !== owner && isIdentifier(identity) && draft.read(ownerAt(identity))) {
    throw new Failure('invalid-input', `the PSK identity ${identity} is the name of somebody else: choose another`)
  }
  if (!isIdentityTaken(draft, identity, by)) return
  throw new Failure(
    'already-exists',
    `the PSK identity ${identity} is taken: choose another, or rotate or revoke its key`,
  )
}

function isIdentityTaken(draft: Draft, identity: string, by: Circumstances): boolean {
  const holder = holderOf(draft, pskAt(identity))
  return holder !== undefined && whyUnusable(holder, by.now) === null
}

/** The old identity when its key has ended, else the owner's id or `<id>.2`, `<id>.3`... */
function freeIdentity(draft: Draft, old: Pick<PskCredential, 'identity' | 'owner'>, by: Circumstances): string {
  const named = [old.identity, old.owner]
  const numbered = Array.from({ length: by.limits.credentialsPerOwner }, (_, i) => `${old.owner}.${i + 2}`)
  const free = [...named, ...numbered].find(
    identity =>
      !isIdentityTaken(draft, identity, by) && (identity === old.owner || draft.read(ownerAt(identity)) === undefined),
  )
  if (free !== undefined) return free
  throw new Failure(
    'quota-exceeded',
    `${old.owner} has a key under each of its identities: revoke one, or name an identity`,
  )
}

function parseKey(hex: string): Buffer {
  if (/^(?:[0-9a-fA-F]{2}){16,64}$/.test(hex)) return Buffer.from(hex, 'hex')
  throw new Failure('invalid-input', 'a pre-shared key must be the hex of 16 to 64 bytes')
}

function freeFingerprint(draft: Draft, fingerprint: string): string {
  if (!/^[0-9a-f]{64}$/.test(fingerprint)) {
    throw new Failure('invalid-input', 'fingerprint must be a SHA-256 digest in lower-case hex')
  }
  if (holderOf(draft, fingerprintAt(fingerprint)) === undefined) return fingerprint
  throw new Failure('already-exists', 'this certificate is registered already')
}
