// The broker's own TLS certificate: made here, sealed at rest, replaced before it ends.
import { X509Certificate as Certificate, createPrivateKey, generateKeyPairSync } from 'node:crypto'
import { isIP } from 'node:net'
import type { Clock, Random } from '../model/clock.ts'
import { Failure } from '../model/failure.ts'
import { printable } from '../model/printable.ts'
import type { PreparedPart } from '../registry/draft.ts'
import type { Store } from '../store/store.ts'
import type { Vault } from '../vault/vault.ts'
import { toPem } from './pem.ts'
import type { Profile } from './profiles.ts'
import { newSerial, signCertificate, validityOf } from './signer.ts'
import { type SigningAuthority, validityIn } from './signing-authority.ts'

export interface ServerCertificate {
  /** Leaf and issuing CA. */
  readonly certificatePem: string
  readonly privateKeyPem: string
  /** Milliseconds since the epoch. */
  readonly notAfter: number
}

export interface ServerCertificateOptions {
  readonly store: Store
  readonly vault: Vault
  readonly clock: Clock
  readonly random: Random
  readonly authority: SigningAuthority
  readonly profile: Profile
  readonly crlUrl: string | null
  /** Commits in one batch. */
  readonly commit: (part: PreparedPart) => Promise<void>
  /** Names and addresses in one certificate. */
  readonly maximumNames?: number
}

/** As stored under `ca-server/<authority>`. */
interface StoredServer {
  readonly names: readonly string[]
  readonly certificate: string
  /** PKCS #8, sealed for this authority's server; base64. */
  readonly sealedKey: string
}

export class ServerCertificates {
  readonly #options: ServerCertificateOptions
  #last: Promise<unknown> = Promise.resolve()

  constructor(options: ServerCertificateOptions) {
    this.#options = options
  }

  /** The present one, or a new one when there is none for these names or a third of its life is left. Calls take turns. */
  certificate(names: readonly string[]): Promise<ServerCertificate> {
    const turn = this.#last.then(() => this.#current(names) ?? this.#renew(names))
    this.#last = turn.catch(() => undefined)
    return turn
  }

  #current(names: readonly string[]): ServerCertificate | null {
    const { store, vault, clock, authority } = this.#options
    const entry = store.get(this.#key)
    if (!entry) return null
    const stored = JSON.parse(entry.value.toString('utf8')) as StoredServer
    const certificate = new Certificate(Buffer.from(stored.certificate, 'base64'))
    const { notBefore, notAfter } = validityIn(certificate)
    if (notAfter - clock.now() <= (notAfter - notBefore) / 3) return null
    if (stored.names.join() !== names.join() || !certificate.verify(authority.certificate.publicKey)) return null
    const key = vault.unseal(Buffer.from(stored.sealedKey, 'base64'), this.#context)
    return this.#answer(certificate, key)
  }

  async #renew(names: readonly string[]): Promise<ServerCertificate> {
    const { store, vault, clock, random, authority, profile, crlUrl, commit, maximumNames = 64 } = this.#options
    if (names.length > maximumNames) {
      throw new Failure(
        'invalid-configuration',
        `${names.length} names in one certificate; ${maximumNames} are allowed`,
      )
    }
    const revision = store.get(this.#key)?.revision ?? 0
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const serial = newSerial(random)
    const certificate = await signCertificate(
      {
        ...validityOf(profile, clock.now(), undefined, authority),
        profile,
        serial,
        // RFC 5280 A.1: at most 64 characters; verifiers look at the alternative names only (RFC 9525)
        commonName: names.find(name => name.length <= 64) ?? 'localhost',
        publicKey: publicKey.export({ type: 'spki', format: 'der' }),
        alternativeNames: names,
        crlUrl,
      },
      authority,
    )
    const key = privateKey.export({ type: 'pkcs8', format: 'der' })
    const stored: StoredServer = {
      names,
      certificate: certificate.raw.toString('base64'),
      sealedKey: vault.seal(key, this.#context).toString('base64'),
    }
    const { notAfter } = validityIn(certificate)
    await commit({
      operations: [{ put: this.#key, value: JSON.stringify(stored), if: revision }],
      events: [
        {
          type: 'change',
          what: 'certificate.issued',
          target: 'server',
          actor: { kind: 'system', id: 'ca' },
          detail: { serial, issuer: authority.id, notAfter, names: names.join(' ') },
        },
      ],
      changes: [],
    })
    return this.#answer(certificate, key)
  }

  #answer(certificate: Certificate, key: Buffer): ServerCertificate {
    return {
      certificatePem: toPem('CERTIFICATE', certificate.raw) + this.#options.authority.certificatePem,
      privateKeyPem: createPrivateKey({ key, format: 'der', type: 'pkcs8' })
        .export({ type: 'pkcs8', format: 'pem' })
        .toString(),
      notAfter: validityIn(certificate).notAfter,
    }
  }

  get #key(): string {
    return `ca-server/${this.#options.authority.id}`
  }

  get #context(): string {
    return `ca-server:${this.#options.authority.id}`
  }
}

/**
 * Every name under which clients on this machine and elsewhere reach the broker, without repetition, in one order.
 * A host name that is no DNS name is left out; a configured one that is none throws `invalid-configuration`.
 */
export function serverNames(configured: readonly string[], hostname: string): string[] {
  for (const name of configured) {
    if (isServerName(name)) continue
    throw new Failure(
      'invalid-configuration',
      `names: "${printable(name, 80)}" is neither a DNS name nor an IP address; correct it or leave it out`,
    )
  }
  const own = isServerName(hostname) ? [hostname] : []
  const all = [...configured, 'localhost', ...own, '127.0.0.1', '::1'].map(name => name.toLowerCase())
  return [...new Set(all)]
}

/** A DNS name (RFC 1123 2.1, a leading wildcard label and underscores allowed) or an address. */
function isServerName(name: string): boolean {
  if (isIP(name)) return true
  return (
    name.length <= 253 &&
    /^(\*\.)?[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)*$/.test(
      name,
    )
  )
}
