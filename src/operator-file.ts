// <data>/operator.json: how a command on this machine finds and trusts the running broker.
import { open, readFile, rename, unlink } from 'node:fs/promises'
import { join } from 'node:path'

export interface OperatorFile {
  readonly url: string
  /** Per-start key with the role `admin`; worthless after the broker stops. */
  readonly token: string
  /** Root certificate (PEM) that the broker's own certificate chains to. */
  readonly ca: string
  readonly pid: number
}

/** Writes the file, readable by the owner alone. Returns a function that removes it, unless another start replaced it. */
export async function writeOperatorFile(directory: string, content: OperatorFile): Promise<() => Promise<void>> {
  const path = join(directory, 'operator.json')
  const temporary = `${path}.${content.pid}`
  await unlink(temporary).catch(() => {})
  const file = await open(temporary, 'wx', 0o600) // exclusive: never through somebody's symbolic link
  try {
    await file.writeFile(`${JSON.stringify(content, null, 2)}\n`)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(temporary, path)
  return async () => {
    const present = await readFile(path, 'utf8').catch(() => '')
    if (present.includes(content.token)) await unlink(path).catch(() => {})
  }
}
