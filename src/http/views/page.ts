// Lists: `after` and `limit` in, `{ items, next }` out.
import { z } from 'zod'
import { isIdentifier } from '../../model/identifier.ts'

export const identifierSchema = z
  .string()
  .refine(isIdentifier, 'must be 1 to 64 letters, digits, . _ : or -, beginning with a letter or digit')
  .meta({ pattern: '^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$' })

/** Items of one page: 100 unless asked, never more than 500. */
export const limitSchema = z.coerce.number<string>().int().min(1).max(500).default(100)

export const pageQuery = z.strictObject({
  after: z.exactOptional(identifierSchema).describe('The `next` of the page before.'),
  limit: limitSchema,
})

export const pageSchema = <T extends z.ZodType>(item: T) =>
  z.object({ items: z.array(item), next: z.string().nullable().describe('Ask with this as `after`; null at the end.') })

/** `found` was asked for with one more than `limit`: whether there is one tells whether there is a next page. */
export function pageOf<T, V>(
  found: readonly T[],
  limit: number,
  view: (record: T) => V,
  cursor: (record: T) => string,
): { items: V[]; next: string | null } {
  const shown = found.slice(0, limit)
  const last = shown.at(-1)
  return { items: shown.map(view), next: found.length > limit && last !== undefined ? cursor(last) : null }
}
