import { execFile } from 'node:child_process'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

/** What `git describe` calls the source; null outside a repository. */
export async function commit(): Promise<string | null> {
  try {
    const cwd = dirname(fileURLToPath(import.meta.url))
    const { stdout } = await promisify(execFile)('git', ['describe', '--always', '--dirty'], { cwd })
    return stdout.trim()
  } catch {
    return null
  }
}
