// Turns the table of commands into commander's, runs one call, and answers with the exit code: 0, 1 refused, 2 misuse.
import { Command, CommanderError, Option } from 'commander'
import { LatchkeyClient } from '../client/client.ts'
import type { Call, CommandRow, NounRow, OptionRow, Outcome, Reach } from './command.ts'
import { Misuse } from './misuse.ts'
import { Options } from './options.ts'
import { refusalOf, refusalText } from './refusal.ts'
import { findServer } from './server.ts'
import type { Terminal } from './terminal.ts'

const WHERE: Readonly<Record<Reach, readonly OptionRow[]>> = {
  operator: [
    { flags: '--url <url>', text: 'the broker, when it is not found by --data (LATCHKEY_URL)' },
    { flags: '--token <token>', text: 'API key or access token; better in LATCHKEY_TOKEN, where others do not see it' },
    { flags: '--ca <file>', text: "PEM of the broker's root certificate (LATCHKEY_CA)" },
    { flags: '--data <directory>', text: 'find the running broker by its data directory (LATCHKEY_DATA, ./data)' },
  ],
  anyone: [
    { flags: '--url <url>', text: 'the broker, when it is not found by --data (LATCHKEY_URL)' },
    { flags: '--ca <file>', text: "PEM of the broker's root certificate (LATCHKEY_CA)" },
    { flags: '--data <directory>', text: 'find the running broker by its data directory (LATCHKEY_DATA, ./data)' },
  ],
  data: [{ flags: '--data <directory>', text: 'the data directory (LATCHKEY_DATA, ./data)' }],
  none: [],
}

const EXIT_CODES =
  'Exit codes: 0 done, 1 refused or found wrong, 2 misuse. With --json, errors are one JSON object on stderr.'

export interface Shell {
  readonly terminal: Terminal
  readonly version: string
  /** Commands without a noun: `serve`, `init`, ... */
  readonly commands: readonly CommandRow[]
  readonly nouns: readonly NounRow[]
}

/** Runs `latchkey ...args`. Resolves with the exit code; a serving broker resolves when it has stopped. */
export async function runProgram(args: readonly string[], shell: Shell): Promise<number> {
  let exitCode = 0
  const settle = (code: number) => {
    exitCode = code
  }
  const program = buildProgram(shell, settle, args.includes('--json'))
  try {
    await program.parseAsync([...args], { from: 'user' })
    return exitCode
  } catch (error) {
    // Commander has told what was wrong, and what was probably meant, by itself.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
    throw error
  }
}

/** `json`: misuse is told as JSON, like every other error. */
export function buildProgram(shell: Shell, settle: (exitCode: number) => void, json = false): Command {
  const { terminal } = shell
  const prepared = json ? tellingJson : tellingPeople
  const program = prepared(new Command('latchkey'), terminal)
    .description('An MQTT broker in which every device carries its own key.')
    .version(shell.version)
    .addHelpText('after', `\n${EXIT_CODES}\nBegin with \`latchkey serve\`, then \`latchkey apply devices/\`.`)
  const add = (parent: Command, row: CommandRow) =>
    addCommand(prepared(parent.command(row.name), terminal), row, shell, settle)
  for (const row of shell.commands) add(program, row)
  for (const { noun, summary, commands } of shell.nouns) {
    const parent = prepared(program.command(noun), terminal).summary(summary).description(summary)
    for (const row of commands) add(parent, row)
  }
  return program
}

/** Errors as exceptions, output through the terminal. */
const prepare = (command: Command, terminal: Terminal): Command =>
  command
    .exitOverride()
    .configureOutput({
      writeOut: text => terminal.out(text.trimEnd()),
      writeErr: text => terminal.err(text.trimEnd()),
    })
    .helpCommand(false)

const tellingPeople = (command: Command, terminal: Terminal): Command =>
  prepare(command, terminal)
    .configureOutput({
      outputError: (text, write) => write(terminal.paintErr('red', text.replace(/^error: /, 'latchkey: '))),
    })
    .showHelpAfterError('Add --help for the whole description.')

const tellingJson = (command: Command, terminal: Terminal): Command =>
  prepare(command, terminal).configureOutput({
    outputError: (text, write) => {
      const { exitCode, ...told } = refusalOf(
        new Misuse(
          text
            .trimEnd()
            .replace(/^error: /, '')
            .replaceAll('\n', ' '),
        ),
      )
      write(JSON.stringify({ error: told }))
    },
  })

function addCommand(command: Command, row: CommandRow, { terminal }: Shell, settle: (exitCode: number) => void): void {
  command.summary(row.summary).description(row.summary)
  const options = [...(row.options ?? []), ...WHERE[row.reach]]
  for (const { flags, text, repeat, hidden } of options) {
    if (repeat) command.option(flags, `${text} (may be repeated)`, collect)
    else command.addOption(new Option(flags, text).hideHelp(hidden ?? false))
  }
  command.option('--json', 'answer with JSON')
  command.addHelpText(
    'after',
    `\nExamples:\n${row.examples.map(([line, does]) => `  ${line}\n      ${does}`).join('\n')}`,
  )
  command.action(async () => {
    const options = new Options(command.opts())
    const words = command.processedArgs.flat().filter((word: unknown): word is string => typeof word === 'string')
    settle(
      await perform(row, {
        words,
        options,
        terminal,
        json: options.flag('json'),
        client: clientOf(row.reach, options, terminal),
      }),
    )
  })
}

const collect = (text: string, before: readonly string[] | undefined): readonly string[] => [...(before ?? []), text]

function clientOf(reach: Reach, options: Options, terminal: Terminal): Call['client'] {
  return async () => new LatchkeyClient(await findServer(options, terminal, { withToken: reach !== 'anyone' }))
}

async function perform(row: CommandRow, call: Call): Promise<number> {
  const { terminal, json } = call
  try {
    return tell(await row.run(call), call)
  } catch (error) {
    const refusal = refusalOf(error)
    const { exitCode, ...told } = refusal
    terminal.err(json ? JSON.stringify({ error: told }) : refusalText(refusal, terminal.paintErr))
    return exitCode
  }
}

function tell({ json, text, warnings = [], next = [], exitCode = 0 }: Outcome, call: Call): number {
  const { terminal } = call
  if (call.json) {
    if (json !== undefined) terminal.out(JSON.stringify(json))
  } else if (text !== '') {
    terminal.out(text)
  }
  for (const warning of warnings) terminal.err(`${terminal.paintErr('yellow', 'warning:')} ${warning}`)
  if (!call.json) for (const hint of next) terminal.err(`${terminal.paintErr('dim', 'next:')} ${hint}`)
  return exitCode
}
