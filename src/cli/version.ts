import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** Of the package this file belongs to, compiled or not. */
export const packageVersion = (): string => ownPackage()?.version ?? 'unknown'

/** Where the package lies, with its `devices/`. */
export function packageFolder(): string {
  const found = ownPackage()
  if (found === null) throw new Error('the package.json of latchkey is missing: install it again')
  return found.folder
}

function ownPackage(folder = import.meta.dirname): { folder: string; version: string } | null {
  const manifest = readManifest(join(folder, 'package.json'))
  if (manifest?.name === 'latchkey') return { folder, version: manifest.version }
  const above = dirname(folder)
  return above === folder ? null : ownPackage(above)
}

function readManifest(file: string): { name: string; version: string } | null {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch {
    return null
  }
}
