import type { z } from 'zod'
import type { YamlValue } from './yaml-reader.ts'

/** What was wrong first, in words, and where. */
export interface SchemaFault {
  readonly path: readonly PropertyKey[]
  /** The key that nobody knows, when that is what is wrong; it stands at `path`. */
  readonly unknownKey: string | undefined
  /** `listeners.mqtt.port: must be ...` */
  readonly text: string
}

/** The first fault of a judgement, down to the key; of alternatives, the one that was meant. */
export function faultOf(error: z.ZodError): SchemaFault {
  const [first, ...others] = error.issues
  if (!first) return { path: [], unknownKey: undefined, text: 'the document is not valid' }
  const { issue, path } = innermost(first, first.path)
  const unknownKey = issue.code === 'unrecognized_keys' ? issue.keys[0] : undefined
  const name = [...path, ...(unknownKey === undefined ? [] : [unknownKey])].map(String).join('.') || 'the document'
  const why = unknownKey === undefined ? issue.message : 'unknown key; look for a typing error'
  const more = others.length > 0 ? ` (and ${others.length} more)` : ''
  return { path, unknownKey, text: `${name}: ${why}${more}` }
}

type Issue = z.core.$ZodIssue

/** Whoever wrote a mapping meant the alternative that is one: its own fault says more than "invalid input". */
function innermost(issue: Issue, path: readonly PropertyKey[]): { issue: Issue; path: readonly PropertyKey[] } {
  if (issue.code !== 'invalid_union') return { issue, path }
  const meant = issue.errors.map(([first]) => first).find(first => first && !isOfAnotherKind(first))
  return meant ? innermost(meant, [...path, ...meant.path]) : { issue, path }
}

const isOfAnotherKind = ({ code, path }: Issue): boolean =>
  path.length === 0 && (code === 'invalid_type' || code === 'invalid_value')

/** Judges a YAML document by a schema; the Failure has the first wrong place in the file, and says how many more there are. */
export function readBy<T>(schema: z.ZodType<T>, document: YamlValue): T {
  const result = schema.safeParse(document.plain())
  if (result.success) return result.data
  const { path, unknownKey, text } = faultOf(result.error)
  const value = document.at(path)
  const key = unknownKey === undefined ? undefined : value.entries(text).find(entry => entry.key === unknownKey)
  return (key?.at ?? value).fail(text)
}
