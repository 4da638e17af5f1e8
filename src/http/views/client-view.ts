import { z } from 'zod'
import type { ClientRecord } from '../../registry/records.ts'
import { timestamp, timestampSchema } from './timestamp.ts'

export const clientSchema = z
  .object({
    id: z.string(),
    kind: z.enum(['service', 'operator']),
    status: z.enum(['active', 'suspended']),
    attributes: z.record(z.string(), z.string()),
    groups: z.array(z.string()),
    roles: z.array(z.string()),
    scopes: z.array(z.string()).nullable().describe('What it may ask for at most; null: all that its roles permit.'),
    authMethod: z.enum(['client_secret_basic', 'client_secret_post']),
    tokenLifetime: z.int().nullable().describe('Seconds; null: the default.'),
    clientIds: z.enum(['own', 'under']),
    createdAt: timestampSchema,
    updatedAt: timestampSchema,
  })
  .meta({ id: 'Client' })

export function clientView(record: ClientRecord): z.input<typeof clientSchema> {
  return {
    id: record.id,
    kind: record.kind,
    status: record.status,
    attributes: { ...record.attributes },
    groups: [...record.groups],
    roles: [...record.roles],
    scopes: record.scopes === null ? null : [...record.scopes],
    authMethod: record.authMethod,
    tokenLifetime: record.tokenLifetime,
    clientIds: record.clientIds,
    createdAt: timestamp(record.createdAt),
    updatedAt: timestamp(record.updatedAt),
  }
}
