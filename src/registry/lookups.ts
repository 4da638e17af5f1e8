// Synchronous reads: what the door, the policy and live sessions ask on every connection.
import type { FailureCode } from '../model/failure.ts'
import { isIdentifier } from '../model/identifier.ts'
import type { Principal, Subject } from '../model/principal.ts'
import type { Store } from '../store/store.ts'
import { whyUnusable } from './credentials.ts'
import { isTokenDenied } from './denied-tokens.ts'
import type {
  ClientRecord,
  CredentialRecord,
  DeviceRecord,
  DeviceTypeRecord,
  JwtKeyCredential,
  OscoreCredential,
  OwnerStatus,
  ScramCredential,
} from './records.ts'
import {
  childrenAt,
  clientAt,
  credentialAt,
  deviceAt,
  fingerprintAt,
  jwtKeyAt,
  keyIdAt,
  oscoreAt,
  ownerAt,
  pskAt,
  type Slot,
  scramAt,
  typeAt,
} from './slots.ts'

/** Longer names were never given to anything. */
const MAX_NAME = 128

export class Lookups {
  readonly #store: Store
  readonly #subjects = new WeakMap<DeviceRecord | ClientRecord, Subject>()

  constructor(store: Store) {
    this.#store = store
  }

  device(id: string): DeviceRecord | undefined {
    return isIdentifier(id) ? this.#read(deviceAt(id)) : undefined
  }

  client(id: string): ClientRecord | undefined {
    return isIdentifier(id) ? this.#read(clientAt(id)) : undefined
  }

  deviceType(id: string): DeviceTypeRecord | undefined {
    return isIdentifier(id) ? this.#read(typeAt(id)) : undefined
  }

  credential(id: string): CredentialRecord | undefined {
    return isIdentifier(id) ? this.#read(credentialAt(id)) : undefined
  }

  byFingerprint(hex: string): CredentialRecord | undefined {
    return this.#indexed(fingerprintAt(hex), hex)
  }

  byKeyId(keyId: string): CredentialRecord | undefined {
    return this.#indexed(keyIdAt(keyId), keyId)
  }

  byPskIdentity(identity: string): CredentialRecord | undefined {
    return this.#indexed(pskAt(identity), identity)
  }

  /** Hex. */
  byOscoreId(senderId: string): OscoreCredential | undefined {
    const credential = this.#indexed(oscoreAt(senderId), senderId)
    return credential?.kind === 'oscore' ? credential : undefined
  }

  byScramUsername(username: string): ScramCredential | undefined {
    const credential = isIdentifier(username) ? this.#indexed(scramAt(username), username) : undefined
    return credential?.kind === 'scram' ? credential : undefined
  }

  /** Without `kid`: the owner's only usable key. Several keys and no kid is ambiguous, so there is none. */
  jwtKey(owner: string, kid: string | undefined, now: number): JwtKeyCredential | undefined {
    if (!isIdentifier(owner)) return undefined
    if (kid !== undefined) {
      const credential = this.#indexed(jwtKeyAt(owner, kid), kid)
      return credential?.kind === 'jwt-key' ? credential : undefined
    }
    const ids = this.#read(ownerAt(owner))?.credentials ?? []
    const usable = ids.flatMap(id => {
      const credential = this.#read(credentialAt(id))
      return credential?.kind === 'jwt-key' && whyUnusable(credential, now) === null ? [credential] : []
    })
    return usable.length === 1 ? usable[0] : undefined
  }

  /** What the policy knows of a device or client; suspended ones too. */
  subjectOf(id: string): Subject | undefined {
    const device = this.device(id)
    if (device) {
      const family = this.#read(childrenAt(id)) ?? []
      if (family.length === 0) return this.#alone(device, subjectOfDevice)
      // Nobody speaks for a suspended child either.
      return { ...subjectOfDevice(device), children: family.filter(child => this.device(child)?.status === 'active') }
    }
    const client = this.client(id)
    return client && this.#alone(client, subjectOfClient)
  }

  /** Of a record that is all there is to know: made once, as long as the record stays the same. */
  #alone<T extends DeviceRecord | ClientRecord>(record: T, make: (record: T) => Subject): Subject {
    const known = this.#subjects.get(record)
    if (known !== undefined) return known
    const made = make(record)
    this.#subjects.set(record, made)
    return made
  }

  /** Why this principal may go on no longer; null when all that it was admitted by still holds. */
  standing(principal: Principal, now: number): FailureCode | null {
    return this.#ownerStands(principal) ?? this.#credentialsStand(principal, now) ?? this.#tokenStands(principal, now)
  }

  /** When it ends by itself (ms since the epoch): its own end or that of its credential, as it is now. */
  endOf(principal: Principal): number | null {
    const records = provedBy(principal).map(({ id }) => this.credential(id))
    const ends = [principal.expiresAt, ...records.map(record => record?.expiresAt ?? null)].filter(end => end !== null)
    return ends.length === 0 ? null : Math.min(...ends)
  }

  #ownerStands({ subject, credential, issuer, ownerEpoch }: Principal): FailureCode | null {
    // Neither the anonymous nor the operator's per-start key has a record: the configuration and the process end them.
    if (credential === null && issuer === null && subject.kind !== 'device' && subject.kind !== 'service') return null
    const owner = this.#owner(subject)
    if (!owner) return 'superseded'
    if (owner.status === 'suspended') return 'owner-suspended'
    return owner.epoch === ownerEpoch ? null : 'superseded'
  }

  #owner(subject: Subject): { status: OwnerStatus; epoch: number } | undefined {
    if (subject.kind === 'device') return this.device(subject.id)
    const client = this.client(subject.id)
    return client?.kind === subject.kind ? client : undefined
  }

  #credentialsStand(principal: Principal, now: number): FailureCode | null {
    for (const { id, epoch } of provedBy(principal)) {
      const record = this.credential(id)
      if (!record) return 'credential-revoked'
      const why = whyUnusable(record, now)
      if (why !== null) return why
      if (record.owner !== principal.subject.id || record.epoch !== epoch) return 'superseded'
    }
    return null
  }

  #tokenStands({ issuer, jti, expiresAt }: Principal, now: number): FailureCode | null {
    if (issuer !== null && jti !== null && isTokenDenied(this.#store, issuer, jti)) return 'token-revoked'
    if (expiresAt === null || expiresAt > now) return null
    return issuer === null ? 'credential-expired' : 'token-expired'
  }

  #indexed(slot: Slot<string>, name: string): CredentialRecord | undefined {
    if (name.length > MAX_NAME) return undefined
    const id = this.#read(slot)
    return id === undefined ? undefined : this.#read(credentialAt(id))
  }

  #read<T>(slot: Slot<T>): T | undefined {
    return this.#store.recall(slot.key, slot.decode)
  }
}

function subjectOfDevice({ id, type, groups, roles, attributes }: DeviceRecord): Subject {
  const named = new Map([...Object.entries(attributes), ['id', id] as const, ['type', type] as const])
  return { kind: 'device', id, type, groups, roles, attributes: named, children: [] }
}

function subjectOfClient({ id, kind, groups, roles, attributes }: ClientRecord): Subject {
  const named = new Map([...Object.entries(attributes), ['id', id] as const])
  return { kind, id, type: null, groups, roles, attributes: named, children: [] }
}

/** Every credential that a principal hangs on. */
function provedBy({ credential, credentialEpoch, besides = [] }: Principal): readonly { id: string; epoch: number }[] {
  return credential === null ? besides : [{ id: credential.id, epoch: credentialEpoch }, ...besides]
}
