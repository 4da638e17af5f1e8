#!/usr/bin/env node
// Compiles src, simulator and test/bench to dist/ when something has changed; silent when nothing has. It runs as
// `prepare`, also where development packages were left out, so it needs Node's own modules only until it compiles.
import { createHash } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, relative, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { withLock } from './lock.mjs'

export const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..')
/** Whoever installs or builds in a checkout holds this file. */
export const lockOf = root => join(root, '.latchkey', 'build.lock')
/** Set for the `npm ci` that launch.mjs runs: its `prepare` builds under the lock that its parent holds. */
export const LOCK_HELD = 'LATCHKEY_BUILD_LOCK_HELD'

const PROJECT = 'tsconfig.build.json'
const SOURCES = ['src', 'simulator', 'test/bench', 'test/fixtures']
const SINGLE_FILES = ['tsconfig.json', PROJECT, 'package-lock.json', 'tools/build.mjs']
const EXECUTABLE = 'dist/src/cli/main.js'

/** One digest of everything that the outputs depend on: names and contents. */
export function sourceHash(root = ROOT) {
  const hash = createHash('sha256')
  const add = path =>
    hash
      .update(`${path}\0`)
      .update(readFileSync(join(root, path)))
      .update('\0')
  for (const folder of SOURCES) for (const path of filesUnder(root, folder).filter(isCompiled)) add(path)
  for (const path of SINGLE_FILES) if (existsSync(join(root, path))) add(path)
  return hash.digest('hex')
}

export function isFresh(root = ROOT) {
  const stamp = join(root, 'dist', '.stamp')
  return isBuilt(root) && existsSync(stamp) && readFileSync(stamp, 'utf8') === sourceHash(root)
}

export const isBuilt = (root = ROOT) => existsSync(join(root, EXECUTABLE))

export const hasCompiler = (root = ROOT) => existsSync(join(root, 'node_modules', 'typescript', 'package.json'))

/** Compiles into dist/, file by file and only where contents differ: who runs from dist/ meanwhile sees whole files. */
function compile(root) {
  const hash = sourceHash(root)
  const ts = createRequire(join(root, 'package.json'))('typescript')
  const host = {
    getCanonicalFileName: name => name,
    getCurrentDirectory: () => root,
    getNewLine: () => '\n',
  }
  const problems = []
  const project = ts.getParsedCommandLineOfConfigFile(
    join(root, PROJECT),
    {},
    {
      ...ts.sys,
      onUnRecoverableConfigFileDiagnostic: problem => problems.push(problem),
    },
  )
  const emitted = new Set([join(root, 'dist', '.stamp')])
  if (project) {
    const program = ts.createProgram(project.fileNames, { ...project.options, noEmitOnError: true })
    const result = program.emit(undefined, (path, text) => {
      emitted.add(resolve(path))
      replace(resolve(path), text)
    })
    problems.push(...project.errors, ...ts.getPreEmitDiagnostics(program), ...result.diagnostics)
  }
  const errors = ts.sortAndDeduplicateDiagnostics(problems.filter(p => p.category === ts.DiagnosticCategory.Error))
  if (errors.length > 0) {
    throw new Error(
      `${ts.formatDiagnostics(errors, host)}\nLatchkey was not built: correct the lines above and repeat.`,
    )
  }
  for (const path of filesUnder(root, 'dist')) if (!emitted.has(join(root, path))) unlinkSync(join(root, path))
  removeEmptyFolders(join(root, 'dist'))
  if (isBuilt(root)) chmodSync(join(root, EXECUTABLE), 0o755)
  replace(join(root, 'dist', '.stamp'), hash)
}

function replace(path, text) {
  if (existsSync(path) && readFileSync(path, 'utf8') === text) return
  mkdirSync(dirname(path), { recursive: true })
  const next = `${path}.${process.pid}.next`
  writeFileSync(next, text)
  renameSync(next, path)
}

/** Relative paths with `/`, sorted. */
function filesUnder(root, folder) {
  const start = join(root, folder)
  if (!existsSync(start)) return []
  return readdirSync(start, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry =>
      relative(root, join(entry.parentPath ?? entry.path, entry.name))
        .split(sep)
        .join('/'),
    )
    .sort()
}

const isCompiled = path => path.endsWith('.ts') || path.endsWith('.json')

function removeEmptyFolders(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.isDirectory()) removeEmptyFolders(join(folder, entry.name))
  }
  if (readdirSync(folder).length === 0) rmdirSync(folder)
}

/** Builds if needed, once however many ask at the same time. */
export async function ensureBuilt(root = ROOT, say = text => process.stderr.write(`latchkey: ${text}\n`)) {
  if (isFresh(root)) return
  if (!hasCompiler(root)) {
    const missing = 'typescript is not installed (development packages were left out)'
    if (!isBuilt(root)) throw new Error(`${missing} and there is no dist/ yet: run \`npm ci --include=dev\``)
    say(`${missing}; keeping dist/ as it is`)
    return
  }
  const build = () => {
    if (!isFresh(root)) compile(root)
  }
  if (process.env[LOCK_HELD] === '1') build()
  else await withLock(lockOf(root), async () => build(), say)
}

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  try {
    await ensureBuilt()
  } catch (error) {
    process.stderr.write(`${error.message}\n`)
    process.exitCode = 1
  }
}
