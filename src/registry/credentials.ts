// The life cycle of credentials: pending -> active -> revoked; an end that only ever comes nearer; indexes beside it.
import type { FailureCode } from '../model/failure.ts'
import { Failure } from '../model/failure.ts'
import type { Draft } from './draft.ts'
import { type RegistryLimits, withinLimit } from './limits.ts'
import { checkedText } from './owner-fields.ts'
import { audited, type Circumstances, missing, ownerOf } from './owners.ts'
import type { ClientRecord, CredentialRecord, DeviceRecord } from './records.ts'
import {
  credentialAt,
  credentialOfAt,
  fingerprintAt,
  jwtKeyAt,
  keyIdAt,
  oscoreAt,
  ownerAt,
  pskAt,
  type Slot,
  scramAt,
} from './slots.ts'

/** Why this credential opens nothing at `now` (ms since the epoch); null when it does. */
export function whyUnusable(credential: CredentialRecord, now: number): FailureCode | null {
  if (credential.status === 'revoked') return 'credential-revoked'
  if (credential.expiresAt !== null && credential.expiresAt <= now) return 'credential-expired'
  if (credential.status === 'pending' || credential.notBefore > now) return 'credential-not-active'
  return null
}

export function revoked<R extends CredentialRecord>(credential: R, reason: string, now: number): R {
  if (credential.status === 'revoked') {
    throw new Failure('wrong-state', `credential ${credential.id} is already revoked (${credential.revocationReason})`)
  }
  return {
    ...credential,
    status: 'revoked',
    epoch: credential.epoch + 1,
    revokedAt: now,
    revocationReason: reason,
  }
}

/** `end`: ms since the epoch. The end of a credential never moves away. */
export function endingBy<R extends CredentialRecord>(credential: R, end: number): R {
  return { ...credential, expiresAt: Math.min(credential.expiresAt ?? end, end), plannedEnd: plannedEnd(credential) }
}

/** The end that it was made with (ms since the epoch; null: none), however near it has been moved since. */
export function plannedEnd(credential: CredentialRecord): number | null {
  return credential.plannedEnd === undefined ? credential.expiresAt : credential.plannedEnd
}

/** When the record itself may go (ms since the epoch); undefined: never. A revoked certificate stays until it expires. */
export function historyEnd(credential: CredentialRecord, limits: RegistryLimits): number | undefined {
  const { kind, expiresAt, revokedAt } = credential
  if (expiresAt === null && revokedAt === null) return undefined
  const certificateEnd = kind === 'x509' ? plannedEnd(credential) : null
  return Math.ceil(Math.max(expiresAt ?? 0, revokedAt ?? 0, certificateEnd ?? 0)) + limits.history * 1_000
}

/** The index entry by which the door finds it; null while there is none. */
function indexOf(credential: CredentialRecord): Slot<string> | null {
  switch (credential.kind) {
    case 'x509':
      return credential.fingerprint === '' ? null : fingerprintAt(credential.fingerprint)
    case 'secret':
      return keyIdAt(credential.keyId)
    case 'psk':
      return pskAt(credential.identity)
    case 'jwt-key':
      return jwtKeyAt(credential.owner, credential.kid)
    case 'scram':
      return scramAt(credential.owner)
    case 'oscore':
      return oscoreAt(credential.senderId)
  }
}

/** The owner, which must be active: nobody is given a key while suspended. */
export function activeOwner(draft: Draft, id: string): DeviceRecord | ClientRecord {
  const { record } = ownerOf(draft, id)
  if (record.status === 'active') return record
  throw new Failure('wrong-state', `${id} is suspended and gets no credential: resume it first`)
}

/** Writes a new credential and its indexes. Whoever holds a taken name is the caller's business. */
export function addCredential(draft: Draft, credential: CredentialRecord, by: Circumstances): void {
  const { entry } = ownerOf(draft, credential.owner)
  const kept = entry.credentials.filter(id => {
    const other = draft.read(credentialAt(id))
    return other !== undefined && other.status !== 'revoked' && (other.expiresAt ?? by.now + 1) > by.now
  })
  const credentials = [...kept, credential.id]
  withinLimit(by.limits, 'credentialsPerOwner', credentials.length, `one more credential of ${credential.owner}`)
  draft.write(ownerAt(credential.owner), { ...entry, credentials })
  indexCredential(draft, credential, by.limits)
  writeCredential(draft, credential, by.limits)
  const { kind, owner, label, expiresAt, status, renews } = credential
  const detail = { owner, kind, label, status, expiresAt, ...(renews !== undefined && { renews }) }
  audited(draft, 'credential.issued', credential.id, by, detail)
  draft.changes.push({ kind: 'credential', id: credential.id, owner, what: 'issued' })
}

/** Record and indexes have one end, so that the store sweeps them together. */
export function writeCredential(draft: Draft, credential: CredentialRecord, limits: RegistryLimits): void {
  const end = historyEnd(credential, limits)
  draft.write(credentialAt(credential.id), credential, end)
  draft.write(credentialOfAt(credential.owner, credential.id), credential.id, end)
  const index = indexOf(credential)
  if (index === null || draft.read(index) !== credential.id) return
  // These names are free again at once; the other ones stay, so that the door can say what was revoked.
  const isFree = credential.kind === 'psk' || credential.kind === 'oscore'
  if (isFree && credential.status === 'revoked') draft.remove(index)
  else draft.write(index, credential.id, end)
}

/** Makes the door find this credential by its name, whoever was found by it before. */
export function indexCredential(draft: Draft, credential: CredentialRecord, limits: RegistryLimits): void {
  const index = indexOf(credential)
  if (index !== null) draft.write(index, credential.id, historyEnd(credential, limits))
}

/** Who is found by this name now; undefined when it was never given. */
export function holderOf(draft: Draft, index: Slot<string>): CredentialRecord | undefined {
  const id = draft.read(index)
  return id === undefined ? undefined : draft.read(credentialAt(id))
}

export function revokeCredential(draft: Draft, id: string, reason: string, by: Circumstances): CredentialRecord {
  const text = checkedText(reason, 'reason', by.limits)
  return writeRevocation(draft, credentialOf(draft, id), text, by)
}

/** Revokes all that an owner still has; returns how many. */
export function revokeAll(draft: Draft, owner: string, reason: string, by: Circumstances): number {
  const credentials = ownerOf(draft, owner).entry.credentials.map(id => draft.read(credentialAt(id)))
  const live = credentials.filter(credential => credential !== undefined && credential.status !== 'revoked')
  for (const credential of live) if (credential) writeRevocation(draft, credential, reason, by)
  return live.length
}

/** `reason`: already checked. */
export function writeRevocation(draft: Draft, credential: CredentialRecord, reason: string, by: Circumstances) {
  const record = revoked(credential, reason, by.now)
  const { id, owner } = record
  const entry = draft.read(ownerAt(owner))
  if (entry) draft.write(ownerAt(owner), { ...entry, credentials: entry.credentials.filter(other => other !== id) })
  writeCredential(draft, record, by.limits)
  audited(draft, 'credential.revoked', id, by, { owner, kind: record.kind, reason })
  draft.changes.push({ kind: 'credential', id, owner, what: 'revoked' })
  return record
}

/** Moves the end of a credential nearer. Live sessions are told and read their new end. */
export function endCredential(draft: Draft, credential: CredentialRecord, end: number, by: Circumstances): void {
  const record = endingBy(credential, end)
  writeCredential(draft, record, by.limits)
  audited(draft, 'credential.ending', record.id, by, { owner: record.owner, expiresAt: record.expiresAt })
  draft.changes.push({ kind: 'credential', id: record.id, owner: record.owner, what: 'expired' })
}

export function credentialOf(draft: Draft, id: string): CredentialRecord {
  const credential = draft.read(credentialAt(id))
  if (!credential) throw missing('credential', id)
  return credential
}

/** ms since the epoch, from a lifetime in seconds; null: it does not end by itself. */
export function endOfLife(lifetime: number | null | undefined, by: Circumstances): number | null {
  if (lifetime === null || lifetime === undefined) return null
  const most = by.limits.credentialLifetime
  if (typeof lifetime === 'number' && lifetime > 0 && lifetime <= most) return by.now + Math.round(lifetime * 1_000)
  throw new Failure('invalid-input', `lifetime must be more than 0 and at most ${most} seconds, or null for no end`)
}
