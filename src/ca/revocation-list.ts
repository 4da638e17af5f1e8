import type { Clock } from '../model/clock.ts'
import { Failure } from '../model/failure.ts'
import { plannedEnd } from '../registry/credentials.ts'
import type { CredentialRecord } from '../registry/records.ts'
import { credentialAt, PREFIX } from '../registry/slots.ts'
import { Conflict, type Store } from '../store/store.ts'
import { encodeEntry, writeCrl } from './crl.ts'
import type { SigningAuthority } from './signing-authority.ts'

interface Listed {
  readonly entry: Buffer
  /** End of the certificate, ms since the epoch. */
  readonly expiresAt: number
}

/** Which certificates of which authority are revoked: read once, then kept by watching the store. */
export class RevokedCertificates {
  readonly #store: Store
  /** By authority, then by credential. */
  readonly #listed = new Map<string, Map<string, Listed>>()
  /** By authority: rises with every change. */
  readonly #versions = new Map<string, number>()
  readonly #stop: () => void
  #loading: Promise<void> | null = null

  constructor(store: Store) {
    this.#store = store
    this.#stop = store.watch(PREFIX.credential, ({ type, value }) => {
      if (type === 'put' && value) this.#note(decode(value))
    })
  }

  /** Resolves when everything revoked before the call is known. Scans all credentials the first time. */
  async ready(): Promise<void> {
    this.#loading ??= this.#load().catch(error => {
      this.#loading = null
      throw error
    })
    await this.#loading
    await this.#store.flush()
  }

  version(authority: string): number {
    return this.#versions.get(authority) ?? 0
  }

  /** Entries of one authority whose certificates end after `from`; older ones are forgotten. */
  entries(authority: string, from: number): Buffer[] {
    const listed = this.#listed.get(authority)
    if (!listed) return []
    for (const [id, { expiresAt }] of listed) if (expiresAt <= from) listed.delete(id)
    return [...listed.values()].map(({ entry }) => entry)
  }

  close(): void {
    this.#stop()
  }

  async #load(): Promise<void> {
    await this.#store.flush()
    for await (const { value } of this.#store.list(PREFIX.credential)) this.#note(decode(value))
  }

  #note(credential: CredentialRecord): void {
    if (credential.kind !== 'x509' || credential.status !== 'revoked') return
    const { id, issuer, serial, revokedAt, revocationReason } = credential
    const listed = this.#listed.get(issuer) ?? new Map<string, Listed>()
    this.#listed.set(issuer, listed)
    if (listed.has(id)) return
    const entry = encodeEntry({ serial, revokedAt: revokedAt ?? credential.createdAt, reason: revocationReason })
    listed.set(id, { entry, expiresAt: plannedEnd(credential) ?? Number.POSITIVE_INFINITY })
    this.#versions.set(issuer, this.version(issuer) + 1)
  }
}

const decode = credentialAt('').decode

export interface RevocationListOptions {
  readonly store: Store
  readonly clock: Clock
  readonly authority: SigningAuthority
  readonly revoked: RevokedCertificates
  /** Seconds from thisUpdate to nextUpdate. */
  readonly lifetime: number
  /** How often the number is tried when another process counts too. */
  readonly attempts?: number
}

interface Signed {
  readonly der: Buffer
  readonly version: number
  /** Ms since the epoch: when a fresh one is due, though nothing was revoked. */
  readonly refreshAt: number
}

/** The certificate revocation list of one authority: signed when asked for and something has changed or half its life is over. */
export class RevocationList {
  readonly #options: RevocationListOptions
  #signed: Signed | null = null
  #signing: Promise<Signed> | null = null

  constructor(options: RevocationListOptions) {
    this.#options = options
  }

  /** DER; every certificate revoked before the call is on it. */
  async current(): Promise<Buffer> {
    const { authority, clock, revoked } = this.#options
    await revoked.ready()
    const wanted = revoked.version(authority.id)
    if (this.#signed && this.#signed.version >= wanted && clock.now() < this.#signed.refreshAt) return this.#signed.der
    // Many may ask at once for one signature; it may have been under way before the last revocation.
    let signed = await this.#sign()
    while (signed.version < wanted) signed = await this.#sign()
    return signed.der
  }

  #sign(): Promise<Signed> {
    this.#signing ??= this.#signNow().finally(() => {
      this.#signing = null
    })
    return this.#signing
  }

  async #signNow(): Promise<Signed> {
    const { authority, clock, revoked, lifetime } = this.#options
    const number = await this.#nextNumber()
    const thisUpdate = Math.floor(clock.now() / 1000) * 1000
    // RFC 5280 3.3: an entry stays until a list was issued after the certificate's end
    const entries = revoked.entries(authority.id, thisUpdate - lifetime * 1000)
    this.#signed = {
      version: revoked.version(authority.id),
      refreshAt: thisUpdate + lifetime * 500,
      der: writeCrl(
        {
          issuerName: authority.name,
          keyIdentifier: authority.keyIdentifier,
          number,
          thisUpdate,
          nextUpdate: thisUpdate + lifetime * 1000,
          entries,
        },
        authority.key,
      ),
    }
    return this.#signed
  }

  /** RFC 5280 5.2.3: monotonic, over restarts too; on disk before it is used. */
  async #nextNumber(): Promise<number> {
    const { store, authority, attempts = 8 } = this.#options
    const key = `ca-crl-number/${authority.id}`
    for (let attempt = 0; attempt < attempts; attempt++) {
      const entry = store.get(key)
      const number = entry ? Number(entry.value.toString('utf8')) + 1 : 1
      try {
        await store.commit([{ put: key, value: String(number), if: entry?.revision ?? 0 }])
        return number
      } catch (error) {
        if (!(error instanceof Conflict)) throw error
      }
    }
    throw new Failure('conflict', `The CRL number of ${authority.id} is being changed by others; ask again.`)
  }
}
