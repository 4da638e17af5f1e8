// A run of the CoAP benchmark as a page under docs/benchmarks.
import { OWN, type Row, type Run, ratioOf, rowsOf, type Verdict, verdictsOf } from './coap-figures.ts'
import { cellsOf, headLines, timesOf } from './coap-report.ts'

const METHOD = [
  'Command: `npm run bench -- coap --markdown`. In each round all servers take part in random order, each a process of its own that is',
  'started afresh. CPU is the user and system time of all threads of the server, from its `schedstat`; numbers are medians, in brackets',
  'the extremes. Load comes from one other process in Node; in a closed loop requests a second and latencies are a bound of both, and',
  'compare servers at best. The ratio is CPU of that server to Latchkey’s, so above 1 Latchkey takes less.',
]
const SERVERS = [
  [
    'Latchkey',
    '`latchkey serve` as built: policy with roles, attributes and a forbid, an anonymous role, `durability: fsync`',
  ],
  ['Latchkey, session tokens', 'each client with a session token (`/mqtt/connection`) in its query'],
  ['Latchkey without native/udp', 'datagrams by `node:dgram`, as where no addon is built'],
  [
    'npm coap',
    'the server of the npm package `coap`, a map of values and a set of observers; also on a socket with a 4 MB buffer',
  ],
  ['libcoap', 'Debian’s `coap-server` (C), values made by PUT; `-N` for NON, every fifth of which is CON'],
  [
    'floors',
    'one datagram in, one out: no options, policy, duplicates, retransmission. By `node:dgram`, by `native/udp`, by `src/dtls`',
  ],
]

export function markdown(run: Run): string {
  const all = run.results.map(result => ({ scenario: result.scenario, rows: rowsOf(result) }))
  const sections = [
    ['# CoAP: CPU of a request, a notification and a DTLS handshake, and memory'],
    headLines(run).map(line => `- ${line}`),
    METHOD,
    grid([['server', 'what it is'], ...SERVERS]),
    ['## Goals', '', ...grid(goalCells(all))],
    ...all.map(({ scenario, rows }) => [
      `## ${scenario.name}`,
      '',
      `${scenario.about}${timesOf(scenario)}.`,
      '',
      ...grid(withRatios(cellsOf(scenario, rows), rows, scenario.kind === 'memory' || scenario.kind === 'idle')),
    ]),
  ]
  return `${sections.map(section => section.join('\n')).join('\n\n')}\n`
}

const grid = (rows: readonly (readonly string[])[]): string[] => {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  const [head = [], ...rest] = rows
  return [line(head), line(head.map(() => '---')), ...rest.map(line)]
}

function withRatios(cells: string[][], rows: readonly Row[], without: boolean): string[][] {
  if (without) return cells
  return cells.map((row, at) => {
    const server = rows.find(({ about }) => about === row[0])?.server ?? ''
    return [...row, at === 0 ? 'ratio' : (ratioOf(rows, server)?.toFixed(2) ?? '')]
  })
}

function goalCells(all: readonly { scenario: Parameters<typeof verdictsOf>[0]; rows: readonly Row[] }[]): string[][] {
  return [
    ['scenario', 'goal', OWN, ''],
    ...all.flatMap(({ scenario, rows }) =>
      verdictsOf(scenario, rows).map(({ of, goal, measured, isMet }: Verdict) => [
        scenario.name,
        `${goal} ${of}`,
        measured.toFixed(measured < 100 ? 2 : 0),
        isMet ? 'met' : '**missed**',
      ]),
    ),
  ]
}
