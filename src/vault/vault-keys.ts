import type { Random } from '../model/clock.ts'
import { Failure } from '../model/failure.ts'
import type { Operation, Store } from '../store/store.ts'
import type { KeyEncryptionKey } from './key-encryption-key.ts'

/** `data` seals, `pepper` hashes generated secrets, `mac` is the root of all labelled MAC keys. */
export const KEY_PURPOSES = ['data', 'pepper', 'mac'] as const
export type KeyPurpose = (typeof KEY_PURPOSES)[number]

export interface VaultKey {
  /** 8 hexadecimal digits, unique in its purpose. */
  readonly id: string
  readonly bytes: Buffer
}

/** All keys of one purpose: the current one makes new things, the others still read old ones. */
export interface KeyRing {
  readonly current: VaultKey
  readonly all: ReadonlyMap<string, VaultKey>
}

const KEY_BYTES = 32
const ID_BYTES = 4

const currentKey = (purpose: KeyPurpose) => `vault/current/${purpose}`
const recordKey = (purpose: KeyPurpose, id: string) => `vault/key/${purpose}/${id}`

export function newVaultKey(random: Random): VaultKey {
  return { id: random.bytes(ID_BYTES).toString('hex'), bytes: random.bytes(KEY_BYTES) }
}

/** Writes a key, wrapped, and makes it the current one. Conflicts when `currentRevision` (0 = none) has passed. */
export function keyOperations(
  purpose: KeyPurpose,
  key: VaultKey,
  kek: KeyEncryptionKey,
  currentRevision: number,
): Operation[] {
  const record = JSON.stringify({ format: 1, kek: kek.id, wrapped: kek.wrap(key.bytes).toString('base64') })
  return [
    { put: recordKey(purpose, key.id), value: record, if: 0 },
    { put: currentKey(purpose), value: key.id, if: currentRevision },
  ]
}

export function currentRevision(store: Store, purpose: KeyPurpose): number {
  return store.get(currentKey(purpose))?.revision ?? 0
}

/** Throws `vault-key` when `kek` is not the one that wrapped them. */
export async function readKeyRing(store: Store, purpose: KeyPurpose, kek: KeyEncryptionKey): Promise<KeyRing> {
  const currentId = store.get(currentKey(purpose))?.value.toString()
  const all = new Map<string, VaultKey>()
  const prefix = recordKey(purpose, '')
  for await (const entry of store.list(prefix)) {
    const id = entry.key.slice(prefix.length)
    const record = JSON.parse(entry.value.toString()) as { kek: string; wrapped: string }
    if (record.kek !== kek.id) {
      throw new Failure(
        'vault-key',
        `the vault was sealed with key ${record.kek}, but key ${kek.id} was given: restore the right key from where it is kept`,
      )
    }
    all.set(id, { id, bytes: kek.unwrap(Buffer.from(record.wrapped, 'base64')) })
  }
  const current = currentId === undefined ? undefined : all.get(currentId)
  if (current === undefined) {
    throw new Failure('vault-key', `the vault has lost its ${purpose} key: restore the data directory from a backup`)
  }
  return { current, all }
}
