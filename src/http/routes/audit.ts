import { z } from 'zod'
import { AUDIT_EVENT_TYPES } from '../../audit/events.ts'
import type { Verification } from '../../audit/verify.ts'
import { Failure } from '../../model/failure.ts'
import type { HttpApp, RouteParts } from '../api.ts'
import { refusals } from '../refusals.ts'
import { auditRecordSchema, auditRecordView } from '../views/audit-view.ts'
import { limitSchema, pageOf, pageSchema } from '../views/page.ts'

const tags = ['audit']

const recordId = z.coerce.number<string>().int().min(0).max(Number.MAX_SAFE_INTEGER)

export function auditRoutes(app: HttpApp, { audit }: RouteParts): void {
  /** Walking the whole trail is dear: those who ask at the same time share one walk. */
  let walk: Promise<Verification> | null = null

  app.get(
    '/v1/audit',
    {
      config: { access: 'audit:read' },
      schema: {
        operationId: 'listAudit',
        summary: 'The audit trail, oldest first unless reversed',
        tags,
        querystring: z.strictObject({
          after: z.exactOptional(recordId).describe('The `next` of the page before, in the order asked for.'),
          limit: limitSchema,
          type: z.exactOptional(z.enum(AUDIT_EVENT_TYPES)),
          principal: z.exactOptional(z.string().min(1).max(128)).describe('Whom the event is about or who did it.'),
          reverse: z
            .enum(['true', 'false'])
            .default('false')
            .transform(text => text === 'true'),
        }),
        response: { 200: pageSchema(auditRecordSchema) },
      },
    },
    async request => {
      const { after, limit, reverse, ...filters } = request.query
      const from = after === undefined ? {} : reverse ? { before: after } : { after }
      const records = await audit.list({ ...filters, ...from, reverse, limit: limit + 1 })
      return pageOf(records, limit, auditRecordView, record => String(record.id))
    },
  )

  app.get(
    '/v1/audit/:id',
    {
      config: { access: 'audit:read' },
      schema: {
        operationId: 'getAuditRecord',
        summary: 'One record of the audit trail',
        tags,
        params: z.strictObject({ id: recordId }),
        response: { 200: auditRecordSchema, ...refusals(404) },
      },
    },
    async request => {
      const record = await audit.get(request.params.id)
      if (!record) throw new Failure('not-found', `There is no audit record ${request.params.id}.`)
      return auditRecordView(record)
    },
  )

  app.get(
    '/v1/audit/verify',
    {
      config: { access: 'audit:read' },
      schema: {
        operationId: 'verifyAudit',
        summary: 'Walk the hash chain: was anything changed, taken out or cut off?',
        tags,
        response: {
          200: z.object({
            ok: z.boolean(),
            records: z.int(),
            brokenAt: z.int().nullable().describe('The first record that does not fit.'),
            reason: z.string().nullable(),
          }),
        },
      },
    },
    async () => {
      walk ??= audit.verify().finally(() => {
        walk = null
      })
      const { ok, records, brokenAt, reason } = await walk
      return { ok, records, brokenAt, reason }
    },
  )
}
