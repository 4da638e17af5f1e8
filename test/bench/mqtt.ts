// `npm run bench -- mqtt`: what a delivered message, a connect and an idle connection cost Latchkey and Mosquitto, side by side
// in one run. For each scenario each broker is started once; in each round both take their turn, in random order, while the
// other one is idle. The load comes from a C program that is built here.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { commit } from './commit.ts'
import { machine } from './machine.ts'
import type { Broker, Contender } from './mqtt-contender.ts'
import { type Clients, LatchkeyContender } from './mqtt-latchkey.ts'
import { type Measured, MqttLoad } from './mqtt-load-generator.ts'
import { markdown } from './mqtt-markdown.ts'
import { MosquittoContender } from './mqtt-mosquitto.ts'
import { RelayContender } from './mqtt-relay-contender.ts'
import { json, type Result, type Run, table } from './mqtt-report.ts'
import { SCENARIOS, type Scenario } from './mqtt-scenarios.ts'
import { shuffled } from './statistics.ts'

/** Rounds of the relay: it is no peer, only a floor. */
const RELAY_ROUNDS = 2

const HELP = `Usage: npm run bench -- mqtt [options]
  --json             one line of JSON on stdout instead of tables
  --markdown         a page as under docs/benchmarks instead
  --rounds N         rounds of each scenario (default 3; some take fewer)
  --only NAME,...    scenarios: ${SCENARIOS.map(({ name }) => name).join(', ')} (default all)
  --servers KEY,...  latchkey, mosquitto, relay (default all that are here)
`

interface Scene {
  readonly load: MqttLoad
  readonly clients: Clients
  readonly all: readonly Contender[]
  readonly missing: readonly string[]
  miss(absent: string): void
}

export async function mqtt(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      json: { type: 'boolean', default: false },
      markdown: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
      rounds: { type: 'string', default: '3' },
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
  try {
    const scene = await prepare(folder, wanted)
    const contenders = chosen(scene.all, ({ key }) => key, values.servers)
    const results: Result[] = []
    for (const scenario of wanted.filter(({ channel }) => channel === 'tcp' || scene.load.openssl !== null)) {
      try {
        results.push(await run(scenario, contenders, scene, rounds))
      } catch (error) {
        // Told in the result; what else was measured in so many minutes is not thrown away.
        scene.miss(`${scenario.name}: ${error instanceof Error ? error.message : error}`)
        process.exitCode = 1
      }
    }
    const whole: Run = {
      contenders,
      results,
      missing: scene.missing,
      machine: before,
      loadAfter: machine().load,
      startedAt,
      tookSeconds: (performance.now() - began) / 1000,
      commit: await commit(),
      openssl: scene.load.openssl,
    }
    process.stdout.write(values.json ? json(whole) : values.markdown ? markdown(whole) : table(whole))
  } finally {
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

async function prepare(folder: string, scenarios: readonly Scenario[]): Promise<Scene> {
  const missing: string[] = []
  const miss = (absent: string) => {
    progress(`going on without ${absent}`)
    missing.push(absent)
  }
  const load = await MqttLoad.build(folder)
  if (load.openssl === null && scenarios.some(({ channel }) => channel !== 'tcp'))
    miss('everything over TLS: no openssl/ssl.h (Debian: apt install libssl-dev)')
  progress('registering devices')
  const latchkey = new LatchkeyContender(folder)
  const { clients, server } = await latchkey.enrol(scenarios.some(({ channel }) => channel === 'mutual-tls'))
  const mosquitto = await MosquittoContender.find(folder, clients.devices, server)
  if (mosquitto === null)
    miss('Mosquitto: no `mosquitto` and `mosquitto_passwd` on the PATH (Debian: apt install mosquitto)')
  const all = [latchkey, ...(mosquitto === null ? [] : [mosquitto]), new RelayContender(server)]
  return { load, clients, all, missing, miss }
}

async function run(
  scenario: Scenario,
  contenders: readonly Contender[],
  { load, clients }: Scene,
  wanted: number,
): Promise<Result> {
  const began = performance.now()
  const rounds = Math.min(wanted, scenario.rounds)
  const able = contenders.filter(({ key }) => key !== 'relay' || scenario.relayed)
  const measured = new Map<Contender, Measured[]>(able.map(contender => [contender, []]))
  const brokers = new Map<Contender, Broker>()
  const stop = async (contender: Contender) => {
    await brokers.get(contender)?.stop()
    brokers.delete(contender)
  }
  try {
    for (let round = 1; round <= rounds; round++) {
      progress(`${scenario.name}: round ${round} of ${rounds}`)
      for (const contender of shuffled(able)) {
        if (contender.key === 'relay' && round > RELAY_ROUNDS) continue
        const broker = brokers.get(contender) ?? (await contender.start(scenario.unit === 'connection'))
        brokers.set(contender, broker)
        measured.get(contender)?.push(await measure(contender, () => load.measure(broker, scenario, clients)))
        if (scenario.fresh) await stop(contender)
      }
    }
  } finally {
    for (const contender of able) await stop(contender)
  }
  const servers = [...measured].map(([contender, rounds]) => ({ contender, rounds }))
  return { scenario, servers, tookSeconds: (performance.now() - began) / 1000 }
}

async function measure(contender: Contender, work: () => Promise<Measured>): Promise<Measured> {
  try {
    return await work()
  } catch (error) {
    throw new Error(`${contender.about}: ${error instanceof Error ? error.message : error}`, { cause: error })
  }
}

const progress = (text: string) => process.stderr.write(`${text}\n`)
