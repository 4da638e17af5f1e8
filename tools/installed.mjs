// Whether node_modules holds what package-lock.json asks for, by npm's own record of what it installed last.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * True when every locked package is installed in the locked version. `dev: false` leaves the development packages out.
 * Optional packages may be missing: npm skips those made for other machines.
 */
export function isInstalled(root, { dev }) {
  const locked = packagesOf(join(root, 'package-lock.json'))
  // npm writes this file last, so an interrupted installation has none.
  const installed = packagesOf(join(root, 'node_modules', '.package-lock.json'))
  if (locked === null) throw new Error(`there is no readable package-lock.json in ${root}`)
  if (installed === null) return false
  return Object.entries(locked).every(([path, entry]) => {
    if (path === '' || entry.optional || entry.devOptional || (entry.dev && !dev)) return true
    const there = installed[path]
    return there !== undefined && there.version === entry.version && there.integrity === entry.integrity
  })
}

function packagesOf(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8')).packages ?? {}
  } catch (error) {
    if (error.code === 'ENOENT' || error instanceof SyntaxError) return null
    throw error
  }
}
