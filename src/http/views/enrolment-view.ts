import { z } from 'zod'
import type { Enrolment } from '../../enrolment/enrolment-record.ts'
import { timestamp, timestampOrNull, timestampSchema } from './timestamp.ts'

export const enrolmentSchema = z
  .object({
    id: z.string(),
    status: z.enum(['open', 'spent', 'expired', 'revoked']),
    type: z.string().describe('Device type of what it enrols.'),
    device: z.string().nullable().describe('The one id it may enrol.'),
    attributes: z.record(z.string(), z.string()),
    groups: z.array(z.string()),
    lifetime: z.int().nullable().describe('Seconds its certificates live; null: as the profile says.'),
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
    lifetime: enrolment.lifetime,
    uses: enrolment.uses,
    devices: [...enrolment.devices],
    createdAt: timestamp(enrolment.createdAt),
    createdBy: enrolment.createdBy,
    expiresAt: timestamp(enrolment.expiresAt),
    revokedAt: timestampOrNull(enrolment.revokedAt),
  }
}
