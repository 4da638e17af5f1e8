// A run of the MQTT benchmark, as JSON for programs and as a table for the terminal.
import { aligned } from './columns.ts'
import type { Machine } from './machine.ts'
import type { Contender } from './mqtt-contender.ts'
import { type Row, ratioOf, rowOf, type ServerRounds, type Verdict, verdictsOf } from './mqtt-figures.ts'
import { TLS } from './mqtt-load-generator.ts'
import type { Scenario } from './mqtt-scenarios.ts'
import type { Spread } from './statistics.ts'

export interface Result {
  readonly scenario: Scenario
  readonly servers: readonly ServerRounds[]
  /** How long it took, all rounds and starts included. */
  readonly tookSeconds: number
}

export interface Run {
  readonly contenders: readonly Contender[]
  /** What is not installed here. */
  readonly missing: readonly string[]
  readonly results: readonly Result[]
  /** As it began. */
  readonly machine: Machine
  /** Load averages at the end. */
  readonly loadAfter: readonly string[]
  /** ISO 8601. */
  readonly startedAt: string
  readonly tookSeconds: number
  /** What `git describe` calls the source; null outside a repository. */
  readonly commit: string | null
  /** Of the load and of Mosquitto; null where TLS could not be built. */
  readonly openssl: string | null
}

export function json({ contenders, missing, results, ...head }: Run): string {
  const servers = contenders.map(({ key, about, configuration }) => ({ key, about, configuration }))
  const scenarios = results.map(({ scenario, servers, tookSeconds }) => {
    const { name, about, unit, channel, time, load } = scenario
    const rows = servers.map(rowOf)
    const told = { name, about, unit, channel, time, load, tookSeconds, goals: verdictsOf(scenario, rows) }
    // Of idle connections only their memory was measured.
    if (unit === 'connection') {
      const idle = rows.map(({ server, rounds, bytesPerConnection, mebibytes }) => {
        return { server, rounds, bytesPerConnection, mebibytes }
      })
      return { ...told, rows: idle }
    }
    return { ...told, rows, ratio: ratioOf(rows), relayRatio: ratioOf(rows, 'relay') }
  })
  return `${JSON.stringify({ bench: 'mqtt', ...head, tls: TLS, missing, servers, scenarios })}\n`
}

/** What the run was made on, in sentences. */
export function headLines({ machine, loadAfter, startedAt, tookSeconds, commit, openssl, missing }: Run): string[] {
  const { cores, cpu, memory, linux, node, load } = machine
  return [
    `${startedAt.slice(0, 16).replace('T', ' ')} UTC, commit ${commit ?? 'unknown'}, ${(tookSeconds / 60).toFixed(1)} minutes`,
    `${cores} cores (${cpu}), ${gibibytes(memory)} GiB, Linux ${linux}`,
    `Node ${node} with OpenSSL ${process.versions.openssl}`,
    `load average before ${load.join(' ')}, after ${loadAfter.join(' ')}`,
    ...(openssl === null ? [] : [`${TLS}; load and Mosquitto with ${openssl}`]),
    ...missing.map(absent => `not measured: ${absent}`),
  ]
}

/** /proc/meminfo counts in kB. */
const gibibytes = (memory: string) => (Number.parseInt(memory, 10) / (1 << 20)).toFixed(1)

export function table(run: Run): string {
  const lines = [...headLines(run), '64 byte payloads unless said otherwise; medians, in brackets extremes']
  for (const { scenario, servers } of run.results) {
    const { name, about, time } = scenario
    const rows = servers.map(rowOf)
    const rounds = `rounds: ${rows[0]?.rounds ?? 0} of ${time.seconds} s after ${time.warm} s`
    lines.push(
      '',
      `${name}: ${about}; ${scenario.unit === 'connection' ? `rounds: ${rows[0]?.rounds ?? 0}` : rounds}`,
      '',
    )
    lines.push(...linesOf(scenario, rows), ...goalLines(scenario, rows))
  }
  for (const { about, configuration } of run.contenders)
    lines.push('', `${about} was started with`, '', configuration.trim())
  return `${lines.join('\n')}\n`
}

function linesOf(scenario: Scenario, rows: readonly Row[]): string[] {
  if (scenario.unit === 'connection') return memoryLines(rows)
  return rows.some(({ frozen }) => frozen !== null) ? frozenLines(rows) : costLines(scenario, rows)
}

function costLines({ unit }: Scenario, rows: readonly Row[]): string[] {
  return aligned([
    ['', `us CPU/${unit}`, '', `${unit}s/s`, 'p50 ms', 'p99 ms', '', 'RSS MiB', 'load cores', 'lost'],
    ...rows.map(({ about, cpu, perSecond, p50, p99, mebibytes, loadCores, lost }) => [
      about,
      cpu.median.toFixed(2),
      extremes(cpu, 2),
      perSecond.median.toFixed(0),
      p50.median.toFixed(2),
      p99.median.toFixed(2),
      extremes(p99, 2),
      mebibytes.toFixed(0),
      loadCores.toFixed(2),
      String(lost),
    ]),
  ])
}

function memoryLines(rows: readonly Row[]): string[] {
  return aligned([
    ['', 'bytes/connection', '', 'RSS MiB'],
    ...rows.map(({ about, bytesPerConnection, mebibytes }) => [
      about,
      bytesPerConnection?.median.toFixed(0) ?? '-',
      bytesPerConnection ? extremes(bytesPerConnection, 0) : '',
      mebibytes.toFixed(0),
    ]),
  ])
}

function frozenLines(rows: readonly Row[]): string[] {
  return aligned([
    ['', 'before/s', 'then/s', 'share', '', 'silence ms', 'before', 'peak MiB', '', 'us CPU', 'ended'],
    ...rows.flatMap(({ about, perSecond, cpu, frozen, rounds }) => {
      if (frozen === null) return []
      const { calmPerSecond, share, silence, calmSilence, peakMebibytes, closed } = frozen
      const throughput = [calmPerSecond.median.toFixed(0), perSecond.median.toFixed(0)]
      const silences = [silence.median.toFixed(1), calmSilence.median.toFixed(1)]
      const peak = [peakMebibytes.median.toFixed(0), extremes(peakMebibytes, 0)]
      const shares = [share.median.toFixed(2), extremes(share, 2)]
      return [[about, ...throughput, ...shares, ...silences, ...peak, cpu.median.toFixed(2), `${closed} of ${rounds}`]]
    }),
  ])
}

function goalLines(scenario: Scenario, rows: readonly Row[]): string[] {
  const verdicts = verdictsOf(scenario, rows)
  const lines = verdicts.map(told)
  const ratio = ratioOf(rows)
  const floor = ratioOf(rows, 'relay')
  const hasRatio = scenario.unit !== 'connection'
  const isTold = !hasRatio || verdicts.some(({ of }) => of === 'ratio')
  if (ratio !== null && !isTold) lines.push(`ratio: ${ratio.toFixed(2)}, no goal`)
  if (floor !== null && hasRatio) lines.push(`the relay would have a ratio of ${floor.toFixed(2)}`)
  return lines
}

export const told = ({ of, goal, measured, isMet }: Verdict): string =>
  `${of}: ${measured.toFixed(2)}, goal ${goal}: ${isMet ? 'met' : 'MISSED'}`

/** Nothing where there was only one round, or no difference. */
export const extremes = ({ minimum, maximum }: Spread, digits: number): string =>
  minimum === maximum ? '' : `(${minimum.toFixed(digits)} - ${maximum.toFixed(digits)})`
