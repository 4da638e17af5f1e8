// The certificate authority: a root, an issuing CA under it, and what it signs.
import { type X509Certificate as Certificate, createHash, generateKeyPairSync } from 'node:crypto'
import { hostname as machineName } from 'node:os'
import type { Audit } from '../audit/audit.ts'
import type { Actor } from '../audit/events.ts'
import type { Clock, Random } from '../model/clock.ts'
import { Failure } from '../model/failure.ts'
import { plannedEnd } from '../registry/credentials.ts'
import type { PreparedPart } from '../registry/draft.ts'
import type { CertificateCredential } from '../registry/records.ts'
import type { Registry } from '../registry/registry.ts'
import { Conflict, type Store } from '../store/store.ts'
import type { Vault } from '../vault/vault.ts'
import { authorise, type IssueOrder } from './authorise.ts'
import { toPem } from './pem.ts'
import type { Profiles } from './profiles.ts'
import { REQUEST_LIMITS, type RequestLimits, readRequest } from './request.ts'
import { checkRequest } from './request-checks.ts'
import { RevocationList, RevokedCertificates } from './revocation-list.ts'
import { type ServerCertificate, ServerCertificates, serverNames } from './server-certificate.ts'
import { type CertificatePlan, DEVICE_URI, newSerial, signCertificate, validityOf } from './signer.ts'
import { loadAuthority, makeAuthorities, type SigningAuthority } from './signing-authority.ts'

export interface AuthorityOptions {
  readonly store: Store
  readonly vault: Vault
  readonly registry: Registry
  readonly audit: Audit
  readonly clock: Clock
  readonly random: Random
  readonly profiles: Profiles
  /** Of the issuing CA; the root is `<id>-root`. Default `latchkey`. */
  readonly id?: string
  /** Where devices reach the HTTP API, without a trailing slash: goes into certificates as the place of the CRL. */
  readonly publicUrl?: string | null
  /** Of this machine, for the server certificate. */
  readonly hostname?: string
  readonly limits?: Partial<AuthorityLimits>
}

export interface AuthorityLimits extends RequestLimits {
  /** How often a batch is tried when others change the same records. */
  readonly attempts: number
  /** Rounds of the key derivation in PKCS #12 files. */
  readonly pkcs12Iterations: number
}

export interface IssuedCertificate {
  readonly credential: CertificateCredential
  readonly certificatePem: string
  /** Issuing CA and root. */
  readonly chainPem: string
}

export interface IssuedKey extends IssuedCertificate {
  /** PKCS #8. Handed out once and never kept. */
  readonly privateKeyPem: string
  /** Key, certificate and chain under the password. */
  readonly pkcs12: Buffer
}

/** Parts that go into the certificate's own batch, prepared in the moment before it is committed. */
export type PartsWithin = () => readonly PreparedPart[]

export class CertificateAuthority {
  readonly id: string
  readonly rootPem: string
  /** Issuing CA, then root. */
  readonly chainPem: string
  readonly #options: AuthorityOptions
  readonly #limits: AuthorityLimits
  readonly #root: SigningAuthority
  readonly #issuing: SigningAuthority
  readonly #revoked: RevokedCertificates
  readonly #lists: ReadonlyMap<string, RevocationList>
  readonly #servers: ServerCertificates

  private constructor(options: AuthorityOptions, root: SigningAuthority, issuing: SigningAuthority) {
    const { store, vault, audit, clock, random, profiles, limits } = options
    this.#options = options
    this.#limits = { ...REQUEST_LIMITS, attempts: 8, pkcs12Iterations: 50_000, ...limits }
    this.#root = root
    this.#issuing = issuing
    this.id = issuing.id
    this.rootPem = root.certificatePem
    this.chainPem = issuing.certificatePem + root.certificatePem
    const revoked = new RevokedCertificates(store)
    this.#revoked = revoked
    const list = (authority: SigningAuthority, profile: 'root' | 'issuing') =>
      new RevocationList({ store, clock, authority, revoked, lifetime: profiles[profile].ca?.crlLifetime ?? 86_400 })
    this.#lists = new Map([
      [root.id, list(root, 'root')],
      [issuing.id, list(issuing, 'issuing')],
    ])
    this.#servers = new ServerCertificates({
      store,
      vault,
      clock,
      random,
      authority: issuing,
      profile: profiles.server,
      crlUrl: this.#crlUrl,
      commit: async part => audit.commit(part.operations, part.events),
    })
  }

  /** The first time, makes root and issuing CA and stores both in one batch, their keys sealed. */
  static async open(options: AuthorityOptions): Promise<CertificateAuthority> {
    const { store, vault, audit, profiles, id = 'latchkey' } = options
    const ids = { root: `${id}-root`, issuing: id }
    const root = await loadAuthority(store, vault, ids.root)
    const issuing = await loadAuthority(store, vault, ids.issuing)
    if (root && issuing) return new CertificateAuthority(options, root, issuing)
    if (root || issuing) {
      throw new Failure(
        'store-failed',
        `Only one of the authorities ${ids.root} and ${ids.issuing} is there; restore a backup.`,
      )
    }
    const made = await makeAuthorities(ids, profiles, options)
    await audit.commit(made.part.operations, made.part.events)
    return new CertificateAuthority(options, made.root, made.issuing)
  }

  /** Issuing CA and root. */
  authorities(): Certificate[] {
    return [this.#issuing.certificate, this.#root.certificate]
  }

  /** Which of our certificates signed this one, by name and key identifier; the signature is the caller's to verify. The root is its own. */
  issuerOf(certificate: Certificate): Certificate | null {
    return this.authorities().find(authority => certificate.checkIssued(authority)) ?? null
  }

  /**
   * Signs a request, in phases that never mix. `within` are further parts of the same batch (an enrolment's device and
   * token), asked for again when the batch is tried again.
   * Failures: `policy-denied`, `not-found`, `wrong-state`, `invalid-csr`, `invalid-input`, `quota-exceeded`, `conflict`.
   */
  async issue(order: IssueOrder, actor: Actor, within: PartsWithin = () => []): Promise<IssuedCertificate> {
    authorise(order, actor, this.#options.registry)
    const publicKey = this.#checkedKey(order)
    const plan = this.#reserve(order, publicKey)
    const certificate = await signCertificate(plan, this.#issuing)
    const credential = await this.#record(order, plan, certificate, actor, within)
    return this.#answer(credential, certificate)
  }

  /** Makes a P-256 key for somebody who cannot, and hands it out. The password protects the PKCS #12 file alone. */
  async issueWithKey(order: Omit<IssueOrder, 'csr'> & { readonly password: string }, actor: Actor): Promise<IssuedKey> {
    authorise(order, actor, this.#options.registry)
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const plan = this.#reserve(order, publicKey.export({ type: 'spki', format: 'der' }))
    const certificate = await signCertificate(plan, this.#issuing)
    const key = privateKey.export({ type: 'pkcs8', format: 'der' })
    const { random } = this.#options
    const { writePkcs12 } = await import('./pkcs12.ts') // late: node-forge is large, and hardly anybody asks for a bundle
    // before it is recorded: a bundle that cannot be written must not leave a credential that nobody holds
    const pkcs12 = await writePkcs12(
      {
        privateKey: key,
        certificates: [certificate, ...this.authorities()].map(({ raw }) => raw),
        friendlyName: order.owner,
      },
      order.password,
      { random, iterations: this.#limits.pkcs12Iterations },
    )
    const credential = await this.#record(order, plan, certificate, actor, () => [])
    return { ...this.#answer(credential, certificate), privateKeyPem: toPem('PRIVATE KEY', key), pkcs12 }
  }

  /** Throws `invalid-input` when no device certificate may live for so many seconds. */
  checkLifetime(lifetime: number): void {
    validityOf(this.#options.profiles.device, this.#options.clock.now(), lifetime, this.#issuing)
  }

  /** Seconds for which this certificate was made, as the profile allows them now: what its successor asks for. */
  lifetimeOf(certificate: CertificateCredential): number {
    const { backdate, lifetime } = this.#options.profiles.device
    const { notBefore } = certificate
    const seconds = Math.round(((plannedEnd(certificate) ?? notBefore) - notBefore) / 1000) - backdate
    return Math.min(Math.max(seconds, lifetime.minimum), lifetime.maximum)
  }

  /** For the broker's listeners: these names beside localhost, 127.0.0.1, ::1 and the machine's own. */
  serverCertificate(names: readonly string[]): Promise<ServerCertificate> {
    return this.#servers.certificate(serverNames(names, this.#options.hostname ?? machineName()))
  }

  /** The certificate revocation list of one of our authorities, DER; undefined for any other id. */
  async crl(authority: string): Promise<Buffer | undefined> {
    return this.#lists.get(authority)?.current()
  }

  /** The same as text (RFC 7468 section 6). */
  async crlPem(authority: string): Promise<string | undefined> {
    const der = await this.crl(authority)
    return der && toPem('X509 CRL', der)
  }

  close(): void {
    this.#revoked.close()
  }

  #checkedKey({ csr, owner }: IssueOrder): Buffer {
    const request = readRequest(csr, this.#limits)
    checkRequest(request, { profile: this.#options.profiles.device, owner, limits: this.#limits })
    return request.publicKeyInfo
  }

  /** Everything that the certificate will say. The serial is reserved for good by the batch, which takes no serial twice. */
  #reserve({ owner, lifetime }: Omit<IssueOrder, 'csr'>, publicKey: Buffer): CertificatePlan {
    const { clock, random, profiles } = this.#options
    return {
      ...validityOf(profiles.device, clock.now(), lifetime, this.#issuing),
      profile: profiles.device,
      serial: newSerial(random),
      commonName: owner,
      publicKey,
      alternativeNames: [DEVICE_URI + owner],
      crlUrl: this.#crlUrl,
    }
  }

  /** One batch: serial, credential and what belongs with them. A certificate that is not recorded was never issued. */
  async #record(
    { owner, label, renews }: Omit<IssueOrder, 'csr'>,
    plan: CertificatePlan,
    certificate: Certificate,
    actor: Actor,
    within: PartsWithin,
  ): Promise<CertificateCredential> {
    const { registry } = this.#options
    const fingerprint = createHash('sha256').update(certificate.raw).digest('hex')
    const { serial, notBefore, notAfter } = plan
    for (let attempt = 0; attempt < this.#limits.attempts; attempt++) {
      try {
        // from here to the batch nothing waits, so in this process nobody comes between
        const parts = within()
        const prepared = registry.prepareCertificate(
          owner,
          {
            fingerprint,
            serial,
            issuer: this.id,
            subject: `CN=${owner}`,
            notBefore,
            expiresAt: notAfter,
            label,
            renews,
          },
          actor,
          parts,
        )
        const reservation: PreparedPart = {
          operations: [{ put: `ca-serial/${this.id}/${serial}`, value: fingerprint, if: 0, expiresAt: notAfter }],
          events: [],
          changes: [],
        }
        await registry.commitAll([...parts, prepared, reservation])
        return prepared.credential
      } catch (error) {
        if (!(error instanceof Failure && error.cause instanceof Conflict)) throw error
      }
    }
    throw new Failure('conflict', `The records of ${owner} are being changed by others; ask again.`)
  }

  #answer(credential: CertificateCredential, certificate: Certificate): IssuedCertificate {
    return { credential, certificatePem: toPem('CERTIFICATE', certificate.raw), chainPem: this.chainPem }
  }

  get #crlUrl(): string | null {
    const { publicUrl } = this.#options
    return publicUrl ? `${publicUrl}/crl/${this.id}.crl` : null
  }
}
