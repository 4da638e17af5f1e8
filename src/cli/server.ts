// Where the broker is and what opens it: the command line, then the environment, then what a running broker wrote down.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { ApiError } from '../client/client.ts'
import { Misuse } from './misuse.ts'
import type { Options } from './options.ts'
import type { Terminal } from './terminal.ts'

export const DEFAULT_DATA = './data'

export interface Server {
  readonly url: string
  readonly token: string | undefined
  readonly ca: string | undefined
}

const operatorFile = z.object({
  url: z.string(),
  token: z.string(),
  ca: z.string(),
  pid: z.int().positive(),
})

export const dataDirectory = (options: Options, { environment }: Pick<Terminal, 'environment'>): string =>
  options.text('data') ?? environment.LATCHKEY_DATA ?? DEFAULT_DATA

/** `withToken: false` is for calls that authenticate themselves in another way, or not at all. */
export async function findServer(
  options: Options,
  { environment }: Pick<Terminal, 'environment'>,
  { withToken }: { readonly withToken: boolean },
): Promise<Server> {
  const url = options.text('url') ?? environment.LATCHKEY_URL
  if (url === undefined) {
    const found = await readOperatorFile(dataDirectory(options, { environment }))
    return {
      ...found,
      token: withToken ? (options.text('token') ?? environment.LATCHKEY_TOKEN ?? found.token) : undefined,
    }
  }
  if (!/^https?:\/\//.test(url)) throw new Misuse(`--url ${url}: write the whole address, like https://localhost:8443`)
  const token = withToken ? (options.text('token') ?? environment.LATCHKEY_TOKEN) : undefined
  if (withToken && token === undefined) {
    throw new Misuse(
      `${url} wants a token: set LATCHKEY_TOKEN to an API key (make one with \`latchkey credential issue --kind secret --audience api\`)`,
    )
  }
  const caFile = options.text('ca') ?? environment.LATCHKEY_CA
  return { url, token, ca: caFile === undefined ? undefined : await readRoot(caFile) }
}

/** What the running broker of a data directory wrote down. Throws `unreachable` when none runs there. */
export async function readOperatorFile(directory: string): Promise<Required<Server> & { readonly pid: number }> {
  const path = join(directory, 'operator.json')
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : ''
    if (code === 'ENOENT') throw unreachable(`no broker runs on the data directory ${directory}.`)
    throw unreachable(`${path} cannot be read (${code}).`, 'Run this as the user that runs the broker.')
  }
  const parsed = operatorFile.safeParse(parseJson(text))
  if (!parsed.success) throw unreachable(`${path} is damaged.`, 'Restart the broker: it writes the file anew.')
  if (!isRunning(parsed.data.pid)) {
    throw unreachable(
      `the broker of ${directory} (process ${parsed.data.pid}) ended without tidying up: ${path} is left over.`,
    )
  }
  return parsed.data
}

const unreachable = (detail: string, advice = 'Start one with `latchkey serve`, or name one with --url.'): ApiError =>
  new ApiError({ code: 'unreachable', status: 0, detail, advice })

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}

async function readRoot(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch {
    throw new Misuse(
      `--ca ${file} cannot be read: name the PEM file of the broker's root (\`latchkey ca root\` prints it)`,
    )
  }
}
