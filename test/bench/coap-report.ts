// Tables for people and JSON for programs.
import type { Contender } from './coap-contenders.ts'
import type { Measured } from './coap-orders.ts'
import { aligned } from './columns.ts'
import { machine } from './machine.ts'
import { spreadOf } from './statistics.ts'

export interface Scenario {
  readonly name: string
  readonly about: string
  /** What is counted. */
  readonly unit: 'request' | 'notification'
  readonly rounds: number
  readonly results: readonly { readonly contender: Contender; readonly rounds: readonly Measured[] }[]
}

const MEBIBYTE = 1 << 20
/** Memory is flat when it does not grow any more after this share of the requests. */
const SETTLED = 0.25

interface Row {
  readonly server: string
  readonly about: string
  /** Microseconds of CPU time of the server for each request or notification. */
  readonly cpu: { readonly median: number; readonly minimum: number; readonly maximum: number }
  readonly perSecond: number
  /** Milliseconds. */
  readonly p50: number
  readonly p99: number
  /** MiB at the end. */
  readonly memory: number
  readonly lost: number
}

function rowOf({ contender, rounds }: Scenario['results'][number]): Row {
  const median = (pick: (measured: Measured) => number) => spreadOf(rounds.map(pick)).median
  return {
    server: contender.key,
    about: contender.about,
    cpu: spreadOf(rounds.map(({ cpuSeconds, count }) => (cpuSeconds * 1e6) / count)),
    perSecond: median(({ count, seconds }) => count / seconds),
    p50: median(({ p50 }) => p50),
    p99: median(({ p99 }) => p99),
    memory: median(({ memory }) => (memory.at(-1)?.bytes ?? Number.NaN) / MEBIBYTE),
    lost: rounds.reduce((sum, { lost }) => sum + lost, 0),
  }
}

/** `of` / each Latchkey row: how many times as much CPU time that peer takes. */
function ratiosOf(rows: readonly Row[]): Record<string, Record<string, number>> {
  const ratios: Record<string, Record<string, number>> = {}
  for (const own of rows.filter(({ server }) => server.startsWith('latchkey'))) {
    const others = rows.filter(({ server }) => !server.startsWith('latchkey'))
    ratios[own.server] = Object.fromEntries(
      others.map(peer => [peer.server, Number((peer.cpu.median / own.cpu.median).toFixed(2))]),
    )
  }
  return ratios
}

/** MiB by requests, and how much of it was added after the first quarter. */
function growthOf({ rounds }: Scenario['results'][number]) {
  const samples = (rounds[0]?.memory ?? []).map(({ requests, bytes }) => ({ requests, mebibytes: bytes / MEBIBYTE }))
  const settled = samples[Math.floor(samples.length * SETTLED) - 1]
  const last = samples.at(-1)
  return { samples, growth: (last?.mebibytes ?? Number.NaN) - (settled?.mebibytes ?? Number.NaN) }
}

export function json(scenarios: readonly Scenario[], missing: readonly string[]): string {
  const told = scenarios.map(scenario => {
    const { name, about, unit, rounds, results } = scenario
    if (name === 'memory') {
      const rows = results.map(result => ({ server: result.contender.key, ...growthOf(result) }))
      return { name, about, unit: 'MiB', rows }
    }
    const rows = results.map(rowOf)
    return { name, about, unit: `us CPU/${unit}`, rounds, rows, ratios: ratiosOf(rows) }
  })
  return `${JSON.stringify({ bench: 'coap', machine: machine(), missing, scenarios: told })}\n`
}

export function table(scenarios: readonly Scenario[], missing: readonly string[]): string {
  const { cores, cpu, linux, node, load } = machine()
  const lines = [`${cores} cores (${cpu}), Linux ${linux}, Node ${node}, load ${load.join(' ')}`]
  for (const absent of missing) lines.push(`not measured: ${absent}`)
  for (const scenario of scenarios) {
    lines.push('', scenario.about, '')
    lines.push(...(scenario.name === 'memory' ? memoryLines(scenario) : costLines(scenario)))
  }
  return `${lines.join('\n')}\n`
}

function costLines({ unit, rounds, results }: Scenario): string[] {
  const rows = results.map(rowOf).sort((a, b) => a.cpu.median - b.cpu.median)
  const cells = [
    [
      `medians of ${rounds} rounds`,
      `us CPU/${unit}`,
      '(min - max)',
      `${unit}s/s`,
      'p50 ms',
      'p99 ms',
      'RSS MiB',
      'lost',
    ],
    ...rows.map(({ about, cpu, perSecond, p50, p99, memory, lost }) => [
      about,
      cpu.median.toFixed(1),
      `${cpu.minimum.toFixed(1)} - ${cpu.maximum.toFixed(1)}`,
      perSecond.toFixed(0),
      p50.toFixed(2),
      p99.toFixed(2),
      memory.toFixed(0),
      String(lost),
    ]),
  ]
  const lines = aligned(cells)
  for (const [own, peers] of Object.entries(ratiosOf(rows))) {
    const said = Object.entries(peers).map(([peer, ratio]) => `${peer} takes ${ratio.toFixed(2)} times`)
    lines.push(`against ${own}: ${said.join(', ')} its CPU`)
  }
  return lines
}

function memoryLines({ results }: Scenario): string[] {
  return aligned([
    ['RSS MiB', 'at 5 %', '25 %', '50 %', '75 %', '100 %', 'after the first quarter', 'requests'],
    ...results.map(result => {
      const { samples, growth } = growthOf(result)
      const at = (share: number) => samples[Math.ceil(samples.length * share) - 1]?.mebibytes.toFixed(0) ?? '-'
      const sign = growth < 0 ? '' : '+'
      return [
        result.contender.about,
        ...[0.05, 0.25, 0.5, 0.75, 1].map(at),
        `${sign}${growth.toFixed(1)}`,
        String(samples.at(-1)?.requests ?? 0),
      ]
    }),
  ])
}
