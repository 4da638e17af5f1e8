// The certificate authority and the token server.
import type { AuthMethod } from './types.ts'

export interface Authority {
  readonly subject: string
  readonly serial: string
  /** SHA-256, hex. */
  readonly fingerprint: string
  readonly notBefore: string
  readonly notAfter: string
  /** PEM. */
  readonly certificate: string
}

export interface CertificateAuthorities {
  readonly id: string
  /** Issuing CA first. */
  readonly authorities: readonly Authority[]
  /** Where their revocation lists are. */
  readonly crls: readonly string[]
}

export interface TokenInput {
  readonly clientId: string
  /** Secret with the audience `token`. */
  readonly clientSecret: string
  /** Default: all that the client may have. */
  readonly scope?: readonly string[] | undefined
  /** As registered for the client; default `client_secret_basic`. */
  readonly authMethod?: AuthMethod | undefined
}

export interface AccessToken {
  readonly access_token: string
  readonly token_type: string
  /** Seconds. */
  readonly expires_in: number
  readonly scope?: string
}

/** Of the token server. */
export interface SigningKey {
  readonly kid: string
  /** `published`: in the key set, signs later. `retired`: signs no more, its tokens are still good. */
  readonly state: 'published' | 'active' | 'retired'
  readonly createdAt: string
  readonly signsFrom: string
  readonly endsAt: string | null
}

/** RFC 7662 2.2. */
export interface Introspection {
  readonly active: boolean
  readonly [claim: string]: unknown
}
