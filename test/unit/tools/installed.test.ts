import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { isInstalled } from '../../../tools/installed.mjs'

let root: string
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'latchkey-installed-'))
  await mkdir(join(root, 'node_modules'))
})
afterEach(() => rm(root, { recursive: true }))

const entry = (version: string, more = {}) => ({ version, integrity: `sha512-${version}`, ...more })
const LOCKED = {
  '': { name: 'latchkey' },
  'node_modules/level': entry('10.0.0'),
  'node_modules/vitest': entry('4.1.12', { dev: true }),
  'node_modules/fsevents': entry('2.3.3', { dev: true, optional: true }),
}
const lock = (packages: object) => writeFile(join(root, 'package-lock.json'), JSON.stringify({ packages }))
const installed = (packages: object) =>
  writeFile(join(root, 'node_modules/.package-lock.json'), JSON.stringify({ packages }))

test.each<[string, object | null, boolean, boolean]>([
  ['nothing', null, false, false],
  [
    'all but optional packages',
    { 'node_modules/level': entry('10.0.0'), 'node_modules/vitest': entry('4.1.12') },
    true,
    true,
  ],
  ['no development packages', { 'node_modules/level': entry('10.0.0') }, false, true],
  ['an older version', { 'node_modules/level': entry('9.0.0'), 'node_modules/vitest': entry('4.1.12') }, false, false],
  [
    'the same version with other contents',
    { 'node_modules/level': { version: '10.0.0', integrity: 'sha512-x' }, 'node_modules/vitest': entry('4.1.12') },
    false,
    false,
  ],
])('%s installed', async (_, present, forTests, forServing) => {
  await lock(LOCKED)
  if (present !== null) await installed(present)
  expect(isInstalled(root, { dev: true })).toBe(forTests)
  expect(isInstalled(root, { dev: false })).toBe(forServing)
})

test('an installation that was interrupted counts as none', async () => {
  await lock(LOCKED)
  await writeFile(join(root, 'node_modules/.package-lock.json'), '{"packages":')
  expect(isInstalled(root, { dev: false })).toBe(false)
})

test('without a lock file there is nothing to go by', () => {
  expect(() => isInstalled(root, { dev: false })).toThrow('package-lock.json')
})
