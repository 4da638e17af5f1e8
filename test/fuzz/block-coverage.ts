// Which blocks of the code under test have run, by the engine's own precise coverage.
import { readFileSync } from 'node:fs'
import { type Profiler, Session } from 'node:inspector/promises'
import { fileURLToPath } from 'node:url'

type ScriptCoverage = Profiler.ScriptCoverage

/** One source file as far as it was seen to run. */
export interface FileCoverage {
  /** Below `src/`, without its ending. */
  readonly file: string
  readonly blocks: number
  readonly reached: number
  /** The beginning of each block never reached, with the function that it belongs to. */
  readonly never: readonly string[]
}

class Script {
  readonly file: string
  readonly text: string
  /** By character: 1 = has run. */
  readonly #ran: Uint8Array
  readonly #now: Uint8Array
  /** Every block that was ever told apart from what is around it: `from:to`, and its function. */
  readonly #blocks = new Map<string, { from: number; to: number; name: string }>()

  constructor(file: string, text: string) {
    this.file = file
    this.text = text
    this.#ran = new Uint8Array(text.length)
    this.#now = new Uint8Array(text.length)
  }

  /** Takes one look in; returns how many characters ran for the first time. Inner functions come after their outer ones. */
  add({ functions }: ScriptCoverage): number {
    this.#now.fill(0)
    for (const { functionName, ranges } of functions)
      for (const { startOffset: from, endOffset: to, count } of ranges) {
        this.#now.fill(count > 0 ? 1 : 0, from, to)
        const key = `${from}:${to}`
        if (!this.#blocks.has(key)) this.#blocks.set(key, { from, to, name: functionName })
      }
    let fresh = 0
    for (let i = 0; i < this.#now.length; i++)
      if (this.#now[i] === 1 && this.#ran[i] === 0) {
        this.#ran[i] = 1
        fresh++
      }
    return fresh
  }

  /** A block is reached when anything of it has run: what ended it early is a block of its own. */
  report(): FileCoverage {
    const blocks = [...this.#blocks.values()].filter(({ from, to }) => /\w/.test(this.text.slice(from, to)))
    const never = blocks.filter(({ from, to }) => this.#ran.indexOf(1, from) === -1 || this.#ran.indexOf(1, from) >= to)
    const inner = (one: { from: number; to: number }) =>
      !never.some(other => other !== one && other.from <= one.from && one.to <= other.to)
    const told = never.filter(inner).map(({ from, to, name }) => {
      const text = this.text.slice(from, to).replace(/\s+/g, ' ').trim()
      return `${name || 'top level'}: ${text.length > 90 ? `${text.slice(0, 87)}...` : text}`
    })
    return { file: this.file, blocks: blocks.length, reached: blocks.length - never.length, never: told }
  }
}

/** To be begun before the code under test is loaded: blocks of what was compiled earlier are not told apart. */
export class BlockCoverage {
  readonly #session = new Session()
  readonly #rooms: readonly string[]
  /** By script id; null for what is not looked at. */
  readonly #scripts = new Map<string, Script | null>()

  /** `rooms`: folders below `src/` whose files are looked at. */
  constructor(rooms: readonly string[]) {
    this.#rooms = rooms
  }

  async start(): Promise<void> {
    this.#session.connect()
    await this.#session.post('Profiler.enable')
    await this.#session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true })
  }

  /** Looks at what ran since the last look; returns how many characters of code ran for the first time. */
  async take(): Promise<number> {
    const { result } = await this.#session.post('Profiler.takePreciseCoverage')
    let fresh = 0
    for (const coverage of result) {
      let script = this.#scripts.get(coverage.scriptId)
      if (script === undefined) {
        script = this.#known(coverage.url)
        this.#scripts.set(coverage.scriptId, script)
      }
      if (script !== null) fresh += script.add(coverage)
    }
    return fresh
  }

  report(): FileCoverage[] {
    return [...this.#scripts.values()]
      .filter(script => script !== null)
      .map(script => script.report())
      .sort((one, other) => (one.file < other.file ? -1 : 1))
  }

  #known(url: string): Script | null {
    const at = url.lastIndexOf('/src/')
    const file = url.slice(at + 5).replace(/\.[jt]s$/, '')
    if (at < 0 || url.includes('node_modules') || !this.#rooms.some(room => file.startsWith(`${room}/`))) return null
    return new Script(file, readFileSync(fileURLToPath(url), 'utf8'))
  }
}
