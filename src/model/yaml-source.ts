// YAML from outside, read with bounds and with the place of every value, so that each error can name file, line and column.
import { type Document, isMap, LineCounter, type Node, parseAllDocuments } from 'yaml'
import { Failure, type FailureCode, type Location } from './failure.ts'

/** Bounds against bombs: bytes of text, nesting, aliases, documents in one file. */
export const YAML_LIMITS = { bytes: 1 << 20, depth: 32, aliases: 64, documents: 4096 } as const

/** One YAML document and where it came from. */
export class YamlSource {
  readonly file: string
  /** The plain value; maps become objects, so judge it with a strict schema before using any key. */
  readonly value: unknown
  readonly #document: Document.Parsed
  readonly #lines: LineCounter

  constructor(file: string, document: Document.Parsed, lines: LineCounter) {
    this.file = file
    this.value = document.toJS({ maxAliasCount: YAML_LIMITS.aliases })
    this.#document = document
    this.#lines = lines
  }

  /** The place of the value at this path, or of its nearest parent that exists. */
  locate(path: readonly PropertyKey[]): Location {
    for (let length = path.length; length >= 0; length--) {
      const node = this.#nodeAt(path.slice(0, length))
      const start = node?.range?.[0]
      if (start === undefined) continue
      const { line, col } = this.#lines.linePos(start)
      return { file: this.file, line, column: col }
    }
    return { file: this.file }
  }

  /** The place of a key itself, for errors about unknown keys. */
  locateKey(path: readonly PropertyKey[], key: string): Location {
    const parent = this.#nodeAt(path)
    if (isMap(parent)) {
      for (const pair of parent.items) {
        const node = pair.key as Node | null
        if (node && 'value' in node && String(node.value) === key && node.range) {
          const { line, col } = this.#lines.linePos(node.range[0])
          return { file: this.file, line, column: col }
        }
      }
    }
    return this.locate(path)
  }

  #nodeAt(path: readonly PropertyKey[]): Node | undefined {
    if (path.length === 0) return (this.#document.contents as Node | null) ?? undefined
    const found = this.#document.getIn(path as unknown[], true)
    return typeof found === 'object' && found !== null && 'range' in found ? (found as Node) : undefined
  }
}

/** Reads every document of a YAML text. Throws a Failure with `code` and the place of the first error. */
export function parseYaml(text: string, file: string, code: FailureCode): YamlSource[] {
  if (Buffer.byteLength(text) > YAML_LIMITS.bytes) {
    throw new Failure(code, `${file} is larger than ${YAML_LIMITS.bytes} bytes: split it`, { location: { file } })
  }
  const lines = new LineCounter()
  const documents = parseAllDocuments(text, { lineCounter: lines, uniqueKeys: true, prettyErrors: false })
  if ('empty' in documents) return []
  if (documents.length > YAML_LIMITS.documents) {
    throw new Failure(code, `${file} holds more than ${YAML_LIMITS.documents} documents: split it`, {
      location: { file },
    })
  }
  return documents.map(document => {
    const error = document.errors[0]
    if (error) {
      const { line, col } = lines.linePos(error.pos[0])
      throw new Failure(code, `${file}:${line}:${col}: ${error.message}`, { location: { file, line, column: col } })
    }
    checkDepth(document.contents as Node | null, file, code, 0)
    try {
      return new YamlSource(file, document, lines)
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      throw new Failure(code, `${file}: ${why}: write it out without so many aliases`, {
        location: { file },
        cause: error,
      })
    }
  })
}

function checkDepth(node: unknown, file: string, code: FailureCode, depth: number): void {
  if (depth > YAML_LIMITS.depth) {
    throw new Failure(code, `${file} nests deeper than ${YAML_LIMITS.depth} levels: flatten it`, {
      location: { file },
    })
  }
  if (typeof node !== 'object' || node === null || !('items' in node)) return
  for (const item of (node as { items: unknown[] }).items) {
    checkDepth(
      typeof item === 'object' && item !== null && 'value' in item && 'key' in item ? item.value : item,
      file,
      code,
      depth + 1,
    )
  }
}
