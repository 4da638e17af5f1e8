// CoRE Link Format (RFC 6690): what `/.well-known/core` answers with.

export interface Link {
  /** A URI reference, percent-encoded already. */
  readonly target: string
  /** `rt`, `if`, `ct`, `sz`, `obs` and so on, in their order; true is an attribute without a value. */
  readonly attributes: ReadonlyMap<string, string | number | true>
}

/** Numbers are written bare, strings quoted, so that every reader takes them (RFC 6690 2, `link-extension`). */
export function writeLinks(links: Iterable<Link>): string {
  return Array.from(links, writeLink).join(',')
}

function writeLink({ target, attributes }: Link): string {
  let text = `<${target}>`
  for (const [name, value] of attributes) {
    if (value === true) text += `;${name}`
    else if (typeof value === 'number') text += `;${name}=${value}`
    else text += `;${name}="${value.replace(/[\\"]/g, '\\$&')}"`
  }
  return text
}

/** The path of a topic or any other levels as a link target: each level percent-encoded (RFC 3986 3.3). */
export function targetOf(levels: readonly string[]): string {
  return levels.map(level => `/${encodeURIComponent(level)}`).join('')
}

/**
 * Reads a whole document; values are strings, whatever they look like. Of attributes given twice the first counts (RFC 6690
 * 3.1 and 3.3). Null when it is not link format.
 */
export function readLinks(text: string): Link[] | null {
  if (text === '') return []
  const links: Link[] = []
  let at = 0
  do {
    const target = take(TARGET, text, at)
    if (target === null) return null
    at = target.end
    const attributes = new Map<string, string | true>()
    for (let found = take(ATTRIBUTE, text, at); found !== null; found = take(ATTRIBUTE, text, at)) {
      const [name, quoted, bare] = found.groups
      if (name !== undefined && !attributes.has(name)) {
        attributes.set(name, quoted === undefined ? (bare ?? true) : quoted.replace(/\\(.)/gs, '$1'))
      }
      at = found.end
    }
    links.push({ target: target.groups[0] ?? '', attributes })
  } while (text[at++] === ',')
  return at > text.length ? links : null
}

// Sticky, so that reading is linear in the text. The names of attributes are those of RFC 6690 2, `parmname`.
const TARGET = /<([^>]*)>/y
const ATTRIBUTE = /;([!#$&+\-.^_`|~0-9A-Za-z]+\*?)(?:=(?:"((?:[^"\\]|\\.)*)"|([^\s",;<>\\]+)))?/sy

function take(pattern: RegExp, text: string, at: number): { groups: (string | undefined)[]; end: number } | null {
  pattern.lastIndex = at
  const found = pattern.exec(text)
  return found === null ? null : { groups: found.slice(1), end: pattern.lastIndex }
}
