// What the HTTP API takes and answers. Times are RFC 3339 texts in UTC unless they say seconds.

/** Where in a file something was wrong. Lines and columns begin at 1. */
export interface Location {
  readonly file: string
  readonly line?: number
  readonly column?: number
}

/** One page of a list. Ask again with `after: next` while `next` is not null. */
export interface Page<T> {
  readonly items: readonly T[]
  readonly next: string | null
}

export interface PageQuery {
  readonly after?: string | undefined
  /** 1 to 500, default 100. */
  readonly limit?: number | undefined
}

export type ClientIds = 'own' | 'under'

export interface Device {
  readonly id: string
  readonly type: string
  readonly status: 'active' | 'suspended'
  readonly attributes: Readonly<Record<string, string>>
  readonly groups: readonly string[]
  readonly roles: readonly string[]
  readonly parent: string | null
  readonly clientIds: ClientIds
  readonly createdAt: string
  readonly updatedAt: string
}

export interface DeviceInput {
  readonly id: string
  readonly type: string
  readonly attributes?: Readonly<Record<string, string>> | undefined
  readonly groups?: readonly string[] | undefined
  readonly roles?: readonly string[] | undefined
  readonly parent?: string | null | undefined
  readonly clientIds?: ClientIds | undefined
}

/** What is absent stays. `attributes` is merged; null removes one. */
export interface DevicePatch {
  readonly type?: string | undefined
  readonly attributes?: Readonly<Record<string, string | null>> | undefined
  readonly groups?: readonly string[] | undefined
  readonly roles?: readonly string[] | undefined
  readonly parent?: string | null | undefined
  readonly clientIds?: ClientIds | undefined
}

export interface DeviceType {
  readonly id: string
  readonly description: string
  readonly attributes: Readonly<Record<string, { readonly required: boolean }>>
  readonly clientIds: ClientIds
}

export interface DeviceTypeInput {
  readonly description?: string | undefined
  readonly attributes?: Readonly<Record<string, { readonly required?: boolean | undefined }>> | undefined
  readonly clientIds?: ClientIds | undefined
}

export type AuthMethod = 'client_secret_basic' | 'client_secret_post'

/** A service or an operator. */
export interface Client {
  readonly id: string
  readonly kind: 'service' | 'operator'
  readonly status: 'active' | 'suspended'
  readonly attributes: Readonly<Record<string, string>>
  readonly groups: readonly string[]
  readonly roles: readonly string[]
  readonly scopes: readonly string[] | null
  readonly authMethod: AuthMethod
  /** Seconds. */
  readonly tokenLifetime: number | null
  readonly clientIds: ClientIds
  readonly createdAt: string
  readonly updatedAt: string
}

export interface ClientPatch {
  readonly attributes?: Readonly<Record<string, string | null>> | undefined
  readonly groups?: readonly string[] | undefined
  readonly roles?: readonly string[] | undefined
  readonly scopes?: readonly string[] | null | undefined
  readonly authMethod?: AuthMethod | undefined
  /** Seconds. */
  readonly tokenLifetime?: number | null | undefined
  readonly clientIds?: ClientIds | undefined
}

export interface ClientInput extends Omit<ClientPatch, 'attributes'> {
  readonly id: string
  readonly kind?: 'service' | 'operator' | undefined
  readonly attributes?: Readonly<Record<string, string>> | undefined
}

export type SecretAudience = 'mqtt' | 'api' | 'token'

interface CredentialBase {
  readonly id: string
  readonly owner: string
  readonly ownerKind: 'device' | 'client'
  readonly status: 'pending' | 'active' | 'revoked'
  readonly label: string
  readonly notBefore: string
  readonly expiresAt: string | null
  readonly createdAt: string
  readonly revokedAt: string | null
  readonly revocationReason: string | null
}

export type Credential =
  | (CredentialBase & {
      readonly kind: 'x509'
      /** SHA-256, hex. */
      readonly fingerprint: string
      readonly serial: string
      readonly issuer: string
      readonly subject: string
    })
  | (CredentialBase & {
      readonly kind: 'secret'
      readonly keyId: string
      readonly audience: SecretAudience | 'enrolment'
    })
  | (CredentialBase & { readonly kind: 'psk'; readonly identity: string })
  /** As the device sees it; hex. */
  | (CredentialBase & {
      readonly kind: 'oscore'
      readonly senderId: string
      readonly recipientId: string
      readonly idContext: string | null
    })
  /** The username is the owner. */
  | (CredentialBase & { readonly kind: 'scram'; readonly mechanism: string })
  | (CredentialBase & {
      readonly kind: 'jwt-key'
      readonly kid: string
      readonly algorithm: string
      readonly jwk: Readonly<Record<string, string>>
    })

interface IssueOptions {
  /** Device or client. */
  readonly owner: string
  readonly label?: string | undefined
}

export type IssueInput =
  | (IssueOptions & {
      readonly kind: 'secret'
      /** What it opens; default `mqtt`. */
      readonly audience?: SecretAudience | undefined
      /** Seconds; without: it does not end by itself. */
      readonly lifetime?: number | null | undefined
    })
  | (IssueOptions & {
      readonly kind: 'psk'
      /** Default: the owner's id. */
      readonly identity?: string | undefined
      /** Hex; made when absent. */
      readonly key?: string | undefined
      readonly lifetime?: number | null | undefined
    })
  | (IssueOptions & {
      readonly kind: 'oscore'
      /** Hex of 0 to 7 bytes, as the device sees it, and no other device's; made when absent. */
      readonly senderId?: string | undefined
      /** Hex; default `00`. */
      readonly recipientId?: string | undefined
      /** Hex; none when absent. */
      readonly idContext?: string | undefined
      readonly lifetime?: number | null | undefined
    })
  | (IssueOptions & { readonly kind: 'scram'; readonly lifetime?: number | null | undefined })
  | (IssueOptions & {
      readonly kind: 'jwt-key'
      /** A public JWK. */
      readonly jwk: Readonly<Record<string, unknown>>
      readonly kid?: string | undefined
      readonly algorithm?: 'ES256' | 'EdDSA' | 'RS256' | undefined
      readonly lifetime?: number | null | undefined
    })
  | (IssueOptions & {
      readonly kind: 'x509'
      /** PKCS#10 in PEM; without it the broker makes the key and hands it out. */
      readonly csr?: string | undefined
      /** For the PKCS#12; made when absent. */
      readonly password?: string | undefined
      readonly lifetime?: number | undefined
    })

/** A security context as its device keeps it (RFC 8613 3): AES-CCM-16-64-128, HKDF SHA-256. All hex. */
export interface OscoreContext {
  readonly senderId: string
  readonly recipientId: string
  readonly idContext: string | null
  readonly masterSecret: string
  readonly masterSalt: string
}

/** What is in it depends on the kind; secrets and private keys are shown this once. */
export interface IssuedCredential {
  readonly credential: Credential
  /** kind secret. */
  readonly secret?: string
  /** kind psk; the key is hex. */
  readonly psk?: { readonly identity: string; readonly key: string }
  /** kind oscore. */
  readonly oscore?: OscoreContext
  /** kind scram. */
  readonly scram?: { readonly username: string; readonly password: string }
  /** kind x509: PEM. */
  readonly certificate?: string
  /** kind x509: issuing and root certificate, PEM. */
  readonly chain?: string
  /** kind x509 without a request: PEM (PKCS#8). */
  readonly privateKey?: string
  /** kind x509 without a request: PKCS#12, base64, under `password`. */
  readonly pkcs12?: string
  readonly password?: string
}

export interface RotateInput {
  /** Seconds during which the old one still works; default 0. */
  readonly overlap?: number | undefined
  /** Seconds. */
  readonly lifetime?: number | null | undefined
  /** psk only. */
  readonly identity?: string | undefined
  /** psk only; hex. */
  readonly key?: string | undefined
  /** oscore only; hex. */
  readonly senderId?: string | undefined
}

/** A file that is sent along: a policy or a manifest. */
export interface TextFile {
  /** Relative, with `/`; errors name it. */
  readonly path: string
  readonly text: string
}

export type EnrolmentKind = 'x509' | 'secret' | 'psk' | 'jwt-key' | 'oscore'

export interface EnrolmentInput {
  /** Device type of what will be enrolled. */
  readonly type: string
  /** Seconds during which the token works. */
  readonly ttl: number
  /** The one id it may enrol. */
  readonly device?: string | undefined
  readonly attributes?: Readonly<Record<string, string>> | undefined
  readonly groups?: readonly string[] | undefined
  /** Devices it may enrol; default 1. */
  readonly uses?: number | undefined
  /** Of credentials that a device may ask for; default: x509 alone. */
  readonly kinds?: readonly EnrolmentKind[] | undefined
  /** Seconds its credentials live; default: certificates as the profile says, all else without end. */
  readonly lifetime?: number | undefined
}

export interface CreatedEnrolment {
  readonly id: string
  /** Shown this once. */
  readonly token: string
  readonly expiresAt: string
}

export interface Enrolment {
  readonly id: string
  readonly status: 'open' | 'spent' | 'expired' | 'revoked'
  readonly type: string
  /** The one id it may enrol. */
  readonly device: string | null
  readonly attributes: Readonly<Record<string, string>>
  readonly groups: readonly string[]
  readonly kinds: readonly EnrolmentKind[]
  /** Seconds its credentials live; null: certificates as the profile says, all else without end. */
  readonly lifetime: number | null
  /** Devices it may enrol in all. */
  readonly uses: number
  /** Devices it has enrolled. */
  readonly devices: readonly string[]
  readonly createdAt: string
  readonly createdBy: string
  readonly expiresAt: string
  readonly revokedAt: string | null
}

export interface Renewal {
  readonly credential: Credential
  /** PEM. */
  readonly certificate: string
  /** Issuing and root certificate, PEM. */
  readonly chain: string
}

interface RedeemOptions {
  readonly token: string
  /** The id it asks for, where the token leaves that open. */
  readonly device?: string | undefined
}

/** What a device may ask for with its token, by kind. */
export interface RedeemInput {
  readonly x509: RedeemOptions & {
    readonly kind?: 'x509' | undefined
    /** PKCS#10 in PEM, signed with the key it is for. */
    readonly csr: string
  }
  readonly secret: RedeemOptions & { readonly kind: 'secret'; readonly audience: 'mqtt' | 'token' }
  readonly psk: RedeemOptions & { readonly kind: 'psk' }
  readonly oscore: RedeemOptions & { readonly kind: 'oscore' }
  readonly 'jwt-key': RedeemOptions & {
    readonly kind: 'jwt-key'
    /** A public JWK. */
    readonly jwk: Readonly<Record<string, unknown>>
  }
}

interface Enrolled {
  readonly device: Device
  readonly credential: Credential
}

/** What a device gets for its token, by kind: secrets this once. */
export interface Redeemed {
  readonly x509: Enrolled & Renewal
  readonly secret: Enrolled & { readonly secret: string }
  /** The key is hex. */
  readonly psk: Enrolled & { readonly psk: { readonly identity: string; readonly key: string } }
  readonly oscore: Enrolled & { readonly oscore: OscoreContext }
  readonly 'jwt-key': Enrolled
}
