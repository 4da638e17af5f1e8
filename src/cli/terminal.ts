// Everything a command does to the terminal it runs in, so that tests can stand in for one.
import { createInterface } from 'node:readline/promises'
import { styleText } from 'node:util'

type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow'
export type Paint = (style: Style, text: string) => string

export interface Terminal {
  /** One or more lines for the result; a newline is added. */
  out(text: string): void
  /** The same for warnings, hints and errors. */
  err(text: string): void
  /** Somebody sits there and can be asked. */
  readonly interactive: boolean
  /** Standard output, where it is a terminal whose lines can be drawn over; null elsewhere. */
  readonly screen: DrawnScreen | null
  readonly paintOut: Paint
  readonly paintErr: Paint
  readonly environment: Readonly<Record<string, string | undefined>>
  ask(question: string): Promise<string>
  /** All of standard input. */
  readInput(): Promise<string>
}

export interface DrawnScreen {
  write(text: string): void
  readonly columns: number
  readonly rows: number
}

/** Colours on a terminal only, and not where NO_COLOR (no-color.org) or a dumb terminal asks for none. */
export function painter(isTerminal: boolean, environment: Terminal['environment']): Paint {
  const plain = !isTerminal || (environment.NO_COLOR ?? '') !== '' || environment.TERM === 'dumb'
  return plain ? (_, text) => text : (style, text) => styleText(style, text, { validateStream: false })
}

/** The terminal this process was started in. */
export function processTerminal(): Terminal {
  const { stdin, stdout, stderr, env } = process
  for (const stream of [stdout, stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      // The reader has gone (`latchkey audit list | head`): nobody is left to tell.
      if (error.code === 'EPIPE') process.exit(0)
      throw error
    })
  }
  return {
    out: text => stdout.write(`${text}\n`),
    err: text => stderr.write(`${text}\n`),
    interactive: stdin.isTTY === true && stderr.isTTY === true,
    screen: stdout.isTTY === true && env.TERM !== 'dumb' ? screenOf(stdout) : null,
    paintOut: painter(stdout.isTTY === true, env),
    paintErr: painter(stderr.isTTY === true, env),
    environment: env,
    async ask(question) {
      const lines = createInterface({ input: stdin, output: stderr })
      try {
        return await lines.question(question)
      } finally {
        lines.close()
      }
    },
    async readInput() {
      const chunks: Buffer[] = []
      for await (const chunk of stdin) chunks.push(Buffer.from(chunk))
      return Buffer.concat(chunks).toString()
    },
  }
}

/** Its size is asked for at each picture: people resize windows. */
const screenOf = (stdout: NodeJS.WriteStream): DrawnScreen => ({
  write: text => stdout.write(text),
  get columns() {
    return stdout.columns || 80
  },
  get rows() {
    return stdout.rows || 24
  },
})
