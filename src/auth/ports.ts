// What `auth` asks of others. Whoever can answer is wired in by the composition root.
import type { KeyObject, webcrypto, X509Certificate } from 'node:crypto'
import type { JWK } from 'jose'

/** The header of a token that nobody has verified yet. */
export interface TokenHeader {
  readonly alg?: unknown
  readonly kid?: unknown
  readonly typ?: unknown
}

export interface IssuerKey {
  /** The same object as long as it is the same key: caches hang on it. */
  readonly key: KeyObject | webcrypto.CryptoKey | JWK
  /** JWS algorithms (RFC 7518 3.1) that this key may be used with, and no others. */
  readonly algorithms: readonly string[]
  /** What `aud` must hold. */
  readonly audience: string
}

/** Keys of token issuers. Devices that sign for themselves are not among them: the registry holds their keys. */
export interface IssuerKeys {
  /** The issuer of our own access tokens (RFC 9068). */
  readonly ownIssuer: string
  /** null: the issuer or its key is not known, or not any more. */
  keyFor(issuer: string, header: TokenHeader): IssuerKey | null | Promise<IssuerKey | null>
}

/** Certificate authorities whose device certificates are taken. */
export interface TrustedAuthorities {
  /** The trusted authority that issued this certificate; for a root, itself or null. The signature is checked by `auth`. */
  issuerOf(certificate: X509Certificate): X509Certificate | null
}

/**
 * Asked about a genuine certificate (chain, purpose and name are in order) that the registry does not know. It may
 * register it (just-in-time enrolment); whatever it does, the registry is asked again.
 */
export interface UnknownCertificate {
  present(certificate: X509Certificate, owner: string): Promise<void>
}
