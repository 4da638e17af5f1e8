import { describe, expect, test } from 'vitest'
import type { Contender } from '../../bench/mqtt-contender.ts'
import type { Measured } from '../../bench/mqtt-load-generator.ts'
import { markdown } from '../../bench/mqtt-markdown.ts'
import { json, type Run, table } from '../../bench/mqtt-report.ts'
import { SCENARIOS } from '../../bench/mqtt-scenarios.ts'

const contender = (key: Contender['key']): Contender => ({
  key,
  about: `the ${key}`,
  configuration: `settings of ${key}\n`,
  start: () => Promise.reject(new Error('nothing is started here')),
})

const CONTENDERS = [contender('latchkey'), contender('mosquitto'), contender('relay')]

const measured = (cpuSeconds: number): Measured => ({
  count: 1_000_000,
  seconds: 1,
  cpuSeconds,
  loadCpuSeconds: 0.5,
  p50: 1,
  p99: 2,
  lost: 0,
  bytes: 1 << 20,
  bytesPerConnection: null,
  frozen: null,
})

/** What a scenario of each sort could have given. */
function resultOf(name: string, some: Partial<Measured>): Run['results'][number] {
  const scenario = SCENARIOS.find(one => one.name === name)
  if (!scenario) throw new Error(`no scenario ${name}`)
  const servers = CONTENDERS.map((one, index) => ({ contender: one, rounds: [{ ...measured(index + 1), ...some }] }))
  return { scenario, servers, tookSeconds: 3 }
}

const RUN: Run = {
  contenders: CONTENDERS,
  missing: ['what is not here'],
  results: [
    resultOf('pairs', {}),
    resultOf('idle', { bytesPerConnection: 12_345 }),
    resultOf('frozen-qos0', {
      frozen: { calmPerSecond: 1_000_000, calmSilence: 1, silence: 2, closed: true, peakBytes: 300 << 20 },
    }),
  ],
  machine: { cores: 4, cpu: 'a CPU', memory: '1 kB', linux: '6', node: '20', load: ['0.1', '0.2', '0.3'] },
  loadAfter: ['0.4', '0.5', '0.6'],
  startedAt: '2026-11-23T19:20:00.000Z',
  tookSeconds: 90,
  commit: 'abc1234',
  openssl: 'OpenSSL 3',
}

test('names of scenarios are told apart', () => {
  expect(new Set(SCENARIOS.map(({ name }) => name)).size).toBe(SCENARIOS.length)
})

describe.each([
  ['table', table],
  ['markdown', markdown],
])('%s', (_, print) => {
  const text = print(RUN)

  test.each(['abc1234', '1.5 minutes', 'OpenSSL 3', '0.1 0.2 0.3', '0.4 0.5 0.6', 'not measured: what is not here'])(
    'says %s of the run',
    said => {
      expect(text).toContain(said)
    },
  )

  test.each(['latchkey', 'mosquitto', 'relay'])('shows how %s was started', key => {
    expect(text).toContain(`settings of ${key}`)
  })
})

test('the page has a row for each scenario, with goal and verdict', () => {
  const lines = markdown(RUN).split('\n')
  const rowOf = (text: string) => lines.find(line => line.startsWith('|') && line.includes(text))
  expect(rowOf('200 pairs, QoS 0, window 20')).toMatch(/\*\*2\.00\*\* \| 0\.67 \| 10 \| \*\*missed\*\* \|$/)
  expect(rowOf('idle connection')).toMatch(/12 345 \| .* 8 192 bytes \| \*\*missed\*\* \|$/)
  expect(rowOf('stops reading')).toMatch(/\| 0\.9 share, 256 peak MiB \| met, \*\*missed\*\* \|$/)
})

test('JSON says the same to programs', () => {
  const { scenarios, servers, loadAfter, tls } = JSON.parse(json(RUN))
  expect(servers).toHaveLength(3)
  expect(loadAfter).toEqual(['0.4', '0.5', '0.6'])
  expect(tls).toContain('TLS 1.3')
  expect(scenarios[0]).toMatchObject({
    name: 'pairs',
    ratio: 2,
    relayRatio: 2 / 3,
    goals: [{ of: 'ratio', isMet: false }],
  })
  expect(scenarios[1]).not.toHaveProperty('ratio')
  expect(scenarios[2].rows[0].frozen).toMatchObject({ share: { median: 1 }, closed: 1 })
})
