// Files that hold secrets: made exclusively, readable by the owner alone, and before the secret exists, so that none is
// issued that could not be kept.
import { type FileHandle, mkdir, open, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Misuse } from './misuse.ts'

export class OutputFiles {
  readonly #files = new Map<string, { readonly path: string; readonly file: FileHandle }>()

  /** Makes one empty file per name. Throws, and leaves nothing behind, when one exists already. */
  static async reserve(paths: Readonly<Record<string, string>>): Promise<OutputFiles> {
    const output = new OutputFiles()
    try {
      for (const [name, path] of Object.entries(paths)) {
        await mkdir(dirname(path), { recursive: true, mode: 0o700 })
        output.#files.set(name, { path, file: await open(path, 'wx', 0o600) })
      }
      return output
    } catch (error) {
      await output.discard()
      throw misuseOf(error)
    }
  }

  /** Writes a reserved file to the disk and answers its path. */
  async write(name: string, content: string | Buffer): Promise<string> {
    const reserved = this.#files.get(name)
    if (!reserved) throw new Error(`no file was reserved for ${name}`)
    await reserved.file.writeFile(content)
    await reserved.file.sync()
    await reserved.file.close()
    this.#files.delete(name)
    return reserved.path
  }

  /** Removes what was reserved and not written. */
  async discard(): Promise<void> {
    for (const { path, file } of this.#files.values()) {
      await file.close()
      await unlink(path)
    }
    this.#files.clear()
  }
}

/** Reserves, lets `work` write, and removes what it left unwritten. */
export async function withOutput<T>(
  paths: Readonly<Record<string, string>>,
  work: (output: OutputFiles) => Promise<T>,
): Promise<T> {
  const output = await OutputFiles.reserve(paths)
  try {
    return await work(output)
  } finally {
    await output.discard()
  }
}

/** Paths of several files in one folder. */
export const inFolder = (folder: string, names: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(names).map(([key, name]) => [key, join(folder, name)]))

function misuseOf(error: unknown): unknown {
  if (!(error instanceof Error && 'code' in error && 'path' in error)) return error
  if (error.code === 'EEXIST') return new Misuse(`${error.path} exists; nothing was overwritten. Choose another --out`)
  return new Misuse(`${error.path} cannot be made (${error.code}). Choose another --out`)
}
