import { describe, expect, test } from 'vitest'
import { Interrupted } from '../../../simulator/bounded.ts'
import { runDemo } from '../../../simulator/demo.ts'
import type { DemoState } from '../../../simulator/demo-state.ts'
import { denialsOf } from '../../../simulator/denials.ts'
import { HOME } from '../../../simulator/home-plan.ts'
import { COMMANDS } from '../../../simulator/intruder/attempt.ts'
import { type BrokerControl, Run } from '../../../simulator/run.ts'
import { judgeIntruder } from '../../../simulator/steps/conclude.ts'
import { type AuditQuery, type AuditRecord, LatchkeyClient } from '../../../src/client/client.ts'

const unreachable = new LatchkeyClient({ url: 'https://127.0.0.1:1' })
const OPTIONS = { plan: HOME, seconds: 60, speed: 60, seed: 1, folder: '/nowhere', manifests: [] }

function makeRun({
  start = async () => {},
  signal = new AbortController().signal,
}: {
  start?: BrokerControl['start']
  signal?: AbortSignal
} = {}) {
  const told: string[] = []
  const drawn: DemoState[] = []
  const broker: BrokerControl = {
    start,
    kill: async () => {},
    address: { listeners: {}, httpsUrl: 'https://127.0.0.1:1', ca: '' },
    listeners: {},
    operator: () => unreachable,
  }
  const screen = { tell: (_: number, line: string) => told.push(line), draw: (state: DemoState) => drawn.push(state) }
  const ports = { broker, screen, signal }
  return { run: new Run(OPTIONS, ports), ports, told, drawn }
}

const phase = (run: Run, drawn: DemoState[], name: string) => {
  run.draw()
  return drawn.at(-1)?.phases.find(one => one.name === name)?.state
}

describe('a step', () => {
  test('that ends well is done', async () => {
    const { run, drawn } = makeRun()
    expect(phase(run, drawn, 'intruder')).toBe('waiting')
    await run.step('intruder', 60_000, async () => expect(phase(run, drawn, 'intruder')).toBe('running'))
    expect(phase(run, drawn, 'intruder')).toBe('done')
    expect(run.checks).toEqual([])
  })

  test('that throws is a failed check, and the run goes on', async () => {
    const { run, drawn, told } = makeRun()
    await run.step('last checks', 60_000, () => Promise.reject(new Error('no answer')))
    expect(run.checks).toMatchObject([{ name: 'step:last-checks', ok: false, observed: 'no answer' }])
    expect(phase(run, drawn, 'last checks')).toBe('failed')
    expect(told).toEqual(['FAILED step:last-checks: no answer'])
  })

  test('that hangs is a failed check', async () => {
    const { run } = makeRun()
    await run.step('restart', 5, () => new Promise(() => {}))
    expect(run.checks).toMatchObject([{ name: 'step:restart', ok: false, observed: 'restart: nothing within 0.005 s' }])
  })

  test('that adds a failed check has failed', async () => {
    const { run, drawn } = makeRun()
    await run.step('revocation', 60_000, async () =>
      run.add({ name: 'x', ok: false, expected: 'e', observed: 'o', evidence: 'v' }),
    )
    expect(phase(run, drawn, 'revocation')).toBe('failed')
  })

  test('ends with the run', async () => {
    const abort = new AbortController()
    const { run } = makeRun({ signal: abort.signal })
    const hanging = run.step('restart', 60_000, () => new Promise(() => {}))
    abort.abort()
    await expect(hanging).rejects.toThrow(Interrupted)
    await expect(run.until(30)).rejects.toThrow(Interrupted)
  })
})

describe('whatever happens there is a report', () => {
  test('without a broker', async () => {
    const { ports, drawn } = makeRun({ start: () => Promise.reject(new Error('no port is free')) })
    const report = await runDemo(OPTIONS, ports)
    expect(report).toMatchObject({ version: 1, ok: false, seed: 1, speed: 60 })
    expect(report.checks).toMatchObject([{ name: 'step:broker', observed: 'no port is free' }])
    expect(report.rooms.map(({ name, inBandShare }) => [name, inBandShare])).toContainEqual(['kitchen', 0])
    expect(report.devices).toHaveLength(12)
    expect(drawn.at(-1)?.checks).toHaveLength(1)
  })

  test('when it is ended before it began', async () => {
    const { ports } = makeRun({ start: () => new Promise(() => {}), signal: AbortSignal.abort() })
    const report = await runDemo(OPTIONS, ports)
    expect(report).toMatchObject({ ok: false, checks: [{ name: 'run-completes', observed: 'it was ended early' }] })
  })
})

describe('an attempt of the intruder', () => {
  const judged = (ok: boolean, arrives: boolean) => {
    const { run } = makeRun()
    const command = { room: 'kitchen', id: COMMANDS.mqtt }
    if (arrives)
      run.checker.hear({
        topic: 'home/kitchen/ac/set',
        payload: Buffer.from(JSON.stringify({ mode: 'off', id: command.id })),
        retained: false,
        at: 12,
      })
    run.attempts.push({
      attempt: { name: 'a', expected: 'e', make: () => Promise.reject(new Error('made already')) },
      outcome: { ok, observed: 'refused', evidence: 'PUBACK 0x87', command },
    })
    judgeIntruder(run)
    return run.checks[0]
  }

  test.each([
    [true, false, true],
    [false, false, false],
    [true, true, false],
  ])('refused %s, its command arrived %s: ok is %s', (refused, arrives, ok) => {
    expect(judged(refused, arrives)?.ok).toBe(ok)
  })

  test('is judged by its effect, whatever the answer was', () => {
    expect(judged(true, true)?.observed).toBe('refused, and the command arrived')
  })
})

test('denials of all kinds, newest first, each with why', async () => {
  const record = (id: number, event: Record<string, unknown>): AuditRecord => ({
    id,
    at: '2026-11-23T12:00:00Z',
    event: { type: String(event.type), ...event },
    previous: '',
    hash: '',
  })
  const decision = { type: 'decision', principal: 'lamp', action: 'publish', target: 'home/a', permit: false }
  const records = [
    record(5, { ...decision, rule: 'no-lock', file: 'policy.yaml', line: 7 }),
    record(3, { ...decision, rule: null, file: null, line: null }),
    record(2, { ...decision, permit: true, rule: 'own' }),
    record(4, {
      type: 'authentication',
      result: 'refused',
      clientId: 'x',
      transport: 'mqtts',
      failure: 'token-expired',
    }),
    record(1, { type: 'authentication', result: 'accepted', clientId: 'y', transport: 'mqtts', failure: null }),
  ]
  const list = async ({ type }: AuditQuery) => ({
    items: records.filter(({ event }) => event.type === type),
    next: null,
  })
  const operator = Object.assign(Object.create(unreachable), { audit: { list } }) as LatchkeyClient
  expect(await denialsOf(operator)).toEqual([
    { id: 5, principal: 'lamp', action: 'publish', target: 'home/a', because: 'rule no-lock (policy.yaml:7)' },
    { id: 4, principal: 'x', action: 'connect', target: 'mqtts', because: 'token-expired' },
    { id: 3, principal: 'lamp', action: 'publish', target: 'home/a', because: 'no rule permits it' },
  ])
})
