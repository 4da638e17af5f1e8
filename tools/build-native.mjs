#!/usr/bin/env node
// Builds the addons whose sources have changed, with the node-gyp inside npm and the headers beside the node binary: nothing is
// downloaded. package.json's `install` script. Without a compiler the installation succeeds, with a warning, and everything but
// coaps works; DTLS_REQUIRED=1 makes that an error. `--asan` builds those with AddressSanitizer beside them. `--prebuild` puts
// what was built into prebuilds/, recorded, for a package that goes to machines without a compiler.
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

/** By name, which is that of the folder below native/ and of the binary; `without` is what its absence means. */
const ADDONS = {
  dtls: {
    without: 'the DTLS addon was not built, so coaps will not be available (everything else works)',
  },
  udp: {
    only: 'linux',
    without: 'the UDP addon was not built, so each datagram costs a system call of its own (everything works)',
  },
}
const TIMEOUT_MS = 300_000
/** Lines of a failed build that are shown. */
const SHOWN_LINES = 8

/** One digest of what an addon depends on: its sources, and for whom it is built. */
export function nativeHash(root = ROOT, addon = 'dtls') {
  const hash = createHash('sha256').update(`${process.platform} ${process.arch} openssl ${opensslMajor()}\n`)
  for (const name of sources(root, addon))
    hash
      .update(`${name}\0`)
      .update(readFileSync(join(root, 'native', addon, name)))
      .update('\0')
  return hash.digest('hex')
}

/** `kind` is the addon itself, or that with AddressSanitizer: `dtls-asan`. */
export const addonPath = (root = ROOT, addon = 'dtls', kind = addon) =>
  join(root, 'native', addon, 'build', `${kind}.node`)

export function isNativeFresh(root = ROOT, addon = 'dtls') {
  return existsSync(addonPath(root, addon)) && isStamped(root, addon, addon)
}

/** Nothing is to be done: each is built, came prebuilt, or could not be built from these very sources. */
export const isNativeSettled = (root = ROOT) =>
  wanted(root).every(
    addon => isNativeFresh(root, addon) || hasPrebuilt(root, addon) || isStamped(root, addon, 'failed'),
  )

/** Those for this platform whose sources are here. */
const wanted = root =>
  Object.keys(ADDONS).filter(
    addon => (ADDONS[addon].only ?? process.platform) === process.platform && existsSync(join(root, 'native', addon)),
  )

const stampOf = (root, addon, kind) => join(root, 'native', addon, 'build', `${kind}.stamp`)
const opensslMajor = () => process.versions.openssl.split('.')[0]

function isStamped(root, addon, kind) {
  const stamp = stampOf(root, addon, kind)
  return existsSync(stamp) && readFileSync(stamp, 'utf8') === nativeHash(root, addon)
}

function sources(root, addon) {
  const names = readdirSync(join(root, 'native', addon)).filter(name => /\.(cc|h|gyp)$/.test(name))
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
export function buildNative(root = ROOT, { addon = 'dtls', asan = false } = {}) {
  const gyp = nodeGyp()
  const nodedir = nodeDirectory()
  if (gyp === undefined) throw new Error('node-gyp was not found: it comes with npm')
  if (nodedir === undefined)
    throw new Error(`the headers of Node are missing: no include/node beside ${process.execPath}`)
  const kind = asan ? `${addon}-asan` : addon
  const hash = nativeHash(root, addon)
  mkdirSync(join(root, '.latchkey'), { recursive: true })
  const work = mkdtempSync(join(root, '.latchkey', 'native-'))
  try {
    for (const name of sources(root, addon)) copyFileSync(join(root, 'native', addon, name), join(work, name))
    const args = [gyp, 'rebuild', '--jobs=max', `--nodedir=${nodedir}`, ...(asan ? ['--', '-Dsanitized=1'] : [])]
    const run = spawnSync(process.execPath, args, { cwd: work, encoding: 'utf8', timeout: TIMEOUT_MS })
    const made = join(work, 'build', 'Release', `${addon}.node`)
    if (run.status !== 0 || !existsSync(made)) throw new Error(reasonOf(run))
    // It would find nothing, and everything would look clean.
    if (asan && !readFileSync(made).includes('__asan_init')) throw new Error('the compiler added no AddressSanitizer')
    mkdirSync(dirname(addonPath(root, addon)), { recursive: true })
    renameSync(made, addonPath(root, addon, kind))
    writeFileSync(stampOf(root, addon, kind), hash)
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

const MACHINE = `${process.platform}-${process.arch}`
const prebuiltPath = (root, addon) => join(root, 'prebuilds', MACHINE, `${addon}.node`)
const hashesPath = root => join(root, 'prebuilds', 'hashes.json')
/** In prebuilds/hashes.json. */
const recordedAs = addon => (addon === 'dtls' ? MACHINE : `${MACHINE}/${addon}`)
const digestOf = file => createHash('sha256').update(readFileSync(file)).digest('hex')

/** A binary that came with the package counts when it is the one recorded for this machine and none was built here. */
function hasPrebuilt(root, addon) {
  const file = prebuiltPath(root, addon)
  if (existsSync(addonPath(root, addon)) || !existsSync(file) || !existsSync(hashesPath(root))) return false
  return JSON.parse(readFileSync(hashesPath(root), 'utf8'))[recordedAs(addon)] === digestOf(file)
}

/** Records what was built for this machine, beside what is recorded of others. */
function prebuild(root) {
  const recorded = existsSync(hashesPath(root)) ? JSON.parse(readFileSync(hashesPath(root), 'utf8')) : {}
  for (const addon of wanted(root)) {
    if (!isNativeFresh(root, addon)) buildNative(root, { addon })
    mkdirSync(dirname(prebuiltPath(root, addon)), { recursive: true })
    copyFileSync(addonPath(root, addon), prebuiltPath(root, addon))
    recorded[recordedAs(addon)] = digestOf(prebuiltPath(root, addon))
  }
  writeFileSync(hashesPath(root), `${JSON.stringify(recorded, null, 2)}\n`)
}

function settle(addon, asan) {
  try {
    if (asan || (!isNativeFresh(ROOT, addon) && !hasPrebuilt(ROOT, addon))) buildNative(ROOT, { addon, asan })
    return true
  } catch (error) {
    mkdirSync(dirname(addonPath(ROOT, addon)), { recursive: true })
    if (!asan) writeFileSync(stampOf(ROOT, addon, 'failed'), nativeHash(ROOT, addon))
    process.stderr.write(
      `latchkey: ${ADDONS[addon].without}.\n${error.message}\n` +
        'With g++, make and python3 installed, repeat: node tools/build-native.mjs\n',
    )
    return false
  }
}

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const asan = process.argv.includes('--asan')
  if (process.argv.includes('--prebuild')) prebuild(ROOT)
  const missing = wanted(ROOT).filter(addon => !settle(addon, asan))
  if (missing.length > 0 && (asan || (process.env.DTLS_REQUIRED === '1' && missing.includes('dtls'))))
    process.exitCode = 1
}
