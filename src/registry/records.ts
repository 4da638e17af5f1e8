// What the registry keeps, and what its changes take. Times are milliseconds since the epoch unless they say seconds.
import type { CredentialStatus, SecretAudience } from '../model/credential.ts'

export type OwnerStatus = 'active' | 'suspended'
export type OwnerKind = 'device' | 'client'
/** Which MQTT client identifiers an owner may use: only its own id, or also `<id>/...`. */
export type ClientIds = 'own' | 'under'
/** Client authentication at the token endpoint (RFC 6749 2.3.1). */
export type AuthMethod = 'client_secret_basic' | 'client_secret_post'
/** Null prototype; names are identifiers, values pass `isAttributeValue`. */
export type Attributes = Readonly<Record<string, string>>

export interface DeviceRecord {
  readonly id: string
  readonly type: string
  readonly status: OwnerStatus
  readonly attributes: Attributes
  readonly groups: readonly string[]
  readonly roles: readonly string[]
  /** The gateway this device is behind. A gateway's child has no children. */
  readonly parent: string | null
  readonly clientIds: ClientIds
  /** Rises when everything admitted so far must end; never falls, not even over removal and re-creation. */
  readonly epoch: number
  readonly createdAt: number
  readonly updatedAt: number
}

export interface ClientRecord {
  readonly id: string
  readonly kind: 'service' | 'operator'
  readonly status: OwnerStatus
  readonly attributes: Attributes
  readonly groups: readonly string[]
  readonly roles: readonly string[]
  /** Scopes this client may ask for at most; null: all that its roles permit. */
  readonly scopes: readonly string[] | null
  readonly authMethod: AuthMethod
  /** Seconds; null: the token server's default. */
  readonly tokenLifetime: number | null
  readonly clientIds: ClientIds
  readonly epoch: number
  readonly createdAt: number
  readonly updatedAt: number
}

export interface DeviceTypeRecord {
  readonly id: string
  readonly description: string
  /** Attributes that devices of this type have; a required one must be there. Others are allowed too. */
  readonly attributes: Readonly<Record<string, { readonly required: boolean }>>
  /** What a new device of this type gets when it does not say. */
  readonly clientIds: ClientIds
}

export type JwtAlgorithm = 'ES256' | 'EdDSA' | 'RS256'

/** Public members only (RFC 7518 6.2.1, 6.3.1; RFC 8037 2). */
export type PublicJwk =
  | { readonly kty: 'EC'; readonly crv: 'P-256'; readonly x: string; readonly y: string }
  | { readonly kty: 'OKP'; readonly crv: 'Ed25519'; readonly x: string }
  | { readonly kty: 'RSA'; readonly n: string; readonly e: string }

interface CredentialBase {
  readonly id: string
  readonly owner: string
  readonly ownerKind: OwnerKind
  /** An expired credential keeps its status; `expiresAt` decides. */
  readonly status: CredentialStatus
  readonly notBefore: number
  readonly expiresAt: number | null
  readonly epoch: number
  readonly label: string
  readonly createdAt: number
  readonly revokedAt: number | null
  readonly revocationReason: string | null
  /** The credential in whose place its device asked for this one. */
  readonly renews?: string
  /** The end that it was made with, once `expiresAt` has been moved nearer. */
  readonly plannedEnd?: number | null
}

export interface CertificateCredential extends CredentialBase {
  readonly kind: 'x509'
  /** SHA-256 of the certificate, lower-case hex; empty while pending (reserved, not yet signed). */
  readonly fingerprint: string
  /** Lower-case hex. */
  readonly serial: string
  /** Identifier of the CA that signed it. */
  readonly issuer: string
  readonly subject: string
}

export interface SecretCredential extends CredentialBase {
  readonly kind: 'secret'
  readonly keyId: string
  readonly audience: SecretAudience
  /** Which pepper the MAC was made with. */
  readonly pepper: string
  readonly mac: string
}

export interface PskCredential extends CredentialBase {
  readonly kind: 'psk'
  readonly identity: string
  /** Base64, under the vault's data key, bound to owner and credential id. */
  readonly sealed: string
}

export interface JwtKeyCredential extends CredentialBase {
  readonly kind: 'jwt-key'
  readonly kid: string
  readonly algorithm: JwtAlgorithm
  readonly jwk: PublicJwk
}

/** A password for SCRAM-SHA-256 (RFC 7677); the username is the owner's id. */
export interface ScramCredential extends CredentialBase {
  readonly kind: 'scram'
  readonly mechanism: 'SCRAM-SHA-256'
  /** Base64: salt, iterations, StoredKey and ServerKey under the vault's data key, bound to owner and credential id. */
  readonly sealed: string
}

/** An OSCORE context (RFC 8613), as the device sees it: its sender id is what its requests are found by. Ids are hex. */
export interface OscoreCredential extends CredentialBase {
  readonly kind: 'oscore'
  readonly senderId: string
  readonly recipientId: string
  readonly idContext: string | null
  /** Base64: master secret and salt under the vault's data key, bound to owner and credential id. */
  readonly sealed: string
}

export type CredentialRecord =
  | CertificateCredential
  | SecretCredential
  | PskCredential
  | JwtKeyCredential
  | ScramCredential
  | OscoreCredential

export interface DeviceInput {
  readonly id: string
  readonly type: string
  readonly attributes?: Readonly<Record<string, string>> | undefined
  readonly groups?: readonly string[] | undefined
  readonly roles?: readonly string[] | undefined
  readonly parent?: string | null | undefined
  /** Default: what the device type says, else `own`. */
  readonly clientIds?: ClientIds | undefined
}

/** What is absent stays. `attributes` is merged, null removes one (as in RFC 7396); lists are replaced. */
export interface DevicePatch {
  readonly type?: string | undefined
  readonly attributes?: Readonly<Record<string, string | null>> | undefined
  readonly groups?: readonly string[] | undefined
  readonly roles?: readonly string[] | undefined
  readonly parent?: string | null | undefined
  readonly clientIds?: ClientIds | undefined
}

export interface ClientInput {
  readonly id: string
  /** Default `service`. */
  readonly kind?: 'service' | 'operator' | undefined
  readonly attributes?: Readonly<Record<string, string>> | undefined
  readonly groups?: readonly string[] | undefined
  readonly roles?: readonly string[] | undefined
  readonly scopes?: readonly string[] | null | undefined
  /** Default `client_secret_basic`. */
  readonly authMethod?: AuthMethod | undefined
  /** Seconds. */
  readonly tokenLifetime?: number | null | undefined
  readonly clientIds?: ClientIds | undefined
}

/** As DevicePatch. The kind of a client never changes. */
export interface ClientPatch {
  readonly attributes?: Readonly<Record<string, string | null>> | undefined
  readonly groups?: readonly string[] | undefined
  readonly roles?: readonly string[] | undefined
  readonly scopes?: readonly string[] | null | undefined
  readonly authMethod?: AuthMethod | undefined
  readonly tokenLifetime?: number | null | undefined
  readonly clientIds?: ClientIds | undefined
}

export interface DeviceTypeInput {
  readonly id: string
  readonly description?: string | undefined
  readonly attributes?: Readonly<Record<string, { readonly required?: boolean | undefined }>> | undefined
  readonly clientIds?: ClientIds | undefined
}

interface CredentialOptions {
  /** The credential in whose place the device itself asks for this one. */
  readonly renews?: string | undefined
  /** Seconds; null or absent: it does not end by itself. */
  readonly lifetime?: number | null | undefined
  readonly label?: string | undefined
}

export interface SecretInput extends CredentialOptions {
  /** `enrolment` secrets are the enrolment desk's, not an owner's. */
  readonly audience: SecretAudience
}

export interface PskInput extends CredentialOptions {
  /** Default: the owner's id. 1 to 128 printable ASCII characters without spaces. */
  readonly identity?: string | undefined
  /** Hex of 16 to 64 bytes, for a device that has its key burnt in. Default: 32 random bytes. */
  readonly key?: string | undefined
}

export type ScramInput = CredentialOptions

/** Ids are lower-case hex of 0 to 7 bytes, as the device sees them. The secrets are always made here. */
export interface OscoreInput extends CredentialOptions {
  /** Unlike that of any other device. Default: three random bytes. */
  readonly senderId?: string | undefined
  /** Default: `00`. */
  readonly recipientId?: string | undefined
  /** Hex of 1 to 64 bytes. */
  readonly idContext?: string | undefined
}

export interface JwtKeyInput extends CredentialOptions {
  /** A public JWK as it came; private members are refused. */
  readonly jwk: unknown
  /** Default: the RFC 7638 thumbprint. */
  readonly kid?: string | undefined
  readonly algorithm?: string | undefined
}

export interface CertificateInput {
  /** SHA-256, lower-case hex; null reserves a pending credential before the certificate is signed. */
  readonly fingerprint: string | null
  readonly serial: string
  readonly issuer: string
  readonly subject: string
  readonly notBefore: number
  readonly expiresAt: number
  readonly label?: string | undefined
  readonly renews?: string | undefined
}

export interface RotationInput {
  /** Seconds during which the old credential still works. */
  readonly overlap: number
  /** Seconds; default: as long as the old one was made for. */
  readonly lifetime?: number | null | undefined
}

export interface PskRotationInput extends RotationInput {
  /** One identity has one key. Default: the same identity without overlap, else a free one made from the owner's id. */
  readonly identity?: string | undefined
  readonly key?: string | undefined
}

export interface OscoreRotationInput extends RotationInput {
  readonly senderId?: string | undefined
}

export interface Page {
  /** Identifier after which the page begins. */
  readonly after?: string | undefined
  readonly limit?: number | undefined
}

export interface DevicePage extends Page {
  readonly type?: string | undefined
}
