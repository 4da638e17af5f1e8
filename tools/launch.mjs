#!/usr/bin/env node
// What `npm start`, `npm test`, `npm run check` and `npm run bench` run: installs and builds what is missing or stale on a
// fresh clone, then hands over. Everything about that goes to stderr: stdout belongs to the command.
import { spawn } from 'node:child_process'
import { existsSync, realpathSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

const NODE = [20, 19]

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
if (major < NODE[0] || (major === NODE[0] && minor < NODE[1])) {
  process.stderr.write(
    `Latchkey needs Node ${NODE.join('.')} or newer; this is ${process.versions.node}. Install a newer one from nodejs.org.\n`,
  )
  process.exit(1)
}

const { lockOf, LOCK_HELD, ROOT, hasCompiler, isBuilt, isFresh } = await import('./build.mjs')
const { isNativeSettled } = await import('./build-native.mjs')
const { isInstalled } = await import('./installed.mjs')
const { withLock } = await import('./lock.mjs')

const say = text => process.stderr.write(`latchkey: ${text}\n`)

const MODES = {
  '--test': async args => {
    await prepare({ dev: true })
    return run(process.execPath, [join(ROOT, 'node_modules/vitest/vitest.mjs'), 'run', ...args])
  },
  '--check': async args => {
    await prepare({ dev: true, build: false })
    const { check } = await import('./check.mjs')
    return check(args)
  },
  '--bench': async args => {
    await prepare({ dev: true })
    return handOver('dist/test/bench/main.js', args)
  },
}

/** Runs one of our own programs in this very process: signals, exit code and stdout are its own. */
async function handOver(program, args) {
  const path = join(ROOT, program)
  if (!existsSync(path)) throw new Error(`${program} was not built: its source is missing from this checkout`)
  process.argv = [process.execPath, realpathSync(path), ...args]
  await import(pathToFileURL(path).href)
  return undefined
}

async function prepare({ dev, build = true }) {
  const ready = () => isReady(dev, build)
  if (ready()) return
  await withLock(
    lockOf(ROOT),
    async () => {
      if (!isInstalled(ROOT, { dev: dev || needsCompiler() })) await install()
    },
    say,
  )
  // `npm ci` builds the addon; this is for sources that changed since. It says by itself why it could not.
  if (build && !isNativeSettled()) {
    const code = await run(process.execPath, [join(ROOT, 'tools/build-native.mjs')], { quiet: true })
    if (code !== 0)
      throw new Error('the DTLS addon is required (DTLS_REQUIRED=1) and was not built; what is above says why')
  }
  if (build && !isFresh()) {
    if (hasCompiler()) say('building')
    // A process of its own: the compiler's memory goes away with it.
    const code = await run(process.execPath, [join(ROOT, 'tools/build.mjs')], { quiet: true })
    if (code !== 0) throw new Error('the build failed; what is above says why')
  }
}

const needsCompiler = () => !isFresh() && (hasCompiler() || !isBuilt())

const isReady = (dev, build) =>
  isInstalled(ROOT, { dev: dev || (build && needsCompiler()) }) && (!build || (isFresh() && isNativeSettled()))

async function install() {
  say('installing packages (npm ci), a minute at most')
  const npm = process.env.npm_execpath
  const args = ['ci', '--include=dev', '--no-audit', '--no-fund']
  const environment = { [LOCK_HELD]: '1' }
  const code = npm
    ? await run(process.execPath, [npm, ...args], { quiet: true, environment })
    : await run('npm', args, { quiet: true, environment, shell: process.platform === 'win32' })
  if (code !== 0) throw new Error('npm ci failed; what is above says why. With the network back, repeat the command')
}

/** Resolves with the exit code, signals count as 128 + number. `quiet` sends the child's stdout to stderr. */
function run(command, args, { quiet = false, environment = {}, shell = false } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: ROOT,
      shell,
      env: { ...process.env, ...environment },
      stdio: ['inherit', quiet ? 2 : 'inherit', 'inherit'],
    })
    const signals = { SIGINT: 2, SIGTERM: 15, SIGHUP: 1, SIGQUIT: 3 }
    const forward = Object.keys(signals).map(name => {
      const pass = () => child.kill(name)
      process.on(name, pass)
      return () => process.removeListener(name, pass)
    })
    const settle = (action, value) => {
      for (const stop of forward) stop()
      action(value)
    }
    child.on('error', error => settle(reject, new Error(`${command} could not be started: ${error.message}`)))
    child.on('exit', (code, signal) => settle(resolve, code ?? 128 + (signals[signal] ?? 9)))
  })
}

try {
  const args = process.argv.slice(2)
  const mode = MODES[args[0]]
  let code
  if (mode) {
    code = await mode(args.slice(1))
  } else {
    await prepare({ dev: false })
    code = await handOver('dist/src/cli/main.js', args)
  }
  if (code !== undefined) process.exitCode = code
} catch (error) {
  say(error.message)
  process.exitCode = 1
}
