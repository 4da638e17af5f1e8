// The token server's own keys: sealed at rest, shown in the JWKS before they sign and after, rotated with overlap.
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { exportJWK, type JWK } from 'jose'
import type { Audit } from '../audit/audit.ts'
import type { Actor } from '../audit/events.ts'
import type { Changes } from '../model/change.ts'
import type { Clock, Random } from '../model/clock.ts'
import { Failure } from '../model/failure.ts'
import type { Operation, Store } from '../store/store.ts'
import type { Vault } from '../vault/vault.ts'

export interface SigningKeysOptions {
  readonly store: Store
  readonly vault: Vault
  readonly audit: Audit
  readonly changes: Changes
  readonly clock: Clock
  readonly random: Random
  readonly limits: SigningKeyLimits
}

export interface SigningKeyLimits {
  /** Seconds that a new key stands in the JWKS before it signs: longer than verifiers may cache the JWKS. */
  readonly publishLead: number
  /** Seconds that a key stays in the JWKS after its successor began: longer than any token lives. */
  readonly retireAfter: number
  /** Keys kept at once. */
  readonly keys: number
}

/** As stored under `oauth-key/<kid>`. Times are milliseconds since the epoch. */
interface KeyRecord {
  readonly kid: string
  readonly createdAt: number
  readonly signsFrom: number
  /** null while no successor was named. */
  readonly endsAt: number | null
  readonly publicJwk: JWK
  /** PKCS #8, sealed; base64. */
  readonly sealed: string
}

export interface SigningKey extends KeyRecord {
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
}

export type SigningKeyState = 'published' | 'active' | 'retired'

const PREFIX = 'oauth-key/'
const context = (kid: string) => `oauth-key:${kid}`

export class SigningKeys {
  readonly #options: SigningKeysOptions
  #keys: readonly SigningKey[]
  #rotating = false

  private constructor(options: SigningKeysOptions, keys: readonly SigningKey[]) {
    this.#options = options
    this.#keys = keys
  }

  /** Reads the keys; makes the first one in a new store, which signs at once. */
  static async open(options: SigningKeysOptions): Promise<SigningKeys> {
    const keys: SigningKey[] = []
    for await (const { value } of options.store.list(PREFIX)) keys.push(unseal(JSON.parse(value.toString()), options))
    const opened = new SigningKeys(
      options,
      keys.sort((a, b) => a.signsFrom - b.signsFrom),
    )
    if (keys.length === 0) await opened.#add(options.clock.now(), { kind: 'system', id: 'latchkey' })
    return opened
  }

  /** The key that signs now. */
  get active(): SigningKey {
    const now = this.#options.clock.now()
    const key = this.#keys.findLast(({ signsFrom }) => signsFrom <= now)
    if (!key) throw new Failure('clock-behind')
    return key
  }

  /** Those that may stand in the JWKS, oldest first. */
  get shown(): readonly SigningKey[] {
    const now = this.#options.clock.now()
    return this.#keys.filter(({ endsAt }) => endsAt === null || endsAt > now)
  }

  byKid(kid: string): SigningKey | undefined {
    return this.shown.find(key => key.kid === kid)
  }

  stateOf(key: SigningKey): SigningKeyState {
    if (key.signsFrom > this.#options.clock.now()) return 'published'
    return key === this.active ? 'active' : 'retired'
  }

  /** Publishes a successor that begins to sign after the lead; what it replaces stays until its last token has ended. */
  async rotate(actor: Actor): Promise<SigningKey> {
    const { clock, limits } = this.#options
    const waiting = this.#keys.find(({ signsFrom }) => signsFrom > clock.now())
    if (waiting) {
      const from = new Date(waiting.signsFrom).toISOString()
      throw new Failure('wrong-state', `key ${waiting.kid} is published already and signs from ${from}; wait for it`)
    }
    if (this.#rotating) throw new Failure('wrong-state', 'another rotation is under way; list the keys when it is over')
    this.#rotating = true
    try {
      return await this.#add(clock.now() + limits.publishLead * 1000, actor)
    } finally {
      this.#rotating = false
    }
  }

  async #add(signsFrom: number, actor: Actor): Promise<SigningKey> {
    const { audit, changes, clock, limits } = this.#options
    const now = clock.now()
    const ended = this.#keys.filter(({ endsAt }) => endsAt !== null && endsAt <= now)
    const kept = this.#keys.filter(key => !ended.includes(key))
    if (kept.length >= limits.keys) {
      throw new Failure('quota-exceeded', `${limits.keys} signing keys are in use: wait until the oldest has ended`)
    }
    const fresh = await this.#make(signsFrom)
    const endsAt = signsFrom + limits.retireAfter * 1000
    const replaced = kept.map(key => (key.endsAt === null ? { ...key, endsAt } : key))
    const operations: Operation[] = [
      ...[...replaced.filter((key, i) => key !== kept[i]), fresh].map(key => ({
        put: PREFIX + key.kid,
        value: JSON.stringify(recordOf(key)),
      })),
      ...ended.map(({ kid }) => ({ del: PREFIX + kid })),
    ]
    const detail = { signsFrom: new Date(signsFrom).toISOString() }
    await audit.commit(operations, [{ type: 'change', what: 'key.created', target: fresh.kid, actor, detail }])
    this.#keys = [...replaced, fresh]
    changes.publish({ kind: 'key', id: fresh.kid, what: 'created' })
    for (const { kid } of ended) changes.publish({ kind: 'key', id: kid, what: 'removed' })
    return fresh
  }

  async #make(signsFrom: number): Promise<SigningKey> {
    const { vault, clock, random } = this.#options
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const kid = random.bytes(12).toString('base64url')
    const der = privateKey.export({ type: 'pkcs8', format: 'der' })
    const sealed = vault.seal(der, context(kid)).toString('base64')
    der.fill(0)
    const publicJwk = { ...(await exportJWK(publicKey)), kid, alg: 'ES256', use: 'sig' }
    return { kid, createdAt: clock.now(), signsFrom, endsAt: null, publicJwk, sealed, privateKey, publicKey }
  }
}

function unseal(record: KeyRecord, { vault }: SigningKeysOptions): SigningKey {
  const key = vault.unseal(Buffer.from(record.sealed, 'base64'), context(record.kid))
  const privateKey = createPrivateKey({ key, format: 'der', type: 'pkcs8' })
  key.fill(0)
  return { ...record, privateKey, publicKey: createPublicKey(privateKey) }
}

const recordOf = ({ kid, createdAt, signsFrom, endsAt, publicJwk, sealed }: SigningKey): KeyRecord => ({
  kid,
  createdAt,
  signsFrom,
  endsAt,
  publicJwk,
  sealed,
})
