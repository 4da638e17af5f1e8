import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** Of the package this file belongs to, compiled or not. */
export function packageVersion(folder = import.meta.dirname): string {
  const manifest = readManifest(join(folder, 'package.json'))
  if (manifest?.name === 'latchkey') return manifest.version
  const above = dirname(folder)
  return above === folder ? 'unknown' : packageVersion(above)
}

function readManifest(file: string): { name: string; version: string } | null {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch {
    return null
  }
}
