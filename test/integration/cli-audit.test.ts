import { spawn } from 'node:child_process'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { FREE_PORTS, startBroker, type TestBroker } from '../fixtures/broker.ts'
import { isAdmitted } from '../fixtures/clients.ts'
import { latchkey } from '../unit/cli/run-command.ts'

const PROGRAM = resolve(import.meta.dirname, '../../dist/src/cli/main.js')

let folder: string
let data: string
let config: string
let broker: TestBroker | null
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'latchkey-audit-'))
  data = join(folder, 'data')
  config = join(folder, 'latchkey.yaml')
  await writeFile(config, JSON.stringify({ data, listeners: FREE_PORTS }))
  broker = await startBroker({}, { data, policy: null })
})
afterEach(async () => {
  await broker?.close()
  await rm(folder, { recursive: true })
})

const run = (...words: string[]) => latchkey([...words, '--data', data])
const stop = async () => {
  await broker?.close()
  broker = null
}

test('list: the newest, in the order of time, with filters', async () => {
  if (!broker) throw new Error('no broker')
  await broker.device('t1')
  const { secret } = await broker.secret('t1')
  await isAdmitted(broker, 't1', { username: 't1', password: secret })
  await isAdmitted(broker, 't1', { username: 't1', password: 'wrong' })
  const { stdout } = await run('audit', 'list', '--type', 'authentication')
  expect(stdout.split('\n').map(line => line.replace(/^ *\d+ +[-\d]+ [\d:]+Z +/, ''))).toEqual([
    'accepted @local from 127.0.0.1 by https with -',
    'accepted t1 from 127.0.0.1 by mqtts with secret',
    expect.stringMatching(/^refused \w+ from 127\.0\.0\.1 by mqtts: bad-secret$/),
  ])
  const page = JSON.parse((await run('audit', 'list', '--limit', '2', '--json')).stdout)
  expect(page.items).toHaveLength(2)
  const older = JSON.parse((await run('audit', 'list', '--limit', '2', '--before', page.next, '--json')).stdout)
  expect(older.items[0].id).toBeLessThan(page.items[1].id)
  const shown = JSON.parse((await run('audit', 'show', String(older.items[0].id), '--json')).stdout)
  expect(shown).toEqual(older.items[0])
})

test('follow: what happens from now on, one line each, until it is stopped', async () => {
  const child = spawn(process.execPath, [
    PROGRAM,
    'audit',
    'follow',
    '--type',
    'change',
    '--after',
    '0',
    '--json',
    '--data',
    data,
  ])
  const seen = new Promise<string>((done, failed) => {
    let stdout = ''
    child.stdout.on('data', part => {
      stdout += part
      if (stdout.includes('"t7"')) done(stdout)
    })
    child.on('error', failed)
    child.on('close', code => failed(new Error(`follow ended with ${code}`)))
  })
  await broker?.device('t7')
  const lines = (await seen)
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))
  child.kill()
  expect(lines.at(-1)).toMatchObject({ event: { type: 'change', what: 'device.created', target: 't7' } })
})

test('verify: through the broker, and without one', async () => {
  await broker?.device('t1')
  expect(await run('audit', 'verify')).toMatchObject({
    exitCode: 0,
    stdout: expect.stringMatching(/^whole: \d+ records/),
  })
  await stop()
  expect(await run('audit', 'verify')).toMatchObject({
    exitCode: 0,
    stdout: expect.stringMatching(/^whole: \d+ records/),
  })
  const elsewhere = await latchkey(['audit', 'verify', '--data', folder])
  expect(elsewhere.exitCode).toBe(1)
  expect(elsewhere.stderr).toContain('is no data directory')
})

test('verify: a wrong vault key is told, and is no broken chain', async () => {
  await stop()
  await writeFile(join(folder, 'other.key'), `${Buffer.alloc(32).toString('base64')}\n`, { mode: 0o600 })
  const { exitCode, stderr } = await run('audit', 'verify', '--key-file', join(folder, 'other.key'))
  expect(exitCode).toBe(1)
  expect(stderr).toContain('(vault-key)')
})

const verdicts = async () => {
  const { exitCode, stdout } = await latchkey(['doctor', '--config', config, '--json'])
  const { ok, findings } = JSON.parse(stdout)
  const bad = findings.filter((each: { verdict: string }) => each.verdict !== 'ok')
  return { exitCode, ok, checks: new Set(findings.map((each: { check: string }) => each.check)), bad }
}
const CHECKS = new Set([
  'node',
  'data',
  'vault key',
  'broker',
  'clock',
  'store',
  'audit trail',
  'certificates',
  'ports',
])

test('doctor: all is well, with a broker and without', async () => {
  const running = await verdicts()
  expect(running).toEqual({ exitCode: 0, ok: true, checks: CHECKS, bad: [] })
  await stop()
  expect(await verdicts()).toEqual({ exitCode: 0, ok: true, checks: CHECKS, bad: [] })
})

test('doctor: permissions, with the command that mends them', async () => {
  await stop()
  await chmod(join(data, 'vault.key'), 0o644)
  const { exitCode, bad } = await verdicts()
  expect(exitCode).toBe(1)
  expect(bad).toContainEqual(
    expect.objectContaining({ check: 'vault key', verdict: 'fail', mend: `chmod 600 ${data}/vault.key` }),
  )
  const { stdout } = await latchkey(['doctor', '--config', config])
  expect(stdout).toMatch(/FAIL {2}vault key[\s\S]*-> chmod 600[\s\S]*something needs mending/)
})

test('doctor: a port that another program has', async () => {
  const taken = {
    mqtt: { port: broker?.port('mqtt') },
    mqtts: false,
    ws: false,
    wss: false,
    https: false,
    coaps: false,
    'coaps+tcp': false,
  }
  const other = join(folder, 'other')
  await writeFile(config, JSON.stringify({ data: other, listeners: taken }))
  await latchkey(['init', '--config', config])
  const { exitCode, bad } = await verdicts()
  expect(exitCode).toBe(1)
  expect(bad).toEqual([
    expect.objectContaining({ check: 'ports', verdict: 'fail', found: expect.stringContaining('another program') }),
  ])
})

test('doctor: our own TLS ports are known by their certificate', async () => {
  const ports = Object.fromEntries(
    (['mqtts', 'wss', 'https'] as const).map(name => [name, { host: '127.0.0.1', port: broker?.port(name) }]),
  )
  await writeFile(config, JSON.stringify({ data, listeners: { mqtt: false, ws: false, ...ports } }))
  const { stdout } = await latchkey(['doctor', '--config', config])
  expect(stdout.match(/is ours/g)).toHaveLength(3)
})
