import { z } from 'zod'
import { ENROLMENT_KINDS } from '../../enrolment/authorisation.ts'
import type { Enrolment } from '../../enrolment/enrolment-record.ts'
import type { IssuedCredential } from '../../enrolment/issue-credential.ts'
import { credentialView, type issuedSchema, oscoreView } from './credential-view.ts'
import { timestamp, timestampOrNull, timestampSchema } from './timestamp.ts'

export const enrolmentKindSchema = z.enum(ENROLMENT_KINDS)

export const enrolmentSchema = z
  .object({
    id: z.string(),
    status: z.enum(['open', 'spent', 'expired', 'revoked']),
    type: z.string().describe('Device type of what it enrols.'),
    device: z.string().nullable().describe('The one id it may enrol.'),
    attributes: z.record(z.string(), z.string()),
    groups: z.array(z.string()),
    kinds: z.array(enrolmentKindSchema).describe('Kinds of credential that a device may ask for.'),
    lifetime: z
      .int()
      .nullable()
      .describe('Seconds its credentials live; null: certificates as the profile says, all else without end.'),
    uses: z.int().describe('Devices it may enrol in all.'),
    devices: z.array(z.string()).describe('Devices it has enrolled.'),
    createdAt: timestampSchema,
    createdBy: z.string(),
    expiresAt: timestampSchema,
    revokedAt: timestampSchema.nullable(),
  })
  .meta({ id: 'Enrolment' })

/** Without the token's MAC, whatever it is handed. */
export function enrolmentView(enrolment: Enrolment): z.input<typeof enrolmentSchema> {
  return {
    id: enrolment.id,
    status: enrolment.status,
    type: enrolment.type,
    device: enrolment.device,
    attributes: { ...enrolment.attributes },
    groups: [...enrolment.groups],
    kinds: [...enrolment.kinds],
    lifetime: enrolment.lifetime,
    uses: enrolment.uses,
    devices: [...enrolment.devices],
    createdAt: timestamp(enrolment.createdAt),
    createdBy: enrolment.createdBy,
    expiresAt: timestamp(enrolment.expiresAt),
    revokedAt: timestampOrNull(enrolment.revokedAt),
  }
}

/** What a device gets, once: of the members beside `credential` those of its kind. */
export function issuedView(issued: IssuedCredential): z.input<typeof issuedSchema> {
  const credential = credentialView(issued.credential)
  if ('certificatePem' in issued) return { credential, certificate: issued.certificatePem, chain: issued.chainPem }
  if ('secret' in issued) return { credential, secret: issued.secret }
  if ('key' in issued) return { credential, psk: { identity: issued.identity, key: issued.key.toString('hex') } }
  if ('secrets' in issued) return { credential, oscore: oscoreView(issued) }
  return { credential }
}
