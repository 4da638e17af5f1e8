import { COMMANDS, NOUNS } from '../../../src/cli/commands.ts'
import { runProgram } from '../../../src/cli/program.ts'
import { fakeTerminal } from './fake-terminal.ts'

export interface Ran {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs one command line of the real table in this process. */
export async function latchkey(
  words: readonly string[],
  circumstances: Parameters<typeof fakeTerminal>[0] = {},
): Promise<Ran> {
  const terminal = fakeTerminal(circumstances)
  const exitCode = await runProgram(words, { terminal, version: '9.9.9', commands: COMMANDS, nouns: NOUNS })
  return { exitCode, stdout: terminal.stdout.join('\n'), stderr: terminal.stderr.join('\n') }
}
