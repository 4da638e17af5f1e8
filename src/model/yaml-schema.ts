import type { z } from 'zod'
import { Failure, type FailureCode } from './failure.ts'
import type { YamlSource } from './yaml-source.ts'

/** Judges a YAML document by a schema; the Failure names the first wrong place in the file, and how many more there are. */
export function readBy<T>(schema: z.ZodType<T>, source: YamlSource, code: FailureCode, empty: unknown = null): T {
  const result = schema.safeParse(source.value ?? empty)
  if (result.success) return result.data
  const [issue, ...others] = result.error.issues
  if (!issue) throw new Failure(code, `${source.file} is not valid`, { location: { file: source.file } })
  const unknown = issue.code === 'unrecognized_keys' ? issue.keys[0] : undefined
  const location = unknown === undefined ? source.locate(issue.path) : source.locateKey(issue.path, unknown)
  const name = [...issue.path, ...(unknown === undefined ? [] : [unknown])].map(String).join('.') || 'the document'
  const why = unknown === undefined ? issue.message : 'unknown key; look for a typing error'
  const more = others.length > 0 ? ` (and ${others.length} more)` : ''
  const where = [location.file, location.line, location.column].filter(part => part !== undefined).join(':')
  throw new Failure(code, `${where}: ${name}: ${why}${more}`, { location })
}
