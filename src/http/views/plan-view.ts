import { z } from 'zod'
import type { ApplyPlan } from '../../access/apply.ts'
import { outcomeSchema, outcomeView } from './policy-view.ts'

export const planSchema = z
  .object({
    applied: z.boolean().describe('False after a dry run.'),
    changes: z.boolean().describe('Whether any step is more than `unchanged`.'),
    steps: z.array(
      z.object({
        action: z.enum(['create', 'update', 'unchanged']),
        kind: z.enum(['device-type', 'device', 'client', 'policy']),
        id: z.string(),
        fields: z.array(z.object({ name: z.string(), before: z.unknown(), after: z.unknown() })),
        location: z.object({
          file: z.string(),
          line: z.exactOptional(z.int()),
          column: z.exactOptional(z.int()),
        }),
      }),
    ),
    policy: outcomeSchema.nullable().describe('null when no policy file was sent; then the one in force stays.'),
    ignored: z.array(z.string()).describe('Files that are no YAML and were left alone.'),
  })
  .meta({ id: 'ApplyPlan' })

export function planView({ applied, changes, steps, policy, ignored }: ApplyPlan): z.input<typeof planSchema> {
  return {
    applied,
    changes,
    steps: steps.map(({ action, kind, id, fields, location: { file, line, column } }) => ({
      action,
      kind,
      id,
      fields: fields.map(({ name, before, after }) => ({ name, before, after })),
      location: { file, ...(line === undefined ? {} : { line }), ...(column === undefined ? {} : { column }) },
    })),
    policy: policy === null ? null : outcomeView(policy),
    ignored: [...ignored],
  }
}
