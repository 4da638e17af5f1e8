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

/** What is in it depends on the kind; secrets and private keys are shown this once. */
export interface IssuedCredential {
  readonly credential: Credential
  /** kind secret. */
  readonly secret?: string
  /** kind psk; the key is hex. */
  readonly psk?: { readonly identity: string; readonly key: string }
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
}

export interface Session {
  readonly id: string
  readonly principal: string
  readonly kind: 'device' | 'service' | 'operator' | 'anonymous'
  readonly credential: { readonly id: string; readonly kind: string } | null
  readonly clientId: string | null
  readonly transport: string
  readonly address: string
  readonly since: string
  readonly expiresAt: string | null
}

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

/** A file that is sent along: a policy or a manifest. */
export interface TextFile {
  /** Relative, with `/`; errors name it. */
  readonly path: string
  readonly text: string
}

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
  /** Seconds its certificates live; the profile bounds it. */
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
  /** Seconds its certificates live; null: as the profile says. */
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

export interface Redemption {
  readonly device: Device
  readonly credential: Credential
  /** PEM. */
  readonly certificate: string
  /** Issuing and root certificate, PEM. */
  readonly chain: string
}

/** One version of the policy, whole. */
export interface PolicyVersion {
  readonly version: number
  readonly createdAt: string
  /** Who put it in force. */
  readonly by: string
  /** SHA-256 over paths and texts. */
  readonly hash: string
  /** The earlier version whose files these are. */
  readonly rollbackOf: number | null
  readonly files: readonly TextFile[]
}

export type PolicyVersionSummary = Omit<PolicyVersion, 'files'> & { readonly files: readonly string[] }

export interface Finding {
  readonly severity: 'warning' | 'note'
  readonly code: string
  readonly message: string
  readonly location: Location | null
}

export interface TestResult {
  readonly name: string
  readonly ok: boolean
  readonly expected: 'allow' | 'deny'
  /** What came out instead and why. */
  readonly problem: string | null
  readonly location: Location
}

export interface PolicyOutcome {
  /** The version that is in force now; with `dryRun` the one that would be. */
  readonly version: number
  /** False when the same files were in force already: there is no new version. */
  readonly changed: boolean
  readonly findings: readonly Finding[]
  readonly tests: readonly TestResult[]
}

export type Action = 'publish' | 'subscribe' | 'receive' | 'enrol' | 'administer'

export interface ExplainInput {
  /** One of the two: who asks. */
  readonly device?: string | undefined
  readonly client?: string | undefined
  readonly action: Action
  /** Topic, filter, device type, or `devices:write`. */
  readonly topic: string
  readonly qos?: 0 | 1 | 2 | undefined
  readonly retain?: boolean | undefined
  readonly credential?: string | undefined
  readonly transport?: string | undefined
  readonly address?: string | undefined
  readonly scopes?: readonly string[] | undefined
}

/** A rule by name and place. */
export interface RuleReference {
  readonly id: string
  readonly role: string
  readonly policyVersion: number
  readonly file: string
  readonly line: number
}

export interface ConsideredRule {
  readonly rule: RuleReference
  readonly effect: 'permit' | 'forbid'
  /** As written. */
  readonly patterns: readonly string[]
  /** As they stand for this device. */
  readonly filters: readonly string[]
  readonly outcome: 'applies' | 'covers-part' | 'no-match' | 'condition' | 'no-value'
  readonly condition: string | null
}

export interface Explanation {
  readonly permit: boolean
  readonly reason: 'rule' | 'no-rule' | 'scope' | 'reserved'
  readonly rule: RuleReference | null
  /** In one sentence. */
  readonly summary: string
  readonly roles: readonly string[]
  /** Roles that no policy file defines. */
  readonly unknownRoles: readonly string[]
  readonly considered: readonly ConsideredRule[]
  /** For a subscription: a topic it would reach and no rule permits. */
  readonly uncovered: string | null
  readonly policyVersion: number
  /** What was assumed of the circumstances, for rules with conditions. */
  readonly context: {
    readonly credential: string | null
    readonly transport: string
    readonly address: string
    readonly now: string
  }
  /** What the audit trail says, when a denial was asked about. */
  readonly denial: {
    readonly action: string
    readonly target: string
    readonly permit: boolean
    readonly count: number
    /** False when the same question is answered otherwise by now. */
    readonly agrees: boolean
  } | null
}

export interface AuditRecord {
  readonly id: number
  readonly at: string
  readonly event: { readonly type: string; readonly [field: string]: unknown }
  readonly previous: string
  readonly hash: string
}

export interface AuditQuery {
  /** `next` of the page before, in the order asked for. */
  readonly after?: string | number | undefined
  readonly limit?: number | undefined
  readonly type?: string | undefined
  readonly principal?: string | undefined
  /** Newest first. */
  readonly reverse?: boolean | undefined
}

export interface Verification {
  readonly ok: boolean
  readonly records: number
  readonly brokenAt: number | null
  readonly reason: string | null
}

export interface PublishInput {
  readonly topic: string
  /** Bytes, or text that is sent as UTF-8. */
  readonly payload: Uint8Array | string
  /** Default 0. */
  readonly qos?: 0 | 1 | 2 | undefined
  readonly retain?: boolean | undefined
  readonly properties?: PublishProperties | undefined
}

export interface PublishProperties {
  readonly payloadFormatIndicator?: boolean
  /** Seconds. */
  readonly messageExpiryInterval?: number
  readonly contentType?: string
  readonly responseTopic?: string
  /** Base64. */
  readonly correlationData?: string
  readonly userProperties?: readonly (readonly [string, string])[]
}

export interface RetainedMessage {
  readonly topic: string
  readonly payload: Buffer
  readonly qos: 0 | 1 | 2
  readonly expiresAt: string | null
  readonly contentType: string | null
  readonly userProperties: readonly (readonly [string, string])[]
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

export interface PlanStep {
  readonly action: 'create' | 'update' | 'unchanged'
  readonly kind: 'device-type' | 'device' | 'client' | 'policy'
  readonly id: string
  readonly fields: readonly { readonly name: string; readonly before: unknown; readonly after: unknown }[]
  readonly location: Location
}

/** What `apply` did, or would do. */
export interface ApplyPlan {
  /** False after a dry run. */
  readonly applied: boolean
  /** Whether any step is more than `unchanged`. */
  readonly changes: boolean
  readonly steps: readonly PlanStep[]
  /** What became of the policy; null when no policy file was sent: then the one in force stays. */
  readonly policy: PolicyOutcome | null
  /** Files that are no YAML and were left alone. */
  readonly ignored: readonly string[]
}
