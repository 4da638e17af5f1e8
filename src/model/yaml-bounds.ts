import { CST, Lexer } from 'yaml'

/** What a YAML text may cost before anybody looks at its meaning. */
export interface YamlLimits {
  /** UTF-8 bytes of one file. */
  readonly bytes: number
  /** Nested collections; also the `-`, `?` and `:` outside of brackets that may open collections on one line. */
  readonly depth: number
  /** Columns of indentation: deep block collections need deep indentation. */
  readonly indentation: number
  /** Uses of `*anchor` in one file. */
  readonly aliases: number
  /** Values that aliases add to one document, as if they were written out. */
  readonly repeated: number
  /** Documents in one file, empty ones too. */
  readonly documents: number
}

export const YAML_LIMITS: YamlLimits = {
  bytes: 1_048_576,
  depth: 32,
  indentation: 128,
  aliases: 100,
  repeated: 10_000,
  documents: 4096,
}

/** Lines and columns begin at 1. */
export interface Excess {
  readonly message: string
  readonly line: number
  readonly column: number
}

/** Openers of block collections that fit on one line. */
const OPENERS = new Set(['seq-item-ind', 'explicit-key-ind', 'map-value-ind'])
/** After each of these another document may follow. */
const SEPARATORS = new Set(['doc-start', 'doc-end'])
const BLANK = new Set(['space', 'newline', 'comment'])
/** Marks of the lexer that are no text. */
const MARKS = new Set(['doc-mode', 'scalar', 'flow-error-end'])

export const TOO_DEEP = 'collections are nested too deeply here; only a few levels are needed, so flatten them'

/**
 * The first place where a text exceeds the limits; null when it keeps them. Counts in the token stream, before anything
 * recurses: a few hundred kilobytes of `- - - -` end the whole process inside the YAML composer.
 */
export function findExcess(text: string, limits: YamlLimits): Excess | null {
  const bytes = Buffer.byteLength(text)
  if (bytes > limits.bytes) {
    const message = `the file has ${bytes} bytes and at most ${limits.bytes} are read; split it into several files`
    return { message, line: 1, column: 1 }
  }
  let line = 1
  let column = 1
  let flow = 0
  let openers = 0
  let aliases = 0
  let separators = 0
  let leading = true
  for (const lexeme of new Lexer().lex(text)) {
    const kind = CST.tokenType(lexeme) ?? 'text'
    if (MARKS.has(kind)) continue
    const excess = (message: string): Excess => ({ message, line, column })
    if (kind === 'flow-map-start' || kind === 'flow-seq-start') flow++
    else if (kind === 'flow-map-end' || kind === 'flow-seq-end') flow = Math.max(0, flow - 1)
    else if (flow === 0 && OPENERS.has(kind)) openers++
    else if (kind === 'alias') aliases++
    else if (SEPARATORS.has(kind)) separators++
    if (flow > limits.depth || openers > limits.depth) return excess(TOO_DEEP)
    if (aliases > limits.aliases) return excess(`at most ${limits.aliases} aliases (*name) may be used in one file`)
    if (separators > limits.documents) {
      return excess(`at most ${limits.documents} documents are read from one file; split it into several files`)
    }
    if (leading && !BLANK.has(kind)) {
      if (flow === 0 && column - 1 > limits.indentation) {
        return excess(`the line is indented by more than ${limits.indentation} columns: ${TOO_DEEP}`)
      }
      leading = kind === 'seq-item-ind' || kind === 'explicit-key-ind'
    }
    const newline = lexeme.lastIndexOf('\n')
    if (newline < 0) column += lexeme.length
    else {
      line += lexeme.split('\n').length - 1
      column = lexeme.length - newline
      openers = 0
      leading = true
    }
  }
  return null
}
