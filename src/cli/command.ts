// What a command is: one row of the table that program.ts turns into commander's commands.
import type { LatchkeyClient } from '../client/client.ts'
import type { Options } from './options.ts'
import type { Terminal } from './terminal.ts'

export interface OptionRow {
  /** As commander reads them: `--ttl <duration>`. */
  readonly flags: string
  readonly text: string
  /** May be given more than once; read with `list` or `pairs`. */
  readonly repeat?: true
  /** For tests: not shown in help. */
  readonly hidden?: true
}

/**
 * How a command reaches a broker. `operator`: with a token. `anyone`: needs only its address and root certificate.
 * `data`: works on the data directory of this machine. `none`: needs nothing.
 */
export type Reach = 'operator' | 'anyone' | 'data' | 'none'

export interface CommandRow {
  /** Name and arguments: `show <id>`. */
  readonly name: string
  readonly summary: string
  readonly reach: Reach
  readonly options?: readonly OptionRow[]
  /** Whole command lines, each with what it does: `['latchkey device list', 'all devices']`. */
  readonly examples: readonly (readonly [command: string, does: string])[]
  run(call: Call): Promise<Outcome>
}

export interface NounRow {
  readonly noun: string
  readonly summary: string
  readonly commands: readonly CommandRow[]
}

export interface Call {
  /** Positional arguments; those left out are undefined, `<files...>` arrive one by one. */
  readonly words: readonly string[]
  readonly options: Options
  readonly terminal: Terminal
  readonly json: boolean
  /** The broker's API, found by --url, LATCHKEY_URL or the data directory. */
  client(): Promise<LatchkeyClient>
}

export interface Outcome {
  /** For --json: the API's own shapes. Undefined: everything was printed already. */
  readonly json: unknown
  /** For people; empty when there is nothing to show. */
  readonly text: string
  /** What to know: on stderr, also with --json. */
  readonly warnings?: readonly string[]
  /** What to do next: on stderr, for people. */
  readonly next?: readonly string[]
  /** 1 when the answer is a refusal or a finding (a failed test, a broken trail). Default 0. */
  readonly exitCode?: 0 | 1
}

/** Asks before something cannot be undone. Scripts are not asked; `--yes` answers beforehand. */
export async function confirmed({ terminal, options, json }: Call, question: string): Promise<boolean> {
  if (options.flag('yes') || json || !terminal.interactive) return true
  const answer = await terminal.ask(`${question} [y/N] `)
  return /^y(es)?$/i.test(answer.trim())
}

export const YES: OptionRow = { flags: '--yes', text: 'do not ask' }
export const DRY_RUN: OptionRow = { flags: '--dry-run', text: 'only tell what would happen' }

/** What a declined question comes to. */
export const DECLINED: Outcome = { json: undefined, text: '', warnings: ['nothing was changed'], exitCode: 1 }
