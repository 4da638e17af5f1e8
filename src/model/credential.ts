/** How a machine proves who it is. */
export const CREDENTIAL_KINDS = ['x509', 'secret', 'psk', 'jwt-key', 'oscore', 'scram', 'legacy'] as const
export type CredentialKind = (typeof CREDENTIAL_KINDS)[number]

export const CREDENTIAL_STATUSES = ['pending', 'active', 'revoked'] as const
export type CredentialStatus = (typeof CREDENTIAL_STATUSES)[number]

/** What a generated secret opens: the broker, the HTTP API, the token endpoint, or one enrolment. */
export const SECRET_AUDIENCES = ['mqtt', 'api', 'token', 'enrolment'] as const
export type SecretAudience = (typeof SECRET_AUDIENCES)[number]
