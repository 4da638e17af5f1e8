// The one reader of YAML from outside: bounded before anything is composed, and every value knows its place.
import { type Alias, isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseAllDocuments, Scalar } from 'yaml'
import { Failure, type FailureCode, type Location } from './failure.ts'
import { printable } from './printable.ts'
import { resolveAliases } from './yaml-aliases.ts'
import { findExcess, YAML_LIMITS, type YamlLimits } from './yaml-bounds.ts'

/** A YAML text with positions. Every error raised through it has file, line and column as its location, not in its message. */
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
        this.fail(
          `this is not valid YAML (${what}); check the indentation, and put text with special characters in quotes`,
          problem.pos[0],
        )
      }
      const { contents } = document
      if (!contents || isNull(contents)) continue
      const aliases = resolveAliases(contents, limits, (message, node) => this.fail(message, startOf(node)))
      values.push(new YamlValue(this, aliases, contents))
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
  readonly #aliases: ReadonlyMap<Alias, Node>
  readonly #node: Node
  readonly #at: number

  constructor(source: YamlReader, aliases: ReadonlyMap<Alias, Node>, node: Node, at = startOf(node)) {
    this.#source = source
    this.#aliases = aliases
    this.#at = at
    this.#node = (isAlias(node) ? aliases.get(node) : undefined) ?? node
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
    return this.#node.items.map(item => new YamlValue(this.#source, this.#aliases, item as Node))
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
    const seen = new Map<string, YamlValue>()
    return this.#node.items.map(pair => {
      const keyNode = pair.key as Node
      const at = new YamlValue(this.#source, this.#aliases, keyNode)
      const key = at.string(`a key of ${what}`)
      const first = seen.get(key)
      if (first) {
        at.fail(`${what} has the key "${printable(key, 80)}" twice, first in line ${first.location.line}; keep one`)
      }
      seen.set(key, at)
      const value = pair.value
        ? new YamlValue(this.#source, this.#aliases, pair.value as Node)
        : new YamlValue(this.#source, this.#aliases, new Scalar(null), keyNode.range?.[1] ?? 0)
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

  /** Whether a mapping has this key; false for what is no mapping. */
  has(key: string): boolean {
    return isMap(this.#node) && this.#node.items.some(pair => isScalar(pair.key) && pair.key.value === key)
  }

  /** The value at this path, or its nearest parent that exists. */
  at(path: readonly PropertyKey[]): YamlValue {
    const [part, ...rest] = path
    if (part === undefined) return this
    const inner = this.isMapping
      ? this.entries('the mapping').find(({ key }) => key === part)?.value
      : this.isList && typeof part === 'number'
        ? this.list()[part]
        : undefined
    return inner?.at(rest) ?? this
  }

  /** As plain arrays, objects and scalars. Judge it with a strict schema before using any key. */
  plain(name = ''): unknown {
    if (this.isList) return this.list().map((item, i) => item.plain(`${name}[${i}]`))
    if (!this.isMapping) return this.scalar
    const entries = this.entries(name === '' ? 'the document' : name)
    const prefix = name === '' ? '' : `${name}.`
    // `fromEntries` defines, it does not assign: `__proto__` becomes a key like any other.
    return Object.fromEntries(entries.map(({ key, value }) => [key, value.plain(prefix + printable(key, 80))]))
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

const startOf = (node: Node): number => node.range?.[0] ?? 0

function isNull(node: unknown): boolean {
  return isScalar(node) && node.value === null
}
