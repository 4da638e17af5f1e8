import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { ensureBuilt, isFresh, sourceHash } from '../../../tools/build.mjs'

const ROOT = resolve(import.meta.dirname, '../../..')
const run = promisify(execFile)
const MAIN = "#!/usr/bin/env node\nimport { name } from '../name.ts'\nconsole.log(name)\n"

let root: string
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'latchkey-build-'))
  await write('package.json', '{ "type": "module" }')
  await write('package-lock.json', '{}')
  await write('tsconfig.json', await readFile(join(ROOT, 'tsconfig.json'), 'utf8'))
  await write('tsconfig.build.json', '{ "extends": "./tsconfig.json", "include": ["src/**/*.ts"] }')
  await write('src/cli/main.ts', MAIN)
  await write('src/name.ts', "export const name: string = 'latchkey'\n")
  await symlink(join(ROOT, 'node_modules'), join(root, 'node_modules'))
})
afterEach(() => rm(root, { recursive: true }))

async function write(path: string, text: string): Promise<void> {
  await mkdir(dirname(join(root, path)), { recursive: true })
  await writeFile(join(root, path), text)
}

const said: string[] = []
const build = () => ensureBuilt(root, text => said.push(text))

test('builds a command that runs, and leaves a fresh build alone', async () => {
  expect(isFresh(root)).toBe(false)
  await build()
  expect(isFresh(root)).toBe(true)
  const { stdout } = await run(join(root, 'dist/src/cli/main.js'))
  expect(stdout).toBe('latchkey\n')
  const before = (await stat(join(root, 'dist/.stamp'))).mtimeMs
  await build()
  expect((await stat(join(root, 'dist/.stamp'))).mtimeMs).toBe(before)
})

test.each([
  ['a changed source', 'src/name.ts', "export const name = 'other'\n"],
  ['a new source', 'src/new.ts', 'export const a = 1\n'],
  ['another lock file', 'package-lock.json', '{ "name": "x" }'],
  ['another compiler setting', 'tsconfig.build.json', '{ "extends": "./tsconfig.json", "include": ["src/**/*.ts"] }\n'],
])('%s makes it stale', async (_, path, text) => {
  await build()
  const before = sourceHash(root)
  await write(path, text)
  expect(sourceHash(root)).not.toBe(before)
  expect(isFresh(root)).toBe(false)
})

test('outputs of removed sources go, the others are not written again', async () => {
  await write('src/old/gone.ts', 'export const a = 1\n')
  await build()
  const kept = (await stat(join(root, 'dist/src/name.js'))).mtimeMs
  await rm(join(root, 'src/old'), { recursive: true })
  await build()
  expect(await readdir(join(root, 'dist/src'))).not.toContain('old')
  expect((await stat(join(root, 'dist/src/name.js'))).mtimeMs).toBe(kept)
})

test('a type error is told with its place, and nothing of it is built', async () => {
  await build()
  await write('src/name.ts', 'export const name: string = 1\n')
  await expect(build()).rejects.toThrow(/src\/name\.ts\(1,14\): error TS2322[\s\S]*not built/)
  expect(await readFile(join(root, 'dist/src/name.js'), 'utf8')).toContain("'latchkey'")
  expect(isFresh(root)).toBe(false)
})

test('without the compiler: an old build is kept and that is said; without one it is an error', async () => {
  await build()
  await rm(join(root, 'node_modules'))
  await write('src/name.ts', "export const name = 'newer'\n")
  said.length = 0
  await build()
  expect(said).toEqual([expect.stringContaining('typescript is not installed')])
  await rm(join(root, 'dist'), { recursive: true })
  await expect(build()).rejects.toThrow('npm ci --include=dev')
})
