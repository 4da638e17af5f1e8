// The arithmetic of the report: from rounds to rows, ratios and verdicts.
import type { Contender } from './mqtt-contender.ts'
import type { Measured } from './mqtt-load-generator.ts'
import type { Scenario } from './mqtt-scenarios.ts'
import { type Spread, spreadOf } from './statistics.ts'

export interface ServerRounds {
  readonly contender: Pick<Contender, 'key' | 'about'>
  readonly rounds: readonly Measured[]
}

/** What the others got while one subscriber did not read. */
export interface FrozenRow {
  /** Messages a second before, of all others together. */
  readonly calmPerSecond: Spread
  /** Then, as a share of that. */
  readonly share: Spread
  /** Milliseconds that one of the others got nothing, at most: before, and then. */
  readonly calmSilence: Spread
  readonly silence: Spread
  /** The most that was resident. */
  readonly peakMebibytes: Spread
  /** Rounds in which the broker had ended the frozen connection. */
  readonly closed: number
}

export interface Row {
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
  readonly frozen: FrozenRow | null
}

/** A goal beside what was measured. */
export interface Verdict {
  readonly of: 'ratio' | 'messages/s' | 'us CPU' | 'p99 ms' | 'bytes' | 'share' | 'peak MiB'
  readonly goal: number
  readonly measured: number
  readonly isMet: boolean
}

const MEBIBYTE = 1 << 20

export function rowOf({ contender, rounds }: ServerRounds): Row {
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
    frozen: frozenOf(rounds),
  }
}

function frozenOf(rounds: readonly Measured[]): FrozenRow | null {
  const all = rounds.flatMap(({ frozen, count, seconds }) =>
    frozen ? [{ ...frozen, perSecond: count / seconds }] : [],
  )
  if (all.length === 0) return null
  return {
    calmPerSecond: spreadOf(all.map(({ calmPerSecond }) => calmPerSecond)),
    share: spreadOf(all.map(({ perSecond, calmPerSecond }) => perSecond / calmPerSecond)),
    calmSilence: spreadOf(all.map(({ calmSilence }) => calmSilence)),
    silence: spreadOf(all.map(({ silence }) => silence)),
    peakMebibytes: spreadOf(all.map(({ peakBytes }) => peakBytes / MEBIBYTE)),
    closed: all.filter(({ closed }) => closed).length,
  }
}

/** Mosquitto's CPU time to that of `server`, by medians; null when one of them was not measured. */
export function ratioOf(rows: readonly Row[], server: Contender['key'] = 'latchkey'): number | null {
  const own = rows.find(row => row.server === server)
  const peer = rows.find(row => row.server === 'mosquitto')
  return own && peer ? peer.cpu.median / own.cpu.median : null
}

export function verdictsOf({ goal }: Pick<Scenario, 'goal'>, rows: readonly Row[]): Verdict[] {
  const own = rows.find(({ server }) => server === 'latchkey')
  const verdicts: Verdict[] = []
  const judge = (of: Verdict['of'], wanted: number | undefined, measured: number | null | undefined, more: boolean) => {
    if (wanted === undefined || measured === undefined || measured === null) return
    verdicts.push({ of, goal: wanted, measured, isMet: more ? measured >= wanted : measured <= wanted })
  }
  judge('ratio', goal.ratio, ratioOf(rows), true)
  judge('messages/s', goal.perSecond, own?.perSecond.median, true)
  judge('us CPU', goal.cpu, own?.cpu.median, false)
  judge('p99 ms', goal.p99, own?.p99.median, false)
  judge('bytes', goal.bytes, own?.bytesPerConnection?.median, false)
  judge('share', goal.share, own?.frozen?.share.median, true)
  judge('peak MiB', goal.peak, own?.frozen?.peakMebibytes.median, false)
  return verdicts
}
