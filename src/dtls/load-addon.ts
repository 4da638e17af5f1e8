// Finds the DTLS addon: the one that was built here, else a prebuilt one that is what it is recorded to be. Nothing but DTLS
// needs it, so it is looked for when DTLS is first used and its absence is a Failure of that use alone.
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { Failure } from '../model/failure.ts'
import type { Addon } from './addon.ts'

/** Another binary to load in place of the built one: the one with AddressSanitizer, for example. */
const OVERRIDE = 'LATCHKEY_DTLS_ADDON'

let loaded: Addon | undefined

/** Throws `dtls-unavailable` with what was tried. */
export function loadAddon(): Addon {
  loaded ??= findAddon(packageRoot(import.meta.dirname), process.env[OVERRIDE])
  return loaded
}

/** As `loadAddon`, below a root of the caller's choice and without remembering. */
export function findAddon(root: string, override?: string): Addon {
  const require = createRequire(join(root, 'package.json'))
  const tried: string[] = []
  const candidates = override
    ? [override]
    : [join(root, 'native/dtls/build/dtls.node'), ...prebuilt(root, `${process.platform}-${process.arch}`, tried)]
  for (const path of candidates) {
    if (!existsSync(path)) {
      tried.push(`${path} is not there`)
      continue
    }
    try {
      return require(path) as Addon
    } catch (error) {
      tried.push(`${path}: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
  throw new Failure(
    'dtls-unavailable',
    `DTLS is not available: ${tried.join('; ')}. Install g++, make and python3 and run \`node tools/build-native.mjs\`, or turn coaps off.`,
  )
}

/** A binary that came with the package is loaded only when its digest is the recorded one. */
function prebuilt(root: string, machine: string, tried: string[]): string[] {
  const path = join(root, 'prebuilds', machine, 'dtls.node')
  const list = join(root, 'prebuilds', 'hashes.json')
  if (!existsSync(path) || !existsSync(list)) {
    tried.push(`there is no prebuilt one for ${machine}`)
    return []
  }
  const recorded: unknown = new Map(Object.entries(JSON.parse(readFileSync(list, 'utf8')))).get(machine)
  if (recorded === createHash('sha256').update(readFileSync(path)).digest('hex')) return [path]
  tried.push(`${path} is not the one recorded in ${list}`)
  return []
}

/** The folder above that holds package.json, from src/ as from dist/src/. */
function packageRoot(from: string): string {
  for (let folder = from; ; folder = dirname(folder)) {
    if (existsSync(join(folder, 'package.json'))) return folder
    if (folder === dirname(folder)) return from
  }
}
