// Where the registry keeps what. Owner ids, types and credential ids hold no `/`, so keys never run into each other.
import { createHash } from 'node:crypto'
import type { ClientRecord, CredentialRecord, DeviceRecord, DeviceTypeRecord, OwnerKind } from './records.ts'

/** A key and how its value is read. */
export interface Slot<T> {
  readonly key: string
  readonly decode: (value: Buffer) => T
}

/** What stands behind an id in the one name space of devices and clients. */
export interface OwnerEntry {
  readonly kind: OwnerKind
  /** Credentials not yet revoked; expired ones leave when the next is added. */
  readonly credentials: readonly string[]
}

export interface Counters {
  /** The last owner epoch given out. One counter for all, so that no id's epoch ever falls, even when it is re-created. */
  readonly epoch: number
  readonly devices: number
  readonly clients: number
  readonly deviceTypes: number
}

export const PREFIX = {
  device: 'device/',
  client: 'client/',
  type: 'type/',
  credential: 'credential/',
} as const

export const deviceAt = (id: string): Slot<DeviceRecord> => ({ key: PREFIX.device + id, decode: decodeRecord })
export const clientAt = (id: string): Slot<ClientRecord> => ({ key: PREFIX.client + id, decode: decodeRecord })
export const typeAt = (id: string): Slot<DeviceTypeRecord> => ({ key: PREFIX.type + id, decode: decodeRecord })
export const credentialAt = (id: string): Slot<CredentialRecord> => ({ key: PREFIX.credential + id, decode })
export const ownerAt = (id: string): Slot<OwnerEntry> => ({ key: `owner/${id}`, decode })
/** Ids in code unit order. */
export const childrenAt = (parent: string): Slot<readonly string[]> => ({ key: `children/${parent}`, decode })
export const countersSlot: Slot<Counters> = { key: 'registry', decode }

/** Index entries hold the id of what they lead to. */
export const ofTypePrefix = (type: string): string => `of-type/${type}/`
export const ofTypeAt = (type: string, id: string): Slot<string> => ({ key: ofTypePrefix(type) + id, decode })
export const credentialOfPrefix = (owner: string): string => `credential-of/${owner}/`
export const credentialOfAt = (owner: string, id: string): Slot<string> => ({
  key: credentialOfPrefix(owner) + id,
  decode,
})
export const fingerprintAt = (hex: string): Slot<string> => ({ key: `fingerprint/${hex}`, decode })
export const keyIdAt = (keyId: string): Slot<string> => ({ key: `key-id/${keyId}`, decode })
export const pskAt = (identity: string): Slot<string> => ({ key: `psk/${identity}`, decode })
export const oscoreAt = (senderId: string): Slot<string> => ({ key: `oscore/${senderId}`, decode })
export const scramAt = (username: string): Slot<string> => ({ key: `scram/${username}`, decode })
export const jwtKeyAt = (owner: string, kid: string): Slot<string> => ({ key: `jwt-key/${owner}/${kid}`, decode })

/** Issuer and jti come from outside and may hold anything: their digests stand in the key. */
export const deniedAt = (issuer: string, jti: string): Slot<true> => ({
  key: `denied/${digest(issuer)}/${digest(jti)}`,
  decode,
})

function digest(text: string): string {
  return createHash('sha256').update(text).digest('base64url')
}

function decode<T>(value: Buffer): T {
  return JSON.parse(value.toString('utf8')) as T
}

/** Attribute names such as `constructor` must find what is stored and nothing else. */
function decodeRecord<T extends { readonly attributes: object }>(value: Buffer): T {
  const record = decode<T>(value)
  return { ...record, attributes: Object.assign(Object.create(null), record.attributes) }
}
