/** Printable ASCII without what JSON escapes. */
const PLAIN = /^[ !#-[\]-~]*$/

const SIMPLE: ReadonlySet<string> = new Set(['string', 'number', 'boolean'])

/** JSON with sorted member names and without white space: equal values have equal bytes (RFC 8785 for our kinds of values). */
export function canonicalJson(value: unknown): string {
  if (typeof value === 'string') return jsonString(value)
  if (value === null) return 'null'
  if (typeof value !== 'object') return JSON.stringify(value)
  if (isInOrder(value)) return JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map(item => canonicalJson(item ?? null)).join(',')}]`
  let text = ''
  for (const name of Object.keys(value).sort()) {
    const member = (value as Record<string, unknown>)[name]
    if (member === undefined) continue
    text += `${text === '' ? '' : ','}${jsonString(name)}:${canonicalJson(member)}`
  }
  return `{${text}}`
}

/** Nothing in it that has members, and the names sorted already: `JSON.stringify` writes it as we would, in one piece. */
function isInOrder(value: object): boolean {
  let before = ''
  for (const name in value) {
    if (name <= before) return false
    before = name
    const member: unknown = (value as Record<string, unknown>)[name]
    if (typeof member === 'object' ? member !== null : !SIMPLE.has(typeof member)) return false
  }
  return before !== ''
}

const jsonString = (text: string): string => (PLAIN.test(text) ? `"${text}"` : JSON.stringify(text))
