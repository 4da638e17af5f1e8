// The demo as users run it: a process, which starts a broker as a process. Three runs at once, each with its own world.
import { spawn } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'

const program = fileURLToPath(new URL('../../dist/src/cli/main.js', import.meta.url))
/** Milliseconds; a run ends by itself long before. */
const PATIENCE = 120_000

const count = z.int().min(0)
const nullable = z.number().nullable()
const port = z.strictObject({ host: z.string().min(1), port: z.int().min(1).max(65_535) })
const protocol = z.enum(['mqtt', 'mqtts', 'ws', 'wss', 'coap', 'coaps', 'coap+tcp', 'coaps+tcp'])
const reportSchema = z.strictObject({
  version: z.literal(1),
  ok: z.boolean(),
  seed: count,
  speed: z.number().positive(),
  worldDigest: z.string().regex(/^[0-9a-f]{64}$/),
  listeners: z.record(z.union([protocol, z.literal('https')]).and(z.string()), port),
  rooms: z.array(
    z.strictObject({
      name: z.string(),
      setpoint: z.number(),
      start: nullable,
      final: nullable,
      settledAt: nullable,
      inBandShare: z.number().min(0).max(1),
      acCycles: count,
      energyKWh: z.number().min(0),
    }),
  ),
  devices: z.array(
    z.strictObject({
      id: z.string(),
      type: z.string(),
      protocol,
      credential: z.enum(['x509', 'psk', 'secret', 'jwt', 'oscore']),
      connects: count,
      renewals: count,
      published: count,
      received: count,
      denied: count,
      revokedAt: z.iso.datetime().nullable(),
      cutAfterMs: z.number().min(0).nullable(),
    }),
  ),
  checks: z
    .array(
      z.strictObject({
        name: z.string().regex(/^[a-z0-9-]+(:[a-z0-9-]+)?$/),
        ok: z.boolean(),
        expected: z.string().min(1),
        observed: z.string().min(1),
        evidence: z.string(),
      }),
    )
    .min(1),
})
type Report = z.output<typeof reportSchema>

interface Ran {
  readonly exitCode: number | null
  readonly stdout: string
  readonly stderr: string
}

interface How {
  /** Sends SIGINT when this text has come. */
  readonly interruptAt?: string
  readonly env?: Readonly<Record<string, string>>
}

function demo(args: readonly string[], { interruptAt, env }: How = {}): Promise<Ran> {
  const child = spawn(process.execPath, [program, 'demo', '--free-ports', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: PATIENCE,
    // Somebody's own broker is none of the demo's business.
    env: { ...process.env, TMPDIR: folder, LATCHKEY_DATA: join(folder, 'of-somebody'), ...env },
  })
  let [stdout, stderr, interrupted] = ['', '', false]
  child.stdout.setEncoding('utf8').on('data', (part: string) => {
    stdout += part
    if (interruptAt === undefined || interrupted || !stdout.includes(interruptAt)) return
    interrupted = true
    child.kill('SIGINT')
  })
  child.stderr.setEncoding('utf8').on('data', (part: string) => {
    stderr += part
  })
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', exitCode => resolve({ exitCode, stdout, stderr }))
  })
}

const failedOf = ({ checks }: Report) =>
  checks
    .filter(({ ok }) => !ok)
    .map(({ name }) => name)
    .sort()

let folder: string
let runs: { safe: Ran; noPolicy: Ran; noAuthentication: Ran }
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'latchkey-demo-test-'))
  const [safe, noPolicy, noAuthentication] = await Promise.all([
    demo(['--for', '25s', '--seed', '7', '--report', join(folder, 'report.json')]),
    demo(['--for', '22s', '--seed', '7', '--json', '--unsafe-no-policy']),
    demo(['--for', '22s', '--seed', '8', '--json', '--unsafe-no-authentication']),
  ])
  runs = { safe, noPolicy, noAuthentication }
}, PATIENCE)
afterAll(() => rm(folder, { recursive: true, force: true }))

const printed = ({ stdout }: Ran): Report => reportSchema.parse(JSON.parse(stdout))

describe('a whole run', () => {
  let report: Report
  beforeAll(async () => {
    report = reportSchema.parse(JSON.parse(await readFile(join(folder, 'report.json'), 'utf8')))
  })

  test('ends with every check ok, and exit code 0', () => {
    expect(failedOf(report), runs.safe.stdout).toEqual([])
    expect(report.ok).toBe(true)
    expect(runs.safe.exitCode, runs.safe.stderr).toBe(0)
  })

  test('kept every room in its band, by what was heard on the wire', () => {
    expect(report.rooms).toHaveLength(5)
    for (const { inBandShare, acCycles, energyKWh } of report.rooms) {
      expect(inBandShare).toBeGreaterThanOrEqual(0.9)
      expect(acCycles).toBeGreaterThan(0)
      expect(energyKWh).toBeGreaterThan(0)
    }
  })

  test('had devices of all protocols and credentials, which lived', () => {
    const thermostats = report.devices.filter(({ type }) => type === 'thermostat')
    expect(thermostats.map(({ protocol, credential }) => `${credential}/${protocol}`).sort()).toEqual([
      'jwt/coaps',
      'jwt/mqtts',
      'psk/coaps',
      'secret/wss',
      'x509/mqtts',
    ])
    for (const { connects, denied } of report.devices) {
      expect(connects).toBeGreaterThan(0)
      expect(denied).toBe(0)
    }
  })

  test('cut devices off over MQTT and CoAP, and said how fast', () => {
    const cut = report.devices.filter(({ revokedAt }) => revokedAt !== null)
    expect(cut.map(({ id }) => id)).toEqual(['thermostat-kitchen', 'thermostat-living-room', 'ac-nursery'])
    for (const { cutAfterMs } of cut) expect(cutAfterMs).toBeLessThanOrEqual(1000)
  })

  test('told the story in plain lines', () => {
    for (const part of [
      'enrolled and took part',
      'refused: lamp-hall publish home/kitchen/ac/set (no rule permits it)',
      'the broker is killed (SIGKILL)',
      `All ${report.checks.length} checks passed.`,
    ])
      expect(runs.safe.stdout).toContain(part)
    expect(runs.safe.stdout).not.toContain('\u001b')
  })
})

test('the same seed is the same world, another seed is another one', () => {
  const [noPolicy, noAuthentication] = [printed(runs.noPolicy), printed(runs.noAuthentication)]
  expect(runs.safe.exitCode).toBe(0)
  expect(noPolicy.seed).toBe(7)
  expect(noAuthentication.worldDigest).not.toBe(noPolicy.worldDigest)
  return readFile(join(folder, 'report.json'), 'utf8').then(text =>
    expect(JSON.parse(text).worldDigest).toBe(noPolicy.worldDigest),
  )
})

test('without a policy, exactly what the policy protects is lost', () => {
  const report = printed(runs.noPolicy)
  expect(failedOf(report), JSON.stringify(report.checks, null, 1)).toEqual([
    'audit-holds-denials',
    'energy-can-not-command',
    'gateway-speaks-for-nobody-else',
    'intruder-commands-ac-coap',
    'intruder-commands-ac-mqtt',
    'intruder-observes-room-coap',
    'intruder-reads-room-coap',
    'intruder-reads-room-mqtt',
    'intruder-subscribes-wider',
  ])
  expect(report.ok).toBe(false)
  expect(runs.noPolicy.exitCode).toBe(1)
  const command = report.checks.find(({ name }) => name === 'intruder-commands-ac-mqtt')
  expect(command?.observed, 'seen by its effect').toContain('the command arrived')
  const read = report.checks.find(({ name }) => name === 'intruder-reads-room-mqtt')
  expect(read?.observed, 'seen by its effect').toMatch(/it received home\/kitchen\/temperature: .*celsius/)
})

test('without authentication, exactly what identity protects is lost', () => {
  const report = printed(runs.noAuthentication)
  expect(failedOf(report), JSON.stringify(report.checks, null, 1)).toEqual([
    'audit-holds-refusals',
    // Nobody hangs on a credential: nothing ends with one, and none can be exchanged for the next.
    'devices-renew',
    'energy-reads-by-token',
    'intruder-shows-expired-token',
    'intruder-shows-nothing',
    'intruder-shows-revoked-certificate',
    'intruder-takes-client-id',
    'intruder-takes-username',
    'protocols-and-credentials',
    'revoked-device-cut-off',
    // A device with OSCORE is cut off all the same: without its keys the broker does not understand it any more.
    'revoked-device-cut-off:thermostat-living-room',
  ])
  expect(runs.noAuthentication.exitCode).toBe(1)
})

test(
  'where the DTLS addon is missing it says who speaks what in its place, and all is well',
  async () => {
    const env = { LATCHKEY_DTLS_ADDON: join(folder, 'none') }
    const { exitCode, stdout, stderr } = await demo(['--for', '22s', '--report', join(folder, 'no-dtls.json')], { env })
    expect(exitCode, stdout + stderr).toBe(0)
    expect(stdout).toContain('latchkey: DTLS is not available: ')
    expect(stdout).toContain('latchkey: without DTLS thermostat-nursery speaks coap in place of coaps')
    const report = reportSchema.parse(JSON.parse(await readFile(join(folder, 'no-dtls.json'), 'utf8')))
    expect(report.listeners).not.toHaveProperty('coaps')
    const protocols = new Map(report.devices.map(({ id, protocol, credential }) => [id, `${credential}/${protocol}`]))
    expect(protocols.get('thermostat-living-room')).toBe('psk/mqtts')
    expect(protocols.get('ac-bedroom')).toBe('x509/mqtts')
    expect(protocols.get('thermostat-nursery')).toBe('jwt/coap')
  },
  PATIENCE,
)

test('with --json nothing but the report is on stdout, and nothing on stderr', () => {
  expect(runs.noPolicy.stdout.trim().split('\n')).toHaveLength(1)
  expect(runs.noPolicy.stderr).toBe('')
})

test('Ctrl-C ends it early and cleanly: exit code 1, and a report', async () => {
  const file = join(folder, 'interrupted.json')
  const { exitCode, stdout } = await demo(['--for', '60s', '--report', file], { interruptAt: 'took part' })
  const report = reportSchema.parse(JSON.parse(await readFile(file, 'utf8')))
  expect(failedOf(report)).toEqual(['run-completes'])
  expect(exitCode).toBe(1)
  expect(stdout).toContain('it was ended early')
})

test('nothing of its own is left behind', async () => {
  expect((await readdir(folder)).sort()).toEqual(['interrupted.json', 'no-dtls.json', 'report.json'])
})
