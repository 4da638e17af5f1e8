// Carries out the scenarios: every server takes part in every round, in random order, each started afresh.
import { CODE, codeText } from '../../src/coap-wire/codes.ts'
import type { Contender } from './coap-contenders.ts'
import type { LoadGenerator } from './coap-load-generator.ts'
import type { GetOrder, Measured, Shown } from './coap-orders.ts'
import { IDLE_SESSIONS, MEASURED, OBSERVERS, type Scenario, WARM, WINDOW } from './coap-scenarios.ts'
import type { Server } from './coap-server-process.ts'
import { peakResidentBytes, residentBytes } from './process-usage.ts'
import { shuffled } from './statistics.ts'

export interface Result {
  readonly scenario: Scenario
  readonly servers: readonly { readonly contender: Contender; readonly rounds: readonly Measured[] }[]
}

/** The MQTT topic is home/hall/temperature. */
const PATH = ['ps', 'home', 'hall', 'temperature']
const VALUE = '{"celsius":21.5}'

const GET = { warm: { seconds: WARM, count: 20_000 }, measured: { seconds: MEASURED, count: 20_000 } }
/** At least so many values: a server that loses acknowledgements takes a second for each. */
const FAN_OUT = { warm: { seconds: WARM, count: 2 }, measured: { seconds: MEASURED, count: 6 } }
const SECURE = { warm: { seconds: WARM, count: 0 }, measured: { seconds: MEASURED, count: 0 } }
const MEMORY_SAMPLES = 20
const NOTHING = { seconds: 0, count: 0 }

type Target = Pick<Server, 'port' | 'pid'>

export class Bench {
  readonly #load: LoadGenerator
  readonly #contenders: readonly Contender[]
  readonly #rounds: number

  constructor(load: LoadGenerator, all: readonly Contender[], rounds: number) {
    this.#load = load
    this.#contenders = all
    this.#rounds = rounds
  }

  async run(scenario: Scenario): Promise<Result> {
    const able = this.#contenders.filter(({ takes }) => takes.includes(scenario.kind))
    const measured = new Map<Contender, Measured[]>(able.map(contender => [contender, []]))
    const rounds = Math.min(this.#rounds, scenario.rounds)
    for (let round = 1; round <= rounds; round++) {
      process.stderr.write(`${scenario.name}: round ${round} of ${rounds}\n`)
      for (const contender of shuffled(able)) measured.get(contender)?.push(await this.#measure(contender, scenario))
    }
    return { scenario, servers: [...measured].map(([contender, rounds]) => ({ contender, rounds })) }
  }

  async #measure(contender: Contender, scenario: Scenario): Promise<Measured> {
    const credentials = await contender.credentials?.()
    const server = await contender.start(scenario)
    try {
      if (scenario.kind === 'get') return await this.#get(server, GET, 0)
      if (scenario.kind === 'fan-out') return await this.#fanOut(server, scenario)
      if (scenario.kind === 'memory') {
        const count = contender.memoryRequests
        return await this.#get(server, { warm: NOTHING, measured: { seconds: 0, count } }, count / MEMORY_SAMPLES)
      }
      const shown = credentials?.[scenario.shown] ?? []
      if (contender.key.startsWith('latchkey')) await this.#put(server, [])
      if (scenario.kind === 'idle') return await this.#idle(server, shown)
      const target = { port: server.securePort, pid: server.pid }
      return await this.#load.measure({ kind: scenario.kind, ...target, shown, path: PATH, ...SECURE })
    } catch (error) {
      throw new Error(`${contender.about}: ${error instanceof Error ? error.message : error}`, { cause: error })
    } finally {
      await server.stop()
    }
  }

  async #get(server: Server, size: Pick<GetOrder, 'warm' | 'measured'>, sampleEvery: number): Promise<Measured> {
    const { port, pid } = server
    const queries = await server.queries(WINDOW)
    await this.#put(server, queries[0] ?? [])
    return this.#load.measure({ kind: 'get', port, pid, path: PATH, queries, sampleEvery, ...size })
  }

  async #fanOut(server: Server, { confirmable }: Scenario): Promise<Measured> {
    const { port, pid } = server
    const shares = await server.queries(OBSERVERS + 1)
    const publisherQuery = shares[OBSERVERS] ?? []
    await this.#put(server, publisherQuery)
    const queries = shares.slice(0, OBSERVERS)
    return this.#load.measure({
      kind: 'observe',
      port,
      pid,
      path: PATH,
      confirmable,
      queries,
      publisherQuery,
      ...FAN_OUT,
    })
  }

  /** Its one sample of memory is what a session of the second half has added. */
  async #idle(server: Server, shown: readonly Shown[]): Promise<Measured> {
    const target = { port: server.securePort, pid: server.pid }
    const order = { ...target, shown, path: PATH, count: IDLE_SESSIONS / 2 }
    const resident: number[] = []
    try {
      for (let half = 1; half <= 2; half++) {
        const held = await this.#load.hold({ kind: 'hold', ...order })
        if (held !== (half * IDLE_SESSIONS) / 2) throw new Error(`there are ${held} sessions`)
        await server.collect()
        resident.push(residentBytes(server.pid))
      }
    } finally {
      await this.#load.hold({ kind: 'release', ...order })
    }
    const [before = 0, after = 0] = resident
    return {
      count: IDLE_SESSIONS,
      seconds: 0,
      cpuSeconds: 0,
      p50: 0,
      p99: 0,
      lost: 0,
      memory: [{ requests: IDLE_SESSIONS, bytes: ((after - before) * 2) / IDLE_SESSIONS }],
      peakBytes: peakResidentBytes(server.pid),
    }
  }

  async #put({ port, pid }: Target, query: readonly string[]): Promise<void> {
    const requests = [{ method: CODE.PUT, path: PATH, query, payload: VALUE }]
    const [answer] = await this.#load.ask({ kind: 'ask', port, pid, requests })
    if (answer?.code !== CODE.Changed && answer?.code !== CODE.Created) {
      throw new Error(`PUT was answered with ${codeText(answer?.code ?? 0)} ${answer?.payload}`)
    }
  }
}
