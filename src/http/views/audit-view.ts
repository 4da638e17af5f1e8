import { z } from 'zod'
import { AUDIT_EVENT_TYPES } from '../../audit/events.ts'
import type { AuditRecord } from '../../audit/trail.ts'
import { timestamp, timestampSchema } from './timestamp.ts'

export const auditRecordSchema = z
  .object({
    id: z.int(),
    at: timestampSchema,
    event: z
      .looseObject({ type: z.enum(AUDIT_EVENT_TYPES) })
      .describe('Whole, as the hash was taken over it; never holds a secret.'),
    previous: z.string().describe('Hash of the record before.'),
    hash: z.string(),
  })
  .meta({ id: 'AuditRecord' })

export function auditRecordView({ id, at, event, previous, hash }: AuditRecord): z.input<typeof auditRecordSchema> {
  return { id, at: timestamp(at), event: { ...event }, previous, hash }
}
