// A run of the CoAP benchmark, as JSON for programs and as tables for the terminal.
import { OWN, type Row, type Run, ratioOf, rowsOf, type Verdict, verdictsOf } from './coap-figures.ts'
import { MEASURED, type Scenario, WARM } from './coap-scenarios.ts'
import { aligned } from './columns.ts'

export function json({ results, ...head }: Run): string {
  const scenarios = results.map(result => {
    const { name, about, unit, kind } = result.scenario
    const rows = rowsOf(result)
    const ratios = Object.fromEntries(rows.map(({ server }) => [server, ratioOf(rows, server)]))
    return { name, about, unit, kind, rows, ratios, goals: verdictsOf(result.scenario, rows) }
  })
  return `${JSON.stringify({ bench: 'coap', ...head, scenarios })}\n`
}

/** What the run was made on, in sentences. */
export function headLines({ machine, loadAfter, startedAt, tookSeconds, commit, missing }: Run): string[] {
  const { cores, cpu, linux, node, load } = machine
  return [
    `${startedAt.slice(0, 16).replace('T', ' ')} UTC, commit ${commit ?? 'unknown'}, ${(tookSeconds / 60).toFixed(1)} minutes`,
    `${cores} cores (${cpu}), Linux ${linux}, Node ${node} with OpenSSL ${process.versions.openssl}, loopback`,
    `load average before ${load.join(' ')}, after ${loadAfter.join(' ')}`,
    ...missing.map(absent => `not measured: ${absent}`),
  ]
}

export function table(run: Run): string {
  const lines = headLines(run)
  for (const result of run.results) {
    const { scenario } = result
    const rows = rowsOf(result)
    lines.push('', `${scenario.name}: ${scenario.about}${timesOf(scenario)}`, '')
    lines.push(...aligned(cellsOf(scenario, rows)), ...ratioLines(scenario, rows))
    lines.push(...verdictsOf(scenario, rows).map(told))
  }
  return `${lines.join('\n')}\n`
}

export const timesOf = ({ kind }: Scenario): string =>
  kind === 'memory' || kind === 'idle' ? '' : `; ${MEASURED} s a round after ${WARM} s to warm up`

/** The first row is the head; those that take least come first. */
export function cellsOf(scenario: Scenario, rows: readonly Row[]): string[][] {
  if (scenario.kind === 'memory') return memoryCells(rows)
  if (scenario.kind === 'idle') return idleCells(rows)
  const { unit } = scenario
  const head = ['server', 'rounds', `us CPU/${unit}`, '', 'a CPU second', `${unit}s/s`, 'p50 ms', 'p99 ms', 'lost']
  const sorted = [...rows].sort((a, b) => a.cpu.median - b.cpu.median)
  return [
    head,
    ...sorted.map(({ about, rounds, cpu, perSecond, p50, p99, lost }) => [
      about,
      String(rounds),
      cpu.median.toFixed(1),
      `(${cpu.minimum.toFixed(1)} - ${cpu.maximum.toFixed(1)})`,
      (1e6 / cpu.median).toFixed(0),
      perSecond.toFixed(0),
      p50.toFixed(2),
      p99.toFixed(2),
      String(lost),
    ]),
  ]
}

function memoryCells(rows: readonly Row[]): string[][] {
  return [
    ['server', 'requests', 'RSS MiB at the start', '25 %', '50 %', '75 %', 'at the end', 'peak'],
    ...rows.map(({ about, memory, peak }) => {
      const at = (share: number) => memory[Math.round((memory.length - 1) * share)]?.mebibytes.toFixed(0) ?? '-'
      return [about, String(memory.at(-1)?.requests ?? 0), ...[0, 0.25, 0.5, 0.75, 1].map(at), peak.toFixed(0)]
    }),
  ]
}

function idleCells(rows: readonly Row[]): string[][] {
  return [
    ['server', 'rounds', 'KiB/session', ''],
    ...rows.map(({ about, rounds, kibibytes }) => [
      about,
      String(rounds),
      kibibytes.median.toFixed(1),
      `(${kibibytes.minimum.toFixed(1)} - ${kibibytes.maximum.toFixed(1)})`,
    ]),
  ]
}

function ratioLines({ kind }: Scenario, rows: readonly Row[]): string[] {
  if (kind === 'memory' || kind === 'idle') return []
  const said = rows.flatMap(({ server }) => {
    const ratio = server === OWN ? null : ratioOf(rows, server)
    return ratio === null ? [] : [`${server} takes ${ratio.toFixed(2)} times`]
  })
  return said.length === 0 ? [] : [`against ${OWN}: ${said.join(', ')} its CPU`]
}

const told = ({ of, goal, measured, isMet }: Verdict): string =>
  `${of}: ${measured.toFixed(measured < 100 ? 2 : 0)}, goal ${goal}: ${isMet ? 'met' : 'MISSED'}`
