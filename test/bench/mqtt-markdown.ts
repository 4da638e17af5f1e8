// A run of the MQTT benchmark as a page under docs/benchmarks.
import type { Contender } from './mqtt-contender.ts'
import { type Row, ratioOf, rowOf, verdictsOf } from './mqtt-figures.ts'
import { extremes, headLines, type Result, type Run } from './mqtt-report.ts'
import type { Scenario } from './mqtt-scenarios.ts'

type Rows = readonly { readonly scenario: Scenario; readonly rows: readonly Row[] }[]

export function markdown(run: Run): string {
  const all = run.results.map(({ scenario, servers }: Result) => ({ scenario, rows: servers.map(rowOf) }))
  const idle = all.filter(({ scenario }) => scenario.unit === 'connection')
  const frozen = all.filter(({ rows }) => rows.some(row => row.frozen !== null))
  const costs = all.filter(one => !idle.includes(one) && !frozen.includes(one))
  const sections = [
    ['# MQTT beside Mosquitto: CPU of a delivered message and of a connect, latency, memory'],
    headLines(run).map(line => `- ${line}`),
    METHOD,
    costs.length > 0 ? ['## CPU', '', CPU, '', ...cpuTable(costs)] : [],
    costs.length > 0 ? ['## Throughput, latency, memory', '', LATENCY, '', ...latencyTable(costs)] : [],
    idle.length > 0 ? ['## Idle connections', '', IDLE, '', ...idleTable(idle)] : [],
    frozen.length > 0 ? ['## A subscriber that never reads', '', FROZEN, '', ...frozenTable(frozen)] : [],
    ['## How they were started', '', ...run.contenders.flatMap(started)],
  ]
  return `${sections
    .filter(section => section.length > 0)
    .map(section => section.join('\n'))
    .join('\n\n')}\n`
}

const METHOD = [
  'Command: `npm run bench -- mqtt --markdown`. For each scenario each broker is started once, as a process of its own; in each round',
  'all take their turn in random order while the others are idle. CPU is the user and system time of all threads of the broker, from',
  'its `schedstat`, after a second or so to warm up. Numbers are medians, in brackets the extremes; the ratio is Mosquitto’s median to ours, so above 1 Latchkey takes',
  'less. The load is one thread in C (`test/bench/mqtt-load`) with raw sockets and prepared packets, 64 byte payloads unless said',
  'otherwise. The window is how many messages of one publisher are not yet delivered to all their subscribers (and, for QoS 1 and 2,',
  'acknowledged); all that it allows goes out in one write. Fixed rates send one message in one write, and latency counts from when it',
  'was due. The relay is no broker: it is what Node itself costs for the same bytes.',
]
const CPU = 'Microseconds of the broker for each delivered message, or connect.'
const LATENCY =
  'Latchkey / Mosquitto. In a closed loop latency is queueing, and throughput a bound of broker and load together: "load" is the share of one core that the load took.'
const IDLE = 'Bytes of resident memory for each connection; garbage was collected before each look.'
const FROZEN =
  'Beside those who read, one reads at first and then never again, with a small receive buffer. The share is the throughput of the others to what it was before, in the same connections; silence is the longest that one of the others waited for a message, in brackets before; memory is the most that was resident since the start.'

const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
const header = (cells: readonly string[]) => [line(cells), line(cells.map(() => '---'))]
const of = (rows: readonly Row[], server: Contender['key']) => rows.find(row => row.server === server)

function cpuTable(all: Rows): string[] {
  const cell = (row: Row | undefined) =>
    row ? within(figure(row.cpu.median), extremes(row.cpu, digits(row.cpu.median))) : ''
  return [
    ...header(['scenario', 'Latchkey', 'Mosquitto', 'relay', 'ratio', 'of the relay', 'goal', '']),
    ...all.map(({ scenario, rows }) =>
      line([
        scenario.about,
        ...(['latchkey', 'mosquitto', 'relay'] as const).map(server => cell(of(rows, server))),
        bold(ratioOf(rows)),
        ratioOf(rows, 'relay')?.toFixed(2) ?? '',
        ...goalCells(scenario, rows),
      ]),
    ),
  ]
}

function latencyTable(all: Rows): string[] {
  return [
    ...header(['scenario', 'rounds', 'a second', 'p50 ms', 'p99 ms', 'RSS MiB', 'load', 'lost']),
    ...all.map(({ scenario, rows }) => {
      const both = (tell: (row: Row) => string) =>
        rows
          .filter(({ server }) => server !== 'relay')
          .map(tell)
          .join(' / ')
      return line([
        scenario.name,
        roundsOf(scenario, rows),
        both(({ perSecond }) => grouped(Math.round(perSecond.median))),
        both(({ p50 }) => p50.median.toFixed(2)),
        both(({ p99 }) => within(p99.median.toFixed(2), extremes(p99, 2))),
        both(({ mebibytes }) => mebibytes.toFixed(0)),
        both(({ loadCores }) => loadCores.toFixed(2)),
        both(({ lost }) => grouped(lost)),
      ])
    }),
  ]
}

function idleTable(all: Rows): string[] {
  const cell = (row: Row | undefined) => {
    const bytes = row?.bytesPerConnection
    return bytes ? within(grouped(Math.round(bytes.median)), extremes(bytes, 0)) : ''
  }
  return [
    ...header(['scenario', 'rounds', 'Latchkey', 'Mosquitto', 'relay', 'goal', '']),
    ...all.map(({ scenario, rows }) =>
      line([
        scenario.about,
        String(rows[0]?.rounds ?? 0),
        ...(['latchkey', 'mosquitto', 'relay'] as const).map(server => cell(of(rows, server))),
        ...goalCells(scenario, rows),
      ]),
    ),
  ]
}

function frozenTable(all: Rows): string[] {
  return [
    ...header(['scenario', '', 'before/s', 'then/s', 'share', 'silence ms', 'peak MiB', 'it was ended', 'goal', '']),
    ...all.flatMap(({ scenario, rows }) =>
      rows.flatMap(row => {
        if (row.frozen === null) return []
        const { calmPerSecond, share, silence, calmSilence, peakMebibytes, closed } = row.frozen
        return line([
          row.server === 'latchkey' ? scenario.about : '',
          row.about,
          grouped(Math.round(calmPerSecond.median)),
          grouped(Math.round(row.perSecond.median)),
          within(bold(share.median), extremes(share, 2)),
          `${silence.median.toFixed(1)} (${calmSilence.median.toFixed(1)})`,
          within(peakMebibytes.median.toFixed(0), extremes(peakMebibytes, 0)),
          `${closed} of ${row.rounds}`,
          ...(row.server === 'latchkey' ? goalCells(scenario, rows) : ['', '']),
        ])
      }),
    ),
  ]
}

const roundsOf = ({ time }: Scenario, rows: readonly Row[]) => `${rows[0]?.rounds ?? 0} of ${time.seconds} s`

/** The goals of a scenario, and whether each is met. */
function goalCells(scenario: Scenario, rows: readonly Row[]): [string, string] {
  const verdicts = verdictsOf(scenario, rows)
  if (verdicts.length === 0) return ['none', '']
  return [
    verdicts.map(({ of, goal }) => (of === 'ratio' ? String(goal) : `${grouped(goal)} ${of}`)).join(', '),
    verdicts.map(({ isMet }) => (isMet ? 'met' : '**missed**')).join(', '),
  ]
}

const started = ({ about, configuration }: Contender): string[] => [
  `${about}:`,
  '',
  '```',
  configuration.trim(),
  '```',
  '',
]

const within = (median: string, brackets: string) => `${median} ${brackets}`.trimEnd()
/** Three digits are enough. */
const digits = (value: number) => (value < 10 ? 2 : value < 100 ? 1 : 0)
const figure = (value: number) => value.toFixed(digits(value))
const bold = (value: number | null) => (value === null ? '' : `**${value.toFixed(2)}**`)
const grouped = (value: number) =>
  Number.isInteger(value) || value >= 1000
    ? value.toFixed(0).replace(/\B(?=(\d{3})+$)/g, ' ')
    : String(Number(value.toFixed(2)))
