// What may be asked for, by kind of credential, and how each is made together with the other parts of its batch.
import type { Actor } from '../audit/events.ts'
import type { CertificateAuthority, IssuedCertificate, PartsWithin } from '../ca/certificate-authority.ts'
import { Failure } from '../model/failure.ts'
import type { PreparedPart } from '../registry/draft.ts'
import type { IssuedPsk, IssuedSecret } from '../registry/issuing.ts'
import type { IssuedOscore } from '../registry/oscore-issuing.ts'
import type { JwtKeyCredential } from '../registry/records.ts'
import type { Registry } from '../registry/registry.ts'
import { Conflict } from '../store/store.ts'
import type { EnrolmentKind } from './authorisation.ts'

export interface CredentialRequests {
  readonly x509: {
    readonly kind?: 'x509' | undefined
    /** PKCS #10: PEM, base64 or DER. */
    readonly csr: string | Buffer
  }
  readonly secret: {
    readonly kind: 'secret'
    /** For the broker, or for the token endpoint. */
    readonly audience: 'mqtt' | 'token'
  }
  readonly psk: { readonly kind: 'psk' }
  readonly 'jwt-key': {
    readonly kind: 'jwt-key'
    /** A public JWK as it came. */
    readonly jwk: unknown
  }
  readonly oscore: { readonly kind: 'oscore' }
}
export type CredentialRequest<K extends EnrolmentKind = EnrolmentKind> = CredentialRequests[K]

/** Secrets are in here for the only time. */
export interface IssuedCredentials {
  readonly x509: IssuedCertificate
  readonly secret: IssuedSecret
  readonly psk: IssuedPsk
  readonly 'jwt-key': { readonly credential: JwtKeyCredential }
  readonly oscore: IssuedOscore
}
export type IssuedCredential<K extends EnrolmentKind = EnrolmentKind> = IssuedCredentials[K]

export interface CredentialOrder {
  readonly owner: string
  readonly label: string
  /** Seconds; null: a certificate as the profile says, all else without end. */
  readonly lifetime: number | null
}

export interface Issuers {
  readonly registry: Registry
  readonly ca: CertificateAuthority
}

export const kindOf = ({ kind = 'x509' }: CredentialRequest): EnrolmentKind => kind

/**
 * The first credential under an authorisation. `within` are further parts of its batch, asked for again when the batch
 * is tried again. Failures: those of `within`, `invalid-csr`, `invalid-input`, `already-exists`, `wrong-state`,
 * `quota-exceeded`, `conflict`.
 */
export function issueCredential(
  { owner, label, lifetime }: CredentialOrder,
  request: CredentialRequest,
  actor: Actor,
  within: PartsWithin,
  { registry, ca }: Issuers,
): Promise<IssuedCredential> {
  switch (request.kind) {
    case 'secret': {
      const { audience } = request
      return commitWith(owner, registry, within, parts =>
        registry.prepareSecret(owner, { audience, label, lifetime }, actor, parts),
      )
    }
    case 'psk':
      return commitWith(owner, registry, within, parts => registry.preparePsk(owner, { label, lifetime }, actor, parts))
    case 'oscore':
      return commitWith(owner, registry, within, parts =>
        registry.prepareOscore(owner, { label, lifetime }, actor, parts),
      )
    case 'jwt-key': {
      const { jwk } = request
      return commitWith(owner, registry, within, parts =>
        registry.prepareJwtKey(owner, { jwk, label, lifetime }, actor, parts),
      )
    }
    default:
      return ca.issue(
        { owner, csr: request.csr, label, right: 'enrolment', ...(lifetime !== null && { lifetime }) },
        actor,
        within,
      )
  }
}

/** Nothing waits between the parts and their batch, so in this process nobody comes between. */
export async function commitWith<T extends PreparedPart>(
  owner: string,
  registry: Registry,
  within: PartsWithin,
  prepare: (parts: readonly PreparedPart[]) => T,
): Promise<T> {
  for (let attempt = 0; attempt < registry.limits.attempts; attempt++) {
    try {
      const parts = within()
      const prepared = prepare(parts)
      await registry.commitAll([...parts, prepared])
      return prepared
    } catch (error) {
      if (!(error instanceof Failure && error.cause instanceof Conflict)) throw error
    }
  }
  throw new Failure('conflict', `The records of ${owner} are being changed by others; ask again.`)
}
