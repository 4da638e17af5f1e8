import { parseDuration } from './duration.ts'
import { Misuse } from './misuse.ts'

/** The options of one call, read with their types; whatever does not fit is misuse. Names as on the command line. */
export class Options {
  readonly #values: ReadonlyMap<string, unknown>

  /** As commander collects them: camel-cased names. */
  constructor(values: Readonly<Record<string, unknown>>) {
    this.#values = new Map(Object.entries(values))
  }

  #get(name: string): unknown {
    return this.#values.get(name.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase()))
  }

  flag(name: string): boolean {
    return this.#get(name) === true
  }

  text(name: string): string | undefined {
    const value = this.#get(name)
    return typeof value === 'string' ? value : undefined
  }

  /** `why` finishes the sentence "--name is needed: ...". */
  needed(name: string, why: string): string {
    const value = this.text(name)
    if (value === undefined || value === '') throw new Misuse(`--${name} is needed: ${why}`)
    return value
  }

  /** Undefined when it was not given at all, so that "leave it" and "make it empty" differ. */
  list(name: string): readonly string[] | undefined {
    const value = this.#get(name)
    return Array.isArray(value) ? value.map(String) : undefined
  }

  /** Seconds. */
  duration(name: string): number | undefined {
    const text = this.text(name)
    if (text === undefined) return undefined
    const seconds = parseDuration(text)
    if (seconds === null) throw new Misuse(`--${name} ${text}: write a duration like 90s, 15m, 1h or 30d`)
    return seconds
  }

  count(name: string): number | undefined {
    const text = this.text(name)
    if (text === undefined) return undefined
    return parseCount(text, `--${name}`)
  }

  choice<const T extends string>(name: string, allowed: readonly T[]): T | undefined {
    const text = this.text(name)
    if (text === undefined) return undefined
    const found = allowed.find(each => each === text)
    if (found === undefined) throw new Misuse(`--${name} ${text}: choose one of ${allowed.join(', ')}`)
    return found
  }

  /** `name=value` pairs; an empty value is kept as ''. */
  pairs(name: string): ReadonlyMap<string, string> | undefined {
    const entries = this.list(name)?.map((text): [string, string] => {
      const at = text.indexOf('=')
      if (at < 1) throw new Misuse(`--${name} ${text}: write it as name=value`)
      return [text.slice(0, at), text.slice(at + 1)]
    })
    return entries && new Map(entries)
  }
}

/** A whole number from 0 on; `what` names it in the error. */
export function parseCount(text: string, what: string): number {
  const count = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN
  if (!Number.isSafeInteger(count)) throw new Misuse(`${what} ${text}: write a whole number`)
  return count
}
