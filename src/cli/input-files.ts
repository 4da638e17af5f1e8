import { readdir, readFile, stat } from 'node:fs/promises'
import { basename, join, relative, resolve, sep } from 'node:path'
import type { TextFile } from '../client/client.ts'
import { Misuse } from './misuse.ts'

/** A folder holds no more YAML files than this; more is a mistake in the path. */
const MAX_FILES = 2000

/** `what` names the file in the error: "--csr". */
export async function readText(file: string, what: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    throw new Misuse(`${what} ${file} ${reasonOf(error)}`)
  }
}

/** A key as it is; the line break at its end, where there is one, is the editor's. */
export async function readKey(file: string, what: string): Promise<Buffer> {
  try {
    const bytes = await readFile(file)
    const end = /\r?\n$/.exec(bytes.toString('latin1'))?.[0].length ?? 0
    return bytes.subarray(0, bytes.length - end)
  } catch (error) {
    throw new Misuse(`${what} ${file} ${reasonOf(error)}`)
  }
}

/** Files as they are, folders with every .yaml and .yml below them, in order. */
export async function readYaml(paths: readonly string[]): Promise<TextFile[]> {
  const files: TextFile[] = []
  for (const path of paths) {
    for (const file of await yamlFiles(path)) {
      files.push({ path: displayed(file, path), text: await readText(file, 'the file') })
      if (files.length > MAX_FILES)
        throw new Misuse(`${path} holds more than ${MAX_FILES} YAML files: is it the right folder?`)
    }
  }
  return files
}

async function yamlFiles(path: string): Promise<string[]> {
  const found = await stat(path).catch((error: unknown) => {
    throw new Misuse(`${path} ${reasonOf(error)}`)
  })
  if (!found.isDirectory()) return [path]
  const names = await readdir(path, { recursive: true, encoding: 'utf8' })
  const yaml = names.filter(name => /\.ya?ml$/.test(name)).sort()
  if (yaml.length === 0) throw new Misuse(`${path} holds no .yaml file: is it the right folder?`)
  return yaml.map(name => join(path, name))
}

/** What errors and the policy's history show: relative to where the user stands, or to the folder that was named. */
function displayed(file: string, given: string): string {
  const here = relative(process.cwd(), file)
  const path = here.startsWith('..') ? join(basename(resolve(given)), relative(given, file)) : here
  return path.split(sep).join('/')
}

function reasonOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  if (code === 'ENOENT') return 'does not exist'
  if (code === 'EISDIR') return 'is a folder'
  return `cannot be read (${code ?? error})`
}
