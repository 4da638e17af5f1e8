import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { expect, test } from 'vitest'

interface Entry {
  readonly version?: string
  readonly resolved?: string
  readonly integrity?: string
  readonly dependencies?: Record<string, string>
  readonly optionalDependencies?: Record<string, string>
}

const lock = JSON.parse(readFileSync(resolve(import.meta.dirname, '../../package-lock.json'), 'utf8'))
const packages = Object.entries(lock.packages as Record<string, Entry>)

test('packages are pinned by contents, not by where they were downloaded', () => {
  expect(packages.filter(([, entry]) => entry.resolved !== undefined).map(([path]) => path)).toEqual([])
  expect(packages.filter(([path, entry]) => path !== '' && !entry.integrity).map(([path]) => path)).toEqual([])
})

test('whatever a package asks for is locked, also for other machines: else `npm ci` refuses on a fresh clone', () => {
  const missing = packages.flatMap(([path, entry]) =>
    Object.keys({ ...entry.dependencies, ...entry.optionalDependencies }).filter(name => !isLocked(path, name)),
  )
  expect(missing).toEqual([])
})

/** As Node looks it up: beside the package, then further out. */
function isLocked(path: string, name: string): boolean {
  const folders = path.split('/node_modules/').map((_, i, parts) => `${parts.slice(0, i + 1).join('/node_modules/')}/`)
  return ['', ...folders.filter(folder => folder !== '/')].some(
    folder => lock.packages[`${folder}node_modules/${name}`],
  )
}
