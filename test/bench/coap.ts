// `npm run bench -- coap`: what a request and a notification cost in CPU time of the server, beside the npm `coap` server,
// libcoap's coap-server and a raw datagram echo in Node. All servers take part in every round, in random order, each started
// afresh; the load comes from one process of its own.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { CODE, codeText } from '../../src/coap-wire/codes.ts'
import { type Contender, contenders } from './coap-contenders.ts'
import { LoadGenerator } from './coap-load-generator.ts'
import type { GetOrder, Measured } from './coap-orders.ts'
import { json, type Scenario, table } from './coap-report.ts'
import type { Server } from './coap-server-process.ts'
import { shuffled } from './statistics.ts'

/** The MQTT topic is home/hall/temperature. */
const PATH = ['ps', 'home', 'hall', 'temperature']
const VALUE = '{"celsius":21.5}'

/** Peers with one request in flight each. */
const WINDOW = 32
const GET = { warm: { seconds: 2, count: 20_000 }, measured: { seconds: 2, count: 20_000 } }
const OBSERVERS = 500
/** At least so many values: a server that loses acknowledgements takes a second for each. */
const FAN_OUT = { warm: { seconds: 2, count: 2 }, measured: { seconds: 2, count: 6 } }
const MEMORY_SAMPLES = 20
const NOTHING = { seconds: 0, count: 0 }

const HELP = `Usage: npm run bench -- coap [options]
  --json             one line of JSON on stdout instead of tables
  --rounds N         rounds of each scenario (default 5)
  --only NAME,...    scenarios: get, fan-out-con, fan-out-non, memory (default all)
  --servers KEY,...  servers (default all that are here)
`

export async function coap(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
      rounds: { type: 'string', default: '5' },
      only: { type: 'string', default: 'get,fan-out-con,fan-out-non,memory' },
      servers: { type: 'string' },
    },
  })
  if (values.help) {
    process.stdout.write(HELP)
    return
  }
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-bench-'))
  const load = new LoadGenerator()
  try {
    const { all, missing } = contenders(folder, load)
    const wanted = values.servers?.split(',')
    const chosen = all.filter(({ key }) => !wanted || wanted.includes(key))
    const bench = new Bench(load, chosen, Number(values.rounds))
    const scenarios: Scenario[] = []
    for (const name of values.only.split(',')) scenarios.push(await bench.run(name))
    process.stdout.write(values.json ? json(scenarios, missing) : table(scenarios, missing))
  } finally {
    load.close()
    await rm(folder, { recursive: true, force: true })
  }
}

class Bench {
  readonly #load: LoadGenerator
  readonly #contenders: readonly Contender[]
  readonly #rounds: number

  constructor(load: LoadGenerator, all: readonly Contender[], rounds: number) {
    this.#load = load
    this.#contenders = all
    this.#rounds = rounds
  }

  async run(name: string): Promise<Scenario> {
    if (name === 'get') {
      return {
        name,
        about: `Trivial GET of a small retained value; window ${WINDOW}: so many peers with one CON in flight; ${GET.measured.seconds} s a round after ${GET.warm.seconds} s to warm up`,
        unit: 'request',
        rounds: this.#rounds,
        results: await this.#inRounds(name, this.#requested(), contender => this.#get(contender, GET, 0)),
      }
    }
    if (name === 'fan-out-con' || name === 'fan-out-non') {
      const confirmable = name === 'fan-out-con'
      return {
        name,
        about: `A value put by one publisher reaches ${OBSERVERS} observers, ${confirmable ? 'CON' : 'NON'}; the next one is put when all have it; ${FAN_OUT.measured.seconds} s a round after ${FAN_OUT.warm.seconds} s to warm up`,
        unit: 'notification',
        rounds: this.#rounds,
        results: await this.#inRounds(name, this.#contenders, contender => this.#fanOut(contender, confirmable)),
      }
    }
    if (name === 'memory') {
      const results: Scenario['results'][number][] = []
      for (const contender of shuffled(this.#requested())) {
        const requests = contender.memoryRequests
        progress(`memory: ${contender.about}, ${requests} requests`)
        results.push({
          contender,
          rounds: [
            await this.#get(
              contender,
              { warm: NOTHING, measured: { seconds: 0, count: requests } },
              requests / MEMORY_SAMPLES,
            ),
          ],
        })
      }
      return { name, about: `Memory over many GETs, window ${WINDOW}`, unit: 'request', rounds: 1, results }
    }
    throw new Error(`there is no scenario ${name}`)
  }

  #requested(): readonly Contender[] {
    return this.#contenders.filter(({ memoryRequests }) => memoryRequests > 0)
  }

  async #inRounds(
    name: string,
    all: readonly Contender[],
    measure: (contender: Contender) => Promise<Measured>,
  ): Promise<Scenario['results']> {
    const rounds = new Map<Contender, Measured[]>(all.map(contender => [contender, []]))
    for (let round = 1; round <= this.#rounds; round++) {
      progress(`${name}: round ${round} of ${this.#rounds}`)
      for (const contender of shuffled(all)) rounds.get(contender)?.push(await measure(contender))
    }
    return [...rounds].map(([contender, measured]) => ({ contender, rounds: measured }))
  }

  #get(contender: Contender, size: Pick<GetOrder, 'warm' | 'measured'>, sampleEvery: number): Promise<Measured> {
    return this.#with(contender, true, async ({ port, pid, queries }) => {
      const shares = await queries(WINDOW)
      await this.#put(contender, { port, pid }, shares[0] ?? [])
      return this.#load.measure({ kind: 'get', port, pid, path: PATH, queries: shares, sampleEvery, ...size })
    })
  }

  #fanOut(contender: Contender, confirmable: boolean): Promise<Measured> {
    return this.#with(contender, confirmable, async ({ port, pid, queries }) => {
      const shares = await queries(OBSERVERS + 1)
      const publisherQuery = shares[OBSERVERS] ?? []
      await this.#put(contender, { port, pid }, publisherQuery)
      return this.#load.measure({
        kind: 'observe',
        port,
        pid,
        path: PATH,
        confirmable,
        queries: shares.slice(0, OBSERVERS),
        publisherQuery,
        ...FAN_OUT,
      })
    })
  }

  async #with(contender: Contender, confirmable: boolean, measure: (server: Server) => Promise<Measured>) {
    const server = await contender.start(confirmable)
    try {
      return await measure(server)
    } catch (error) {
      throw new Error(`${contender.about}: ${error instanceof Error ? error.message : error}`, { cause: error })
    } finally {
      await server.stop()
    }
  }

  async #put(contender: Contender, target: { port: number; pid: number }, query: readonly string[]): Promise<void> {
    const requests = [{ method: CODE.PUT, path: PATH, query, payload: VALUE }]
    const [answer] = await this.#load.ask({ kind: 'ask', ...target, requests })
    if (answer?.code !== CODE.Changed && answer?.code !== CODE.Created) {
      throw new Error(`${contender.about}: PUT was answered with ${codeText(answer?.code ?? 0)} ${answer?.payload}`)
    }
  }
}

const progress = (text: string) => process.stderr.write(`${text}\n`)
