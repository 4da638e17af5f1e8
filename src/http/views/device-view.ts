import { z } from 'zod'
import type { DeviceRecord, DeviceTypeRecord } from '../../registry/records.ts'
import { timestamp, timestampSchema } from './timestamp.ts'

export const deviceSchema = z
  .object({
    id: z.string(),
    type: z.string(),
    status: z.enum(['active', 'suspended']),
    attributes: z.record(z.string(), z.string()).describe('Variables of the policy: `device.NAME`.'),
    groups: z.array(z.string()),
    roles: z.array(z.string()).describe('Given here; the policy may assign more.'),
    parent: z.string().nullable().describe('The gateway it is behind.'),
    clientIds: z.enum(['own', 'under']).describe('`own`: its id is its MQTT client id; `under`: also `<id>/...`.'),
    createdAt: timestampSchema,
    updatedAt: timestampSchema,
  })
  .meta({ id: 'Device' })

/** An allow list: what a record gains later stays inside until it is named here. */
export function deviceView(record: DeviceRecord): z.input<typeof deviceSchema> {
  return {
    id: record.id,
    type: record.type,
    status: record.status,
    attributes: { ...record.attributes },
    groups: [...record.groups],
    roles: [...record.roles],
    parent: record.parent,
    clientIds: record.clientIds,
    createdAt: timestamp(record.createdAt),
    updatedAt: timestamp(record.updatedAt),
  }
}

export const deviceTypeSchema = z
  .object({
    id: z.string(),
    description: z.string(),
    attributes: z.record(z.string(), z.object({ required: z.boolean() })),
    clientIds: z.enum(['own', 'under']),
  })
  .meta({ id: 'DeviceType' })

export function deviceTypeView(record: DeviceTypeRecord): z.input<typeof deviceTypeSchema> {
  const attributes = Object.entries(record.attributes).map(([name, { required }]) => [name, { required }] as const)
  return {
    id: record.id,
    description: record.description,
    attributes: Object.fromEntries(attributes),
    clientIds: record.clientIds,
  }
}
