#!/usr/bin/env node
// Builds the DTLS addon when its sources have changed, with the node-gyp inside npm and the headers beside the node binary:
// nothing is downloaded. package.json's `install` script. Without a compiler the installation succeeds, with a warning, and
// everything but coaps works; DTLS_REQUIRED=1 makes that an error. `--asan` builds one with AddressSanitizer beside it.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

export const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..')

const FOLDER = 'native/dtls'
const TIMEOUT_MS = 300_000
/** Lines of a failed build that are shown. */
const SHOWN_LINES = 8

/** One digest of what the addon depends on: its sources, and for whom it is built. */
export function nativeHash(root = ROOT) {
  const hash = createHash('sha256').update(`${process.platform} ${process.arch} openssl ${opensslMajor()}\n`)
  for (const name of sources(root))
    hash
      .update(`${name}\0`)
      .update(readFileSync(join(root, FOLDER, name)))
      .update('\0')
  return hash.digest('hex')
}

export const addonPath = (root = ROOT, kind = 'dtls') => join(root, FOLDER, 'build', `${kind}.node`)

export function isNativeFresh(root = ROOT, kind = 'dtls') {
  const stamp = stampOf(root, kind)
  return existsSync(addonPath(root, kind)) && existsSync(stamp) && readFileSync(stamp, 'utf8') === nativeHash(root)
}

/** Nothing is to be done: it is built, came prebuilt, or could not be built from these very sources. */
export function isNativeSettled(root = ROOT) {
  if (isNativeFresh(root) || hasPrebuilt(root)) return true
  return existsSync(stampOf(root, 'failed')) && readFileSync(stampOf(root, 'failed'), 'utf8') === nativeHash(root)
}

const stampOf = (root, kind) => join(root, FOLDER, 'build', `${kind}.stamp`)
const opensslMajor = () => process.versions.openssl.split('.')[0]

function sources(root) {
  const names = readdirSync(join(root, FOLDER)).filter(name => /\.(cc|h|gyp)$/.test(name))
  return names.sort()
}

/** Where include/node/node_api.h lies: beside the binary that runs this, unless told otherwise. */
function nodeDirectory() {
  const beside = resolve(dirname(process.execPath), '..')
  const places = [process.env.npm_config_nodedir, beside].filter(Boolean)
  return places.find(place => existsSync(join(place, 'include', 'node', 'node_api.h')))
}

/** npm's own copy: told to its scripts, else found beside the binary that runs this. */
function nodeGyp() {
  const beside = resolve(dirname(process.execPath), '..')
  const places = [
    process.env.npm_config_node_gyp,
    process.env.npm_execpath && join(dirname(process.env.npm_execpath), '../node_modules/node-gyp/bin/node-gyp.js'),
    join(beside, 'lib/node_modules/npm/node_modules/node-gyp/bin/node-gyp.js'),
    join(dirname(process.execPath), 'node_modules/npm/node_modules/node-gyp/bin/node-gyp.js'),
  ]
  return places.find(place => place && existsSync(place))
}

/** Builds in a folder of its own and moves the result into place, so that whoever loads it meanwhile finds a whole one. */
export function buildNative(root = ROOT, { asan = false } = {}) {
  const gyp = nodeGyp()
  const nodedir = nodeDirectory()
  if (gyp === undefined) throw new Error('node-gyp was not found: it comes with npm')
  if (nodedir === undefined)
    throw new Error(`the headers of Node are missing: no include/node beside ${process.execPath}`)
  const kind = asan ? 'dtls-asan' : 'dtls'
  const hash = nativeHash(root)
  mkdirSync(join(root, '.latchkey'), { recursive: true })
  const work = mkdtempSync(join(root, '.latchkey', 'native-'))
  try {
    for (const name of sources(root)) copyFileSync(join(root, FOLDER, name), join(work, name))
    const args = [gyp, 'rebuild', '--jobs=max', `--nodedir=${nodedir}`, ...(asan ? ['--', '-Dasan=1'] : [])]
    const run = spawnSync(process.execPath, args, { cwd: work, encoding: 'utf8', timeout: TIMEOUT_MS })
    const made = join(work, 'build', 'Release', 'dtls.node')
    if (run.status !== 0 || !existsSync(made)) throw new Error(reasonOf(run))
    mkdirSync(dirname(addonPath(root)), { recursive: true })
    renameSync(made, addonPath(root, kind))
    writeFileSync(stampOf(root, kind), hash)
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

function reasonOf({ error, stdout, stderr }) {
  if (error) return error.message
  const lines = `${stdout}${stderr}`.split('\n')
  const telling = lines.filter(line => /error|not found|could not|no such/i.test(line))
  return (telling.length > 0 ? telling : lines).slice(0, SHOWN_LINES).join('\n')
}

/** A binary that came with the package counts when it is the one recorded for this machine. */
function hasPrebuilt(root) {
  const file = join(root, 'prebuilds', `${process.platform}-${process.arch}`, 'dtls.node')
  const list = join(root, 'prebuilds', 'hashes.json')
  if (!existsSync(file) || !existsSync(list)) return false
  const recorded = JSON.parse(readFileSync(list, 'utf8'))[`${process.platform}-${process.arch}`]
  return recorded === createHash('sha256').update(readFileSync(file)).digest('hex')
}

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const asan = process.argv.includes('--asan')
  try {
    if (asan || (!isNativeFresh() && !hasPrebuilt(ROOT))) buildNative(ROOT, { asan })
  } catch (error) {
    mkdirSync(dirname(addonPath()), { recursive: true })
    if (!asan) writeFileSync(stampOf(ROOT, 'failed'), nativeHash())
    process.stderr.write(
      `latchkey: the DTLS addon was not built, so coaps will not be available (everything else works).\n${error.message}\n` +
        'With g++, make and python3 installed, repeat: node tools/build-native.mjs\n',
    )
    if (asan || process.env.DTLS_REQUIRED === '1') process.exitCode = 1
  }
}
