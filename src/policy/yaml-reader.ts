import { type Document, isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseAllDocuments } from 'yaml'
import { Failure, type FailureCode, type Location } from '../model/failure.ts'
import { printable } from '../model/printable.ts'
import { findExcess, YAML_LIMITS, type YamlLimits } from './yaml-bounds.ts'

/** A YAML text with positions. Every error raised through it names file, line and column. */
export class YamlReader {
  readonly file: string
  readonly code: FailureCode
  readonly #lines = new LineCounter()

  constructor(file: string, code: FailureCode) {
    this.file = file
    this.code = code
  }

  /** The documents of the text, syntactically sound and within the limits; an empty document is left out. */
  documents(text: string, limits: YamlLimits = YAML_LIMITS): YamlValue[] {
    const excess = findExcess(text, limits)
    if (excess) {
      const { line, column, message } = excess
      throw new Failure(this.code, message, { location: { file: this.file, line, column } })
    }
    // Pretty errors and the library's own uniqueness check take quadratic time: both are done here instead.
    const parsed = parseAllDocuments(text, { lineCounter: this.#lines, prettyErrors: false, uniqueKeys: false })
    const values: YamlValue[] = []
    if ('empty' in parsed) return values
    for (const document of parsed) {
      const problem = document.errors[0] ?? document.warnings[0]
      if (problem) {
        const what = printable(problem.message).replace(/\.$/, '')
        this.fail(`this is not valid YAML (${what}); check indentation, and quote every pattern`, problem.pos[0])
      }
      if (document.contents && !isNull(document.contents)) values.push(new YamlValue(this, document, document.contents))
    }
    return values
  }

  location(offset: number): Required<Location> {
    const { line, col } = this.#lines.linePos(offset)
    return { file: this.file, line: Math.max(line, 1), column: Math.max(col, 1) }
  }

  fail(message: string, offset: number): never {
    throw new Failure(this.code, message, { location: this.location(offset) })
  }
}

/** One value of a YAML document. */
export class YamlValue {
  readonly #source: YamlReader
  readonly #document: Document
  readonly #node: Node
  readonly #at: number

  constructor(source: YamlReader, document: Document, node: Node, at = node.range?.[0] ?? 0) {
    this.#source = source
    this.#document = document
    this.#at = at
    this.#node = isAlias(node)
      ? (node.resolve(document) ?? source.fail('this alias has no anchor; put a text that begins with * in quotes', at))
      : node
  }

  get location(): Required<Location> {
    return this.#source.location(this.#at)
  }

  fail(message: string): never {
    return this.#source.fail(message, this.#at)
  }

  get isNull(): boolean {
    return isNull(this.#node)
  }

  get isList(): boolean {
    return isSeq(this.#node)
  }

  get isMapping(): boolean {
    return isMap(this.#node)
  }

  /** The string, number, boolean or null of a scalar; undefined for a collection. */
  get scalar(): unknown {
    return isScalar(this.#node) ? this.#node.value : undefined
  }

  /** A `#` that begins a comment right after an unquoted scalar: probably meant as a topic level. */
  get cutByComment(): boolean {
    const node = this.#node
    if (!isScalar(node) || node.type !== 'PLAIN' || typeof node.comment !== 'string') return false
    return node.comment === '' || node.comment.startsWith('/')
  }

  /** The values of a list; a single value counts as a list of one. */
  list(): YamlValue[] {
    if (!isSeq(this.#node)) return [this]
    return this.#node.items.map(item => new YamlValue(this.#source, this.#document, item as Node))
  }

  /** The values of a list that must be one. */
  items(what: string): YamlValue[] {
    if (!isSeq(this.#node)) this.fail(`${what} must be a list; begin each entry with "- "`)
    return this.list()
  }

  string(what: string): string {
    const value = this.scalar
    if (typeof value === 'string') return value
    if (value === undefined) this.fail(`${what} must be a text, not a list or mapping`)
    if (value === null) this.fail(`${what} is empty; write a value, in quotes`)
    return this.fail(`${what} must be a text; put ${String(value)} in quotes`)
  }

  /** Entries in order; keys are strings and unique. */
  entries(what: string): { key: string; at: YamlValue; value: YamlValue }[] {
    if (!isMap(this.#node)) this.fail(`${what} must be a mapping (name: value)`)
    const seen = new Set<string>()
    return this.#node.items.map(pair => {
      const keyNode = pair.key as Node
      const at = new YamlValue(this.#source, this.#document, keyNode)
      const key = at.string(`a key of ${what}`)
      if (seen.has(key)) at.fail(`${what} has the key "${printable(key, 80)}" twice; keep one`)
      seen.add(key)
      const value = pair.value
        ? new YamlValue(this.#source, this.#document, pair.value as Node)
        : new YamlValue(this.#source, this.#document, this.#document.createNode(null), keyNode.range?.[1] ?? 0)
      return { key, at, value }
    })
  }

  /** The values under the known keys; any other key is an error. */
  mapping<K extends string>(what: string, keys: readonly K[]): Map<K, YamlValue> {
    const found = new Map<K, YamlValue>()
    for (const { key, at, value } of this.entries(what)) {
      if (!(keys as readonly string[]).includes(key)) {
        at.fail(`${what} has the unknown key "${printable(key, 80)}"; the keys are ${keys.join(', ')}`)
      }
      found.set(key as K, value)
    }
    return found
  }

  oneOf<T extends string>(what: string, values: readonly T[]): T {
    const text = this.string(what)
    if ((values as readonly string[]).includes(text)) return text as T
    return this.fail(`${what} is "${printable(text, 80)}"; it must be one of ${values.join(', ')}`)
  }

  boolean(what: string): boolean {
    if (typeof this.scalar === 'boolean') return this.scalar
    return this.fail(`${what} must be true or false`)
  }
}

function isNull(node: unknown): boolean {
  return isScalar(node) && node.value === null
}
