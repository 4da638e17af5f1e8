import type { Terminal } from '../../../src/cli/terminal.ts'

export interface FakeTerminal extends Terminal {
  readonly stdout: string[]
  readonly stderr: string[]
  readonly asked: string[]
}

/** A terminal that keeps what is written; `answers` are given to questions in turn. */
export function fakeTerminal({
  environment = {},
  interactive = false,
  answers = [],
  input = '',
}: {
  environment?: Record<string, string>
  interactive?: boolean
  answers?: string[]
  input?: string
} = {}): FakeTerminal {
  const stdout: string[] = []
  const stderr: string[] = []
  const asked: string[] = []
  return {
    stdout,
    stderr,
    asked,
    interactive,
    screen: null,
    environment,
    out: text => stdout.push(text),
    err: text => stderr.push(text),
    paintOut: (_, text) => text,
    paintErr: (_, text) => text,
    async ask(question) {
      asked.push(question)
      return answers.shift() ?? ''
    },
    readInput: async () => input,
  }
}
