/** Printable ASCII without what JSON escapes. */
const PLAIN = /^[ !#-[\]-~]*$/

/** JSON with sorted member names and without white space: equal values have equal bytes (RFC 8785 for our kinds of values). */
export function canonicalJson(value: unknown): string {
  if (typeof value === 'string') return jsonString(value)
  if (value === null) return 'null'
  if (typeof value !== 'object') return JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map(item => canonicalJson(item ?? null)).join(',')}]`
  let text = ''
  for (const name of Object.keys(value).sort()) {
    const member = (value as Record<string, unknown>)[name]
    if (member === undefined) continue
    text += `${text === '' ? '' : ','}${jsonString(name)}:${canonicalJson(member)}`
  }
  return `{${text}}`
}

const jsonString = (text: string): string => (PLAIN.test(text) ? `"${text}"` : JSON.stringify(text))
