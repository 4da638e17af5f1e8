import { describe, expect, test } from 'vitest'
import type { Result } from '../../bench/coap-bench.ts'
import type { Contender } from '../../bench/coap-contenders.ts'
import { type Run, ratioOf, rowsOf, verdictsOf } from '../../bench/coap-figures.ts'
import { markdown } from '../../bench/coap-markdown.ts'
import type { Measured } from '../../bench/coap-orders.ts'
import { json, table } from '../../bench/coap-report.ts'
import { SCENARIOS, type Scenario } from '../../bench/coap-scenarios.ts'

const MEBIBYTE = 1 << 20

const measured = (some: Partial<Measured>): Measured => ({
  count: 1000,
  seconds: 2,
  cpuSeconds: 0.02,
  p50: 1,
  p99: 3,
  lost: 0,
  memory: [
    { requests: 0, bytes: 50 * MEBIBYTE },
    { requests: 500, bytes: 60 * MEBIBYTE },
    { requests: 1000, bytes: 70 * MEBIBYTE },
  ],
  peakBytes: 80 * MEBIBYTE,
  ...some,
})

function contender(key: string): Contender {
  const start = () => Promise.reject(new Error('it is not started here'))
  return { key, about: `about ${key}`, takes: [], memoryRequests: 0, start }
}

function scenario(name: string): Scenario {
  const found = SCENARIOS.find(one => one.name === name)
  if (!found) throw new Error(`there is no ${name}`)
  return found
}

const result = (name: string, servers: Readonly<Record<string, readonly Partial<Measured>[]>>): Result => ({
  scenario: scenario(name),
  servers: Object.entries(servers).map(([key, rounds]) => ({
    contender: contender(key),
    rounds: rounds.map(measured),
  })),
})

const runOf = (...results: Result[]): Run => ({
  results,
  missing: ['libcoap: it is not here'],
  machine: { cores: 4, cpu: 'some', memory: '1 kB', linux: '6.1', node: '20.20.2', load: ['1', '2', '3'] },
  loadAfter: ['3', '2', '1'],
  startedAt: '2026-11-23T22:00:00.000Z',
  tookSeconds: 90,
  commit: 'abcdef0',
})

describe('what is told of a scenario', () => {
  test('microseconds of CPU, by medians, and how many times as much a peer takes', () => {
    const rows = rowsOf(
      result('get', {
        latchkey: [{}, { cpuSeconds: 0.04 }, { cpuSeconds: 0.01 }],
        'npm-coap': [{ cpuSeconds: 0.07, lost: 3 }, { lost: 2 }, { cpuSeconds: 0.09 }],
      }),
    )
    expect(rows.map(({ cpu }) => cpu.median)).toEqual([20, 70])
    expect(rows.map(({ lost }) => lost)).toEqual([0, 5])
    expect(ratioOf(rows, 'npm-coap')).toBe(3.5)
    expect(ratioOf(rows, 'libcoap')).toBeNull()
  })

  test('goals beside it: ratios, a CPU second, memory; none for what was not measured', () => {
    const of = (name: string, servers: Readonly<Record<string, readonly Partial<Measured>[]>>) => {
      const one = result(name, servers)
      return verdictsOf(one.scenario, rowsOf(one)).map(({ of, goal, measured, isMet }) => [of, goal, measured, isMet])
    }
    expect(of('get', { latchkey: [{}], 'npm-coap': [{ cpuSeconds: 0.05 }] })).toEqual([
      ['times npm-coap', 3, 2.5, false],
    ])
    expect(of('handshakes-psk', { latchkey: [{ cpuSeconds: 0.4 }] })).toEqual([['a CPU second', 2000, 2500, true]])
    expect(of('memory', { latchkey: [{}] })).toEqual([['MiB at most', 120, 80, true]])
    const idle = [{ memory: [{ requests: 1, bytes: 41 * 1024 }] }]
    expect(of('idle-psk', { latchkey: idle })).toEqual([['KiB a session', 40, 41, false]])
    expect(of('echo', { 'dtls-floor': [{}] })).toEqual([])
  })
})

test('a run as a page, as a table and as JSON', () => {
  const run = runOf(
    result('get', { latchkey: [{}], 'npm-coap': [{ cpuSeconds: 0.08 }] }),
    result('memory', { latchkey: [{}] }),
  )
  const page = markdown(run)
  expect(page).toContain('| get | 3 times npm-coap | 4.00 | met |')
  expect(page).toContain('| about npm-coap | 1 | 80.0 | (80.0 - 80.0) | 12500 | 500 | 1.00 | 3.00 | 0 | 4.00 |')
  expect(page).toContain('| about latchkey | 1000 | 50 | 60 | 60 | 70 | 70 | 80 |')
  expect(page).toContain('not measured: libcoap')
  expect(table(run)).toContain('times npm-coap: 4.00, goal 3: met')
  expect(JSON.parse(json(run))).toMatchObject({
    bench: 'coap',
    commit: 'abcdef0',
    scenarios: [{ name: 'get', ratios: { 'npm-coap': 4 } }, { name: 'memory' }],
  })
})
