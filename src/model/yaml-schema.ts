import type { z } from 'zod'
import type { YamlValue } from './yaml-reader.ts'

/** Judges a YAML document by a schema; the Failure has the first wrong place in the file, and says how many more there are. */
export function readBy<T>(schema: z.ZodType<T>, document: YamlValue): T {
  const result = schema.safeParse(document.plain())
  if (result.success) return result.data
  const [issue, ...others] = result.error.issues
  if (!issue) return document.fail('the document is not valid')
  const unknown = issue.code === 'unrecognized_keys' ? issue.keys[0] : undefined
  const name = [...issue.path, ...(unknown === undefined ? [] : [unknown])].map(String).join('.') || 'the document'
  const why = unknown === undefined ? issue.message : 'unknown key; look for a typing error'
  const more = others.length > 0 ? ` (and ${others.length} more)` : ''
  const value = document.at(issue.path)
  const key = unknown === undefined ? undefined : value.entries(name).find(entry => entry.key === unknown)
  return (key?.at ?? value).fail(`${name}: ${why}${more}`)
}
