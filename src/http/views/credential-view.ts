import { z } from 'zod'
import type { IssuedOscore } from '../../registry/oscore-issuing.ts'
import type { CredentialRecord, PublicJwk } from '../../registry/records.ts'
import { timestamp, timestampOrNull, timestampSchema } from './timestamp.ts'

const common = {
  id: z.string(),
  owner: z.string(),
  ownerKind: z.enum(['device', 'client']),
  status: z.enum(['pending', 'active', 'revoked']),
  label: z.string(),
  notBefore: timestampSchema,
  expiresAt: timestampSchema.nullable(),
  createdAt: timestampSchema,
  revokedAt: timestampSchema.nullable(),
  revocationReason: z.string().nullable(),
}

/** Public members only. */
const jwkSchema = z.object({
  kty: z.string(),
  crv: z.exactOptional(z.string()),
  x: z.exactOptional(z.string()),
  y: z.exactOptional(z.string()),
  n: z.exactOptional(z.string()),
  e: z.exactOptional(z.string()),
})

export const credentialSchema = z
  .discriminatedUnion('kind', [
    z.object({
      kind: z.literal('x509'),
      ...common,
      fingerprint: z.string().describe('SHA-256 of the certificate, hex.'),
      serial: z.string(),
      issuer: z.string().describe('Id of the certificate authority.'),
      subject: z.string(),
    }),
    z.object({
      kind: z.literal('secret'),
      ...common,
      keyId: z.string().describe('The readable part of the secret.'),
      audience: z.enum(['mqtt', 'api', 'token', 'enrolment']),
    }),
    z.object({ kind: z.literal('psk'), ...common, identity: z.string() }),
    z.object({
      kind: z.literal('oscore'),
      ...common,
      senderId: z.string().describe('Hex, as the device sees it: what its requests are found by.'),
      recipientId: z.string(),
      idContext: z.string().nullable(),
    }),
    z.object({
      kind: z.literal('scram'),
      ...common,
      mechanism: z.string().describe('SASL mechanism; the username is the owner.'),
    }),
    z.object({ kind: z.literal('jwt-key'), ...common, kid: z.string(), algorithm: z.string(), jwk: jwkSchema }),
  ])
  .meta({ id: 'Credential' })

export type CredentialView = z.input<typeof credentialSchema>

/** Never the MAC of a secret, its pepper, or a sealed key: each kind names what may be seen. */
export function credentialView(record: CredentialRecord): CredentialView {
  const shared = {
    id: record.id,
    owner: record.owner,
    ownerKind: record.ownerKind,
    status: record.status,
    label: record.label,
    notBefore: timestamp(record.notBefore),
    expiresAt: timestampOrNull(record.expiresAt),
    createdAt: timestamp(record.createdAt),
    revokedAt: timestampOrNull(record.revokedAt),
    revocationReason: record.revocationReason,
  }
  switch (record.kind) {
    case 'x509': {
      const { kind, fingerprint, serial, issuer, subject } = record
      return { kind, ...shared, fingerprint, serial, issuer, subject }
    }
    case 'secret':
      return { kind: record.kind, ...shared, keyId: record.keyId, audience: record.audience }
    case 'psk':
      return { kind: record.kind, ...shared, identity: record.identity }
    case 'oscore': {
      const { kind, senderId, recipientId, idContext } = record
      return { kind, ...shared, senderId, recipientId, idContext }
    }
    case 'scram':
      return { kind: record.kind, ...shared, mechanism: record.mechanism }
    case 'jwt-key':
      return { kind: record.kind, ...shared, kid: record.kid, algorithm: record.algorithm, jwk: publicJwk(record.jwk) }
  }
}

function publicJwk(jwk: PublicJwk): z.input<typeof jwkSchema> {
  switch (jwk.kty) {
    case 'EC':
      return { kty: jwk.kty, crv: jwk.crv, x: jwk.x, y: jwk.y }
    case 'OKP':
      return { kty: jwk.kty, crv: jwk.crv, x: jwk.x }
    case 'RSA':
      return { kty: jwk.kty, n: jwk.n, e: jwk.e }
  }
}

/** The security context as a device keeps it. */
export function oscoreView({ credential, secrets }: IssuedOscore): NonNullable<z.input<typeof issuedSchema>['oscore']> {
  const { senderId, recipientId, idContext } = credential
  const { masterSecret, masterSalt } = secrets
  return {
    senderId,
    recipientId,
    idContext,
    masterSecret: masterSecret.toString('hex'),
    masterSalt: masterSalt.toString('hex'),
  }
}

/** What leaves the house exactly once: shown to whoever made the credential, kept nowhere in this form. */
export const issuedSchema = z
  .object({
    credential: credentialSchema,
    secret: z.exactOptional(z.string()).describe('kind secret: the whole secret. It is not shown again.'),
    psk: z
      .exactOptional(z.object({ identity: z.string(), key: z.string().describe('Hex.') }))
      .describe('kind psk: what the device needs. It is not shown again.'),
    oscore: z
      .exactOptional(
        z.object({
          senderId: z.string().describe('Hex, like all of it; as the device sees it.'),
          recipientId: z.string(),
          idContext: z.string().nullable(),
          masterSecret: z.string(),
          masterSalt: z.string(),
        }),
      )
      .describe(
        'kind oscore: the security context of the device (RFC 8613), AES-CCM-16-64-128 and HKDF SHA-256. Its secrets are not shown again.',
      ),
    scram: z
      .exactOptional(z.object({ username: z.string(), password: z.string() }))
      .describe('kind scram: what the device needs. It is not shown again.'),
    certificate: z.exactOptional(z.string()).describe('kind x509: PEM.'),
    chain: z.exactOptional(z.string()).describe('kind x509: issuing and root certificate, PEM.'),
    privateKey: z.exactOptional(z.string()).describe('kind x509 without csr: PEM (PKCS#8). It is not shown again.'),
    pkcs12: z.exactOptional(z.string()).describe('kind x509 without csr: all of it as PKCS#12, base64.'),
    password: z.exactOptional(z.string()).describe('kind x509 without csr: opens the PKCS#12.'),
  })
  .meta({ id: 'IssuedCredential' })
