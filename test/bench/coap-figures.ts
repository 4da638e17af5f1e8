// The arithmetic of the report: from rounds to rows, ratios and verdicts.
import type { Result } from './coap-bench.ts'
import type { Measured } from './coap-orders.ts'
import type { Scenario } from './coap-scenarios.ts'
import type { Machine } from './machine.ts'
import { type Spread, spreadOf } from './statistics.ts'

export interface Run {
  readonly results: readonly Result[]
  /** What is not installed here, and what failed. */
  readonly missing: readonly string[]
  /** As it began. */
  readonly machine: Machine
  /** Load averages at the end. */
  readonly loadAfter: readonly string[]
  /** ISO 8601. */
  readonly startedAt: string
  readonly tookSeconds: number
  readonly commit: string | null
}

export interface Row {
  readonly server: string
  readonly about: string
  readonly rounds: number
  /** Microseconds of CPU time of the server for each request, notification or handshake. */
  readonly cpu: Spread
  readonly perSecond: number
  /** Milliseconds. */
  readonly p50: number
  readonly p99: number
  readonly lost: number
  /** MiB: by requests, or the one at the end. */
  readonly memory: readonly { readonly requests: number; readonly mebibytes: number }[]
  readonly peak: number
  /** KiB of one session, in the scenarios about that. */
  readonly kibibytes: Spread
}

/** A goal beside what was measured. */
export interface Verdict {
  readonly of: string
  readonly goal: number
  readonly measured: number
  readonly isMet: boolean
}

const MEBIBYTE = 1 << 20
export const OWN = 'latchkey'

export function rowsOf({ servers }: Result): Row[] {
  return servers.map(({ contender, rounds }) => {
    const median = (pick: (measured: Measured) => number) => spreadOf(rounds.map(pick)).median
    return {
      server: contender.key,
      about: contender.about,
      rounds: rounds.length,
      cpu: spreadOf(rounds.map(({ cpuSeconds, count }) => (cpuSeconds * 1e6) / count)),
      perSecond: median(({ count, seconds }) => count / seconds),
      p50: median(({ p50 }) => p50),
      p99: median(({ p99 }) => p99),
      lost: rounds.reduce((sum, { lost }) => sum + lost, 0),
      memory: (rounds[0]?.memory ?? []).map(({ requests, bytes }) => ({ requests, mebibytes: bytes / MEBIBYTE })),
      peak: median(({ peakBytes }) => peakBytes) / MEBIBYTE,
      kibibytes: spreadOf(rounds.map(({ memory }) => (memory.at(-1)?.bytes ?? Number.NaN) / 1024)),
    }
  })
}

/** The CPU time of `server` to that of `own`, by medians; null when one of them was not measured. */
export function ratioOf(rows: readonly Row[], server: string, own = OWN): number | null {
  const [ours, theirs] = [own, server].map(key => rows.find(row => row.server === key))
  return ours && theirs ? theirs.cpu.median / ours.cpu.median : null
}

export function verdictsOf({ goals }: Scenario, rows: readonly Row[]): Verdict[] {
  const own = rows.find(({ server }) => server === OWN)
  if (own === undefined) return []
  const verdicts: Verdict[] = []
  const judge = (of: string, goal: number | undefined, measured: number | null, more: boolean) => {
    if (goal === undefined || measured === null) return
    verdicts.push({ of, goal, measured, isMet: more ? measured >= goal : measured <= goal })
  }
  for (const [peer, goal] of Object.entries(goals.ratios ?? {})) judge(`times ${peer}`, goal, ratioOf(rows, peer), true)
  judge('a CPU second', goals.perCpuSecond, 1e6 / own.cpu.median, true)
  judge('MiB at most', goals.peak, own.peak, false)
  judge('KiB a session', goals.kibibytes, own.kibibytes.median, false)
  return verdicts
}
