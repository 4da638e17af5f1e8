// A million bad packets for the gate, half of them after a valid CONNECT; what reaches new code or a new answer is kept
// and made worse. Shortened unless LATCHKEY_GATE_FUZZ_PACKETS says how many: 1000000 take about ten minutes.
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { GateFuzzReport } from '../fuzz/gate-fuzz-child.ts'
import { transpile } from '../integration/transpiled.ts'

const PACKETS = Number(process.env.LATCHKEY_GATE_FUZZ_PACKETS ?? 50_000)
const SEED = Number(process.env.LATCHKEY_FUZZ_SEED ?? 20_261_123)
const CHILD = join(dirname(fileURLToPath(import.meta.url)), '../fuzz/gate-fuzz-child.ts')
const MEGABYTE = 1 << 20
/** Milliseconds; far more than it takes on a machine that does other things too. */
const LONGEST = 60_000 + PACKETS * 6

/** Least share of blocks that must be reached, whatever the seed, even in a short run. */
const REACHED: Readonly<Record<string, number>> = {
  'mqtt/byte-reader': 0.9,
  'mqtt/decode': 0.9,
  'mqtt/gate': 0.75,
  'mqtt/incoming-publishes': 0.85,
  'mqtt/property-table': 0.9,
  'mqtt/subscribing': 0.9,
}

/** First bytes that a client may send, by packet type. */
const TYPES = [
  'reserved',
  'connect',
  'connack',
  'publish',
  'puback',
  'pubrec',
  'pubrel',
  'pubcomp',
  'subscribe',
  'suback',
  'unsubscribe',
  'unsuback',
  'pingreq',
  'pingresp',
  'disconnect',
  'auth',
]

let folder: string
let program: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'latchkey-gate-fuzz-'))
  program = await transpile(CHILD, join(folder, 'program'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

async function fuzz(packets: number, seed: number): Promise<GateFuzzReport> {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--expose-gc', '--stack-trace-limit=30', program, String(packets), String(seed)],
    { maxBuffer: 64 * MEGABYTE, timeout: LONGEST },
  )
  return JSON.parse(stdout) as GateFuzzReport
}

describe(`${PACKETS} bad packets for the gate, seed ${SEED}`, () => {
  let report: GateFuzzReport
  beforeAll(async () => {
    report = await fuzz(PACKETS, SEED)
    console.info(told(report))
  }, LONGEST)

  test('nothing happens that never should', () => {
    expect(report.wrong).toEqual([])
  })

  test('the fate of every packet is known, and half of them came after a valid CONNECT', () => {
    expect(report.packets).toBeGreaterThanOrEqual(PACKETS)
    expect(report.sentAfter).toBeGreaterThanOrEqual(report.packets * 0.49)
  })

  test.each(Object.entries(REACHED))('%s: at least so much of it is reached', (file, share) => {
    const { reached = 0, blocks = 1, never = [] } = report.coverage.find(each => each.file === file) ?? {}
    expect(reached / blocks, never.join('\n')).toBeGreaterThanOrEqual(share)
  })

  test('every version meets every packet type', () => {
    for (const version of [3, 4, 5])
      for (const type of TYPES) {
        const outcomes = Object.keys(report.outcomes).filter(each =>
          each.startsWith(`MQTT ${version}, connected, ${type}:`),
        )
        expect(outcomes.length, `MQTT ${version} ${type}`).toBeGreaterThan(0)
      }
  })

  test('a bystander gets all its messages, in order', () => {
    expect(report.bystander.sent).toBeGreaterThan(0)
    expect(report.bystander.heard).toBe(report.bystander.sent)
  })

  test('nothing is left when everybody has gone', () => {
    expect(
      Object.values(report.left).every(value => value === 0),
      JSON.stringify(report.left),
    ).toBe(true)
  })

  test('the second half costs no memory that the first did not', () => {
    const half = Math.floor(report.memory.length / 2)
    const highest = Math.max(...report.memory.slice(0, half))
    expect(report.memory.at(-1)).toBeLessThan(highest + 24 * MEGABYTE)
  })
})

/** A broker with one fault each: such faults are found, so that silence means something. */
describe('a fault is found', () => {
  const faults = [
    {
      fault: 'CONNACK can be overtaken by the end of the connection',
      file: 'src/mqtt/gate.js',
      from: '        this.#connection.flush();',
      to: '',
      finding: /before CONNACK/,
    },
    {
      fault: 'an acknowledgement with reserved flags',
      file: 'src/mqtt/encode.js',
      from: "(type === 'pubrel' ? 2 : 0)",
      to: "(type === 'pubrel' ? 2 : 8)",
      finding: /flags|does not decode/,
    },
    {
      fault: 'DISCONNECT with a reason code of CONNACK',
      file: 'src/mqtt/goodbye.js',
      from: '? UNSPECIFIED : mqtt5;',
      to: '? UNSPECIFIED : isConnected && mqtt5 === 0x82 ? 0x84 : mqtt5;',
      finding: /0x84|does not decode/,
    },
    {
      fault: 'a decoder that reads beyond the end of a packet',
      file: 'src/mqtt/byte-reader.js',
      from: 'if (from + length > this.#end)',
      to: 'if (from < 0)',
      finding: /could not be handled/,
    },
  ]
  test.each(faults)(
    '$fault',
    async ({ file, from, to, finding }) => {
      const path = join(folder, 'program', file)
      const text = await readFile(path, 'utf8')
      expect(text.split(from)).toHaveLength(2)
      await writeFile(path, text.replace(from, to))
      try {
        expect((await fuzz(20_000, SEED)).wrong.join('\n')).toMatch(finding)
      } finally {
        await writeFile(path, text)
      }
    },
    LONGEST,
  )
})

/** What a reader of the log wants to know. */
function told(report: GateFuzzReport): string {
  const { packets, seeds, sentBefore, sentAfter, connections, corpus, outcomes, reasons, seconds } = report
  const rows = (counts: Readonly<Record<string, number>>) =>
    Object.entries(counts).map(([name, count]) => `  ${count} ${name}`)
  const coverage = report.coverage.flatMap(({ file, blocks, reached, never }) => [
    `  ${((100 * reached) / blocks).toFixed(1)} % of ${file} (${reached} of ${blocks} blocks)`,
    ...(file in REACHED ? never.map(block => `    never: ${block}`) : []),
  ])
  return [
    `${packets} packets (${sentBefore} before, ${sentAfter} after a valid CONNECT) over ${connections} connections in ${seconds} s`,
    `seeds ${seeds.join(' ')}; ${corpus} sequences kept; memory in MB ${report.memory.map(bytes => (bytes / MEGABYTE).toFixed(0)).join(' ')}`,
    `decoder states reached: ${Object.keys(outcomes).length} outcomes, ${Object.keys(reasons).length} reasons`,
    ...rows(outcomes),
    ...rows(reasons),
    'blocks reached:',
    ...coverage,
  ].join('\n')
}
