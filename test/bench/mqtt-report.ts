// Tables for people and JSON for programs.
import { aligned } from './columns.ts'
import { machine } from './machine.ts'
import type { Measured } from './mqtt-load-generator.ts'
import type { Scenario } from './mqtt-scenarios.ts'
import type { Contender } from './mqtt-servers.ts'
import { type Spread, spreadOf } from './statistics.ts'

export interface Result {
  readonly scenario: Scenario
  readonly servers: readonly { readonly contender: Contender; readonly rounds: readonly Measured[] }[]
}

export interface Run {
  readonly contenders: readonly Contender[]
  /** What is not installed here. */
  readonly missing: readonly string[]
  /** Seconds of each round. */
  readonly time: { readonly warm: number; readonly seconds: number }
  readonly results: readonly Result[]
}

interface Row {
  readonly server: Contender['key']
  readonly about: string
  readonly rounds: number
  /** Microseconds of CPU time of the broker for each message or connect. */
  readonly cpu: Spread
  readonly perSecond: Spread
  /** Milliseconds. */
  readonly p50: Spread
  readonly p99: Spread
  /** Resident at the end. */
  readonly mebibytes: number
  /** Cores that the load generator was busy on. */
  readonly loadCores: number
  readonly lost: number
  readonly bytesPerConnection: Spread | null
}

/** A goal beside what was measured. */
interface Verdict {
  readonly of: string
  readonly goal: number
  readonly measured: number
  readonly isMet: boolean
}

const MEBIBYTE = 1 << 20

function rowOf({ contender, rounds }: Result['servers'][number]): Row {
  const spread = (pick: (measured: Measured) => number) => spreadOf(rounds.map(pick))
  const idle = rounds.map(({ bytesPerConnection }) => bytesPerConnection).filter(bytes => bytes !== null)
  return {
    server: contender.key,
    about: contender.about,
    rounds: rounds.length,
    cpu: spread(({ cpuSeconds, count }) => (cpuSeconds * 1e6) / count),
    perSecond: spread(({ count, seconds }) => count / seconds),
    p50: spread(({ p50 }) => p50),
    p99: spread(({ p99 }) => p99),
    mebibytes: spread(({ bytes }) => bytes / MEBIBYTE).median,
    loadCores: spread(({ loadCpuSeconds, seconds }) => loadCpuSeconds / seconds).median,
    lost: rounds.reduce((sum, { lost }) => sum + lost, 0),
    bytesPerConnection: idle.length > 0 ? spreadOf(idle) : null,
  }
}

/** Mosquitto's CPU time to Latchkey's, by medians; null when one of them was not measured. */
function ratioOf(rows: readonly Row[]): number | null {
  const own = rows.find(({ server }) => server === 'latchkey')
  const peer = rows.find(({ server }) => server === 'mosquitto')
  return own && peer ? peer.cpu.median / own.cpu.median : null
}

function verdictsOf({ goal }: Scenario, rows: readonly Row[]): Verdict[] {
  const own = rows.find(({ server }) => server === 'latchkey')
  const verdicts: Verdict[] = []
  const judge = (of: string, wanted: number | undefined, measured: number | null | undefined, more: boolean) => {
    if (wanted === undefined || measured === undefined || measured === null) return
    verdicts.push({ of, goal: wanted, measured, isMet: more ? measured >= wanted : measured <= wanted })
  }
  judge('ratio', goal.ratio, ratioOf(rows), true)
  judge('messages/s', goal.perSecond, own?.perSecond.median, true)
  judge('us CPU', goal.cpu, own?.cpu.median, false)
  judge('p99 ms', goal.p99, own?.p99.median, false)
  judge('bytes', goal.bytes, own?.bytesPerConnection?.median, false)
  return verdicts
}

export function json({ contenders, missing, time, results }: Run): string {
  const servers = contenders.map(({ key, about, configuration }) => ({ key, about, configuration }))
  const scenarios = results.map(({ scenario, servers }) => {
    const { name, about, unit } = scenario
    const rows = servers.map(rowOf)
    const goals = verdictsOf(scenario, rows)
    // Of idle connections only their memory was measured.
    if (unit !== 'connection') return { name, about, unit, rows, ratio: ratioOf(rows), goals }
    const idle = rows.map(({ server, rounds, bytesPerConnection, mebibytes }) => {
      return { server, rounds, bytesPerConnection, mebibytes }
    })
    return { name, about, unit, rows: idle, goals }
  })
  return `${JSON.stringify({ bench: 'mqtt', machine: machine(), time, servers, missing, scenarios })}\n`
}

export function table({ contenders, missing, time, results }: Run): string {
  const { cores, cpu, linux, node, load } = machine()
  const lines = [`${cores} cores (${cpu}), Linux ${linux}, Node ${node}, load ${load.join(' ')}`]
  for (const absent of missing) lines.push(`not measured: ${absent}`)
  lines.push(
    `${time.seconds} s a round after ${time.warm} s to warm up; 64 byte payloads; medians, in brackets extremes`,
  )
  for (const { scenario, servers } of results) {
    const rows = servers.map(rowOf)
    lines.push('', `${scenario.name}: ${scenario.about}; rounds: ${rows[0]?.rounds ?? 0}`, '')
    lines.push(...(scenario.unit === 'connection' ? memoryLines(rows) : costLines(scenario, rows)))
    lines.push(...goalLines(scenario, rows))
  }
  for (const { about, configuration } of contenders)
    lines.push('', `${about} was started with`, '', configuration.trim())
  return `${lines.join('\n')}\n`
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

function goalLines(scenario: Scenario, rows: readonly Row[]): string[] {
  const verdicts = verdictsOf(scenario, rows)
  const lines = verdicts.map(({ of, goal, measured, isMet }) => {
    return `${of}: ${measured.toFixed(2)}, goal ${goal}: ${isMet ? 'met' : 'MISSED'}`
  })
  const ratio = ratioOf(rows)
  const isTold = scenario.unit === 'connection' || verdicts.some(({ of }) => of === 'ratio')
  if (ratio !== null && !isTold) lines.push(`ratio: ${ratio.toFixed(2)}, no goal`)
  return lines
}

const extremes = ({ minimum, maximum }: Spread, digits: number) =>
  `(${minimum.toFixed(digits)} - ${maximum.toFixed(digits)})`
