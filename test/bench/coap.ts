// `npm run bench -- coap`: what a request, a notification and a DTLS handshake cost in CPU time of the server, and what a session
// costs in memory, beside the npm `coap` server, libcoap's coap-server and bare echoes in Node. The load comes from one process
// of its own.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Bench, type Result } from './coap-bench.ts'
import { contenders } from './coap-contenders.ts'
import type { Run } from './coap-figures.ts'
import { LoadGenerator } from './coap-load-generator.ts'
import { markdown } from './coap-markdown.ts'
import { json, table } from './coap-report.ts'
import { SCENARIOS } from './coap-scenarios.ts'
import { commit } from './commit.ts'
import { machine } from './machine.ts'

const HELP = `Usage: npm run bench -- coap [options]
  --json             one line of JSON on stdout instead of tables
  --markdown         a page as under docs/benchmarks instead
  --rounds N         rounds of each scenario (default 5; some take fewer)
  --only NAME,...    scenarios: ${SCENARIOS.map(({ name }) => name).join(', ')} (default all)
  --servers KEY,...  servers (default all that are here)
`

export async function coap(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      json: { type: 'boolean', default: false },
      markdown: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
      rounds: { type: 'string', default: '5' },
      only: { type: 'string' },
      servers: { type: 'string' },
    },
  })
  if (values.help) {
    process.stdout.write(HELP)
    return
  }
  const rounds = Number(values.rounds)
  if (!Number.isInteger(rounds) || rounds < 1) throw new Error('--rounds is a whole number from 1')
  const wanted = chosen(SCENARIOS, ({ name }) => name, values.only)
  const [startedAt, before, began] = [new Date().toISOString(), machine(), performance.now()]
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-bench-'))
  const load = new LoadGenerator()
  try {
    const { all, missing } = contenders(folder, load)
    const bench = new Bench(
      load,
      chosen(all, ({ key }) => key, values.servers),
      rounds,
    )
    const [results, absent]: [Result[], string[]] = [[], [...missing]]
    for (const scenario of wanted) {
      try {
        results.push(await bench.run(scenario))
      } catch (error) {
        // Told in the result; what else was measured in so many minutes is not thrown away.
        absent.push(`${scenario.name}: ${error instanceof Error ? error.message : error}`)
        process.stderr.write(`${absent.at(-1)}\n`)
        process.exitCode = 1
      }
    }
    const run: Run = {
      results,
      missing: absent,
      machine: before,
      loadAfter: machine().load,
      startedAt,
      tookSeconds: (performance.now() - began) / 1000,
      commit: await commit(),
    }
    process.stdout.write(values.json ? json(run) : values.markdown ? markdown(run) : table(run))
  } finally {
    load.close()
    await rm(folder, { recursive: true, force: true })
  }
}

/** In their own order; all of them unless names are given. */
function chosen<T>(all: readonly T[], nameOf: (one: T) => string, names: string | undefined): readonly T[] {
  if (names === undefined) return all
  const wanted = names.split(',')
  for (const name of wanted) if (!all.some(one => nameOf(one) === name)) throw new Error(`there is no ${name} here`)
  return all.filter(one => wanted.includes(nameOf(one)))
}
