import { createCipheriv, createDecipheriv, createHmac, hkdfSync, timingSafeEqual } from 'node:crypto'
import type { Random } from '../model/clock.ts'
import { Failure } from '../model/failure.ts'
import type { Operation, Store } from '../store/store.ts'
import type { KeyEncryptionKey } from './key-encryption-key.ts'
import {
  currentRevision,
  KEY_PURPOSES,
  type KeyPurpose,
  type KeyRing,
  keyOperations,
  newVaultKey,
  readKeyRing,
} from './vault-keys.ts'

/** What is kept of a generated secret: which pepper, and HMAC-SHA256 under it, base64. */
export interface HashedSecret {
  readonly pepper: string
  readonly mac: string
}

// Sealed: version, id of the data key, nonce, ciphertext, tag. Version and id are authenticated with the context.
const VERSION = 1
const ID_OFFSET = 1
const IV_OFFSET = 5
const IV_BYTES = 12
const TEXT_OFFSET = IV_OFFSET + IV_BYTES
const TAG_BYTES = 16
const MAC_BYTES = 32

/** Seals what must be readable again (PSKs, private keys), hashes what must not (secrets), derives MAC keys by label. */
export class Vault {
  readonly #store: Store
  readonly #kek: KeyEncryptionKey
  readonly #random: Random
  readonly #pepper: KeyRing
  readonly #macRoot: KeyRing
  readonly #macKeys = new Map<string, Buffer>()
  #data: KeyRing

  private constructor(
    options: { store: Store; kek: KeyEncryptionKey; random: Random },
    rings: Record<KeyPurpose, KeyRing>,
  ) {
    this.#store = options.store
    this.#kek = options.kek
    this.#random = options.random
    this.#data = rings.data
    this.#pepper = rings.pepper
    this.#macRoot = rings.mac
  }

  /** True until it was opened once: only then may a missing key-encryption key be made anew. */
  static isNew(store: Store): boolean {
    return KEY_PURPOSES.every(purpose => currentRevision(store, purpose) === 0)
  }

  /** Makes the vault's keys on the first opening. Throws `vault-key` when `kek` is not the one they were wrapped with. */
  static async open(options: { store: Store; kek: KeyEncryptionKey; random: Random }): Promise<Vault> {
    const { store, kek, random } = options
    await store.flush()
    if (Vault.isNew(store)) {
      const operations: Operation[] = KEY_PURPOSES.flatMap(purpose =>
        keyOperations(purpose, newVaultKey(random), kek, 0),
      )
      await store.commit(operations, 'fsync')
    }
    const [data, pepper, mac] = await Promise.all([
      readKeyRing(store, 'data', kek),
      readKeyRing(store, 'pepper', kek),
      readKeyRing(store, 'mac', kek),
    ])
    return new Vault(options, { data, pepper, mac })
  }

  /** AES-256-GCM. `context` says whose it is, for example `credential:<owner>:<id>`: it opens only under the same words. */
  seal(plain: Buffer, context: string): Buffer {
    const key = this.#data.current
    const header = Buffer.alloc(IV_OFFSET)
    header[0] = VERSION
    header.write(key.id, ID_OFFSET, 'hex')
    const iv = this.#random.bytes(IV_BYTES)
    const cipher = createCipheriv('aes-256-gcm', key.bytes, iv, { authTagLength: TAG_BYTES })
    cipher.setAAD(Buffer.concat([header, Buffer.from(context)]))
    return Buffer.concat([header, iv, cipher.update(plain), cipher.final(), cipher.getAuthTag()])
  }

  /** Throws `vault-key` when it was altered, belongs to another context, or its data key is gone. */
  unseal(sealed: Buffer, context: string): Buffer {
    const header = sealed.subarray(0, IV_OFFSET)
    const key = this.#data.all.get(header.subarray(ID_OFFSET).toString('hex'))
    if (header[0] !== VERSION || key === undefined || sealed.length < TEXT_OFFSET + TAG_BYTES) {
      throw new Failure('vault-key', `what is sealed for ${context} has an unknown format or its data key is gone`)
    }
    const iv = sealed.subarray(IV_OFFSET, TEXT_OFFSET)
    const decipher = createDecipheriv('aes-256-gcm', key.bytes, iv, { authTagLength: TAG_BYTES })
    decipher.setAAD(Buffer.concat([header, Buffer.from(context)]))
    decipher.setAuthTag(sealed.subarray(-TAG_BYTES))
    try {
      return Buffer.concat([decipher.update(sealed.subarray(TEXT_OFFSET, -TAG_BYTES)), decipher.final()])
    } catch (error) {
      throw new Failure('vault-key', `what is sealed for ${context} was altered or belongs elsewhere`, { cause: error })
    }
  }

  /** For generated secrets of 256 bits: no slow hash is needed, and one at every CONNECT would let strangers stall us. */
  hashSecret(secret: string): HashedSecret {
    const { id, bytes } = this.#pepper.current
    return { pepper: id, mac: hmac(bytes, secret).toString('base64') }
  }

  /** `null` stands for an unknown key id: the same work is done, then the answer is false. */
  verifySecret(secret: string, stored: HashedSecret | null): boolean {
    const pepper = stored === null ? undefined : this.#pepper.all.get(stored.pepper)
    const expected = Buffer.alloc(MAC_BYTES)
    const length = stored === null ? 0 : expected.write(stored.mac, 'base64')
    const equal = timingSafeEqual(hmac((pepper ?? this.#pepper.current).bytes, secret), expected)
    return equal && pepper !== undefined && length === MAC_BYTES
  }

  /** HMAC-SHA256 under a key of its own for each label (HKDF, RFC 5869). Labels are constants of the code. */
  mac(label: string, data: Buffer): Buffer {
    let key = this.#macKeys.get(label)
    if (key === undefined) {
      key = Buffer.from(hkdfSync('sha256', this.#macRoot.current.bytes, '', `latchkey mac ${label}`, MAC_BYTES))
      this.#macKeys.set(label, key)
    }
    return hmac(key, data)
  }

  /** From now on a new key seals; what was sealed before still opens. Resolves with the new key's id. */
  async rotateDataKey(): Promise<string> {
    const key = newVaultKey(this.#random)
    await this.#store.commit(keyOperations('data', key, this.#kek, currentRevision(this.#store, 'data')), 'fsync')
    this.#data = { current: key, all: new Map([...this.#data.all, [key.id, key]]) }
    return key.id
  }
}

const hmac = (key: Buffer, data: Buffer | string) => createHmac('sha256', key).update(data).digest()
