import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { FREE_PORT_OF_API, FREE_PORTS_OF_MQTT } from '../fixtures/broker.ts'
import { startBrokerProcess } from '../fixtures/broker-process.ts'
import { latchkey } from '../unit/cli/run-command.ts'

const PROGRAM = resolve(import.meta.dirname, '../../dist/src/cli/main.js')

let folder: string
let data: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'latchkey-serve-'))
  data = join(folder, 'data')
})
afterEach(() => rm(folder, { recursive: true, force: true }))

async function configured(configuration: unknown): Promise<string> {
  const file = join(folder, 'latchkey.yaml')
  await writeFile(file, typeof configuration === 'string' ? configuration : JSON.stringify(configuration))
  return file
}

/** Runs the built command; `onOutput` sees stdout as it grows. */
function run(
  args: readonly string[],
  onOutput: (stdout: string, kill: (signal: NodeJS.Signals) => void) => void = () => {},
  more: Readonly<Record<string, string>> = {},
) {
  const env = { ...process.env, ...more }
  const child = spawn(process.execPath, [PROGRAM, ...args], { stdio: ['ignore', 'pipe', 'pipe'], env })
  let [stdout, stderr] = ['', '']
  child.stdout.on('data', part => {
    stdout += part
    onOutput(stdout, signal => child.kill(signal))
  })
  child.stderr.on('data', part => {
    stderr += part
  })
  return new Promise<{ code: number | null; stdout: string; stderr: string }>((done, reject) => {
    child.on('error', reject)
    child.on('close', code => done({ code, stdout, stderr }))
  })
}

const stopWhen = (text: string) => (stdout: string, kill: (signal: NodeJS.Signals) => void) => {
  if (stdout.includes(text)) kill('SIGTERM')
}

test('--json: one line on stdout with the listeners that are on; SIGTERM is exit code 0', async () => {
  const config = await configured({ listeners: FREE_PORTS_OF_MQTT })
  const { code, stdout, stderr } = await run(['serve', '--config', config, '--data', data, '--json'], stopWhen('\n'))
  expect(code).toBe(0)
  const lines = stdout.split('\n')
  expect(lines).toHaveLength(2)
  expect(JSON.parse(lines[0] ?? '')).toEqual({
    ready: true,
    listeners: {
      mqtt: { host: '127.0.0.1', port: expect.any(Number) },
      https: { host: '127.0.0.1', port: expect.any(Number) },
    },
  })
  for (const line of stderr.trim().split('\n')) expect(JSON.parse(line)).toHaveProperty('msg')
})

test('signals in quick succession, as Ctrl-C below npm sends them, are one: it tidies up', async () => {
  const config = await configured({ listeners: FREE_PORT_OF_API })
  // One that comes when the process is all but gone may still count as its end: that is no matter.
  await run(['serve', '--config', config, '--data', data], (stdout, kill) => {
    if (stdout.includes('Ctrl-C')) for (let i = 0; i < 3000; i++) kill('SIGINT')
  })
  expect((await readdir(data)).sort()).toEqual(['db', 'latchkey.json', 'vault.key'])
})

test('for people: the ports, and what to do next', async () => {
  const config = await configured({ listeners: FREE_PORT_OF_API })
  const { code, stdout } = await run(['serve', '--config', config, '--data', data], stopWhen('Ctrl-C'))
  expect(code).toBe(0)
  expect(stdout).toMatch(/https {2}127\.0\.0\.1:\d+/)
  expect(stdout).toContain(`npx latchkey apply devices/ --data ${data}`)
})

test('while it runs, operator.json is for its user alone; afterwards it is gone', async () => {
  const broker = await startBrokerProcess(folder)
  const file = join(data, 'operator.json')
  expect((await stat(file)).mode & 0o777).toBe(0o600)
  expect((await stat(data)).mode & 0o777).toBe(0o700)
  expect((await latchkey(['device', 'list', '--data', data, '--json'])).stdout).toBe('{"items":[],"next":null}')
  expect(await broker.stop()).toMatchObject({ code: 0 })
  expect(existsSync(file)).toBe(false)
})

test('a second broker on the same data directory is refused, and the first goes on', async () => {
  const broker = await startBrokerProcess(folder)
  const config = await configured({ listeners: FREE_PORT_OF_API })
  const second = await run(['serve', '--config', config, '--data', data])
  expect(second).toMatchObject({ code: 1, stdout: '' })
  expect(second.stderr).toContain(`is open in process ${broker.pid}`)
  expect(await latchkey(['device', 'list', '--data', data])).toMatchObject({ exitCode: 0 })
  await broker.stop()
})

test('after kill -9 the commands say so, and the next start works', async () => {
  const broker = await startBrokerProcess(folder)
  await broker.stop('SIGKILL')
  const left = await latchkey(['device', 'list', '--data', data])
  expect(left.exitCode).toBe(1)
  expect(left.stderr).toContain('ended without tidying up')
  const again = await startBrokerProcess(folder)
  expect(await latchkey(['device', 'list', '--data', data])).toMatchObject({ exitCode: 0 })
  await again.stop()
})

test.each<[string, string, number, RegExp]>([
  ['an unknown key', 'listeners:\n  mqtt: { prot: 1883 }\n', 2, /listeners\.mqtt/],
  ['no YAML', 'listeners: [', 1, /not valid YAML/],
  ['plaintext for everybody', 'listeners:\n  mqtt: { host: 0.0.0.0 }\n', 2, /insecure: true/],
])('a configuration with %s is refused before anything is made', async (_, text, line, sentence) => {
  const config = await configured(text)
  const { code, stdout, stderr } = await run(['serve', '--config', config, '--data', data, '--json'])
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
  const { error } = JSON.parse(stderr)
  expect(error.message).toMatch(sentence)
  expect(error.message).not.toContain(config)
  expect(error.location).toEqual({ file: config, line, column: expect.any(Number) })
  const { stderr: told } = await run(['serve', '--config', config, '--data', data])
  expect(told).toContain(`latchkey: ${config}:${line}:${error.location.column}: ${error.message}\n`)
  expect(told.split(config)).toHaveLength(2)
  expect(existsSync(data)).toBe(false)
})

/** As Pino numbers it. */
const INFO = 30
/** As on a machine without a compiler. */
const NO_ADDON = { LATCHKEY_DTLS_ADDON: '/nowhere/dtls.node' }

test('without the DTLS addon a coaps that nobody asked for is left out, and that is said once', async () => {
  const { coaps: _, ...listeners } = FREE_PORT_OF_API
  const config = await configured({ listeners })
  const args = ['serve', '--config', config, '--data', data, '--json']
  const { code, stdout, stderr } = await run(args, stopWhen('\n'), NO_ADDON)
  expect(code).toBe(0)
  expect(Object.keys(JSON.parse(stdout).listeners)).toEqual(['https'])
  const warnings = stderr
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))
    .filter(({ level }) => level > INFO)
  expect(warnings).toEqual([
    expect.objectContaining({ listener: 'coaps', advice: expect.stringContaining('build-native.mjs') }),
  ])
})

test('one that the configuration names fails the start, with what to do', async () => {
  const config = await configured({ listeners: { ...FREE_PORT_OF_API, coaps: { host: '127.0.0.1', port: 0 } } })
  const args = ['serve', '--config', config, '--data', data, '--json']
  const { code, stdout, stderr } = await run(args, undefined, NO_ADDON)
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
  const { error } = JSON.parse(stderr.trim().split('\n').at(-1) ?? '')
  expect(error).toMatchObject({ code: 'dtls-unavailable', message: expect.stringContaining('/nowhere/dtls.node') })
  expect(error.advice).toContain('build-native.mjs')
})

test('a folder that holds something else is left alone', async () => {
  await mkdir(data)
  await writeFile(join(data, 'thesis.txt'), 'precious')
  const config = await configured({ listeners: FREE_PORT_OF_API })
  const { code, stderr } = await run(['serve', '--config', config, '--data', data])
  expect(code).toBe(1)
  expect(stderr).toContain('thesis.txt')
  expect(await readdir(data)).toEqual(['thesis.txt'])
})

test('init makes a data directory and opens no port; a second time it changes no key', async () => {
  const first = await run(['init', '--data', data, '--json'])
  expect(first).toMatchObject({ code: 0, stdout: `${JSON.stringify({ data })}\n` })
  const key = await readFile(join(data, 'vault.key'))
  expect((await stat(join(data, 'vault.key'))).mode & 0o777).toBe(0o600)
  expect(existsSync(join(data, 'operator.json'))).toBe(false)
  expect(await run(['init', '--data', data])).toMatchObject({ code: 0 })
  expect(await readFile(join(data, 'vault.key'))).toEqual(key)
})
