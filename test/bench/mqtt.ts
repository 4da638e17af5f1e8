// `npm run bench -- mqtt`: what a delivered message, a connect and an idle connection cost Latchkey and Mosquitto, side by side
// in one run. For each scenario each broker is started once; in each round both take their turn, in random order, while the
// other one is idle. The load comes from a C program that is built here.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { type Measured, MqttLoad } from './mqtt-load-generator.ts'
import { json, type Result, type Run, table } from './mqtt-report.ts'
import { SCENARIOS, type Scenario } from './mqtt-scenarios.ts'
import { type Broker, type Contender, LatchkeyContender, MosquittoContender } from './mqtt-servers.ts'
import { shuffled } from './statistics.ts'

/** Seconds of each round. */
const TIME = { warm: 0.7, seconds: 1.5 }

const HELP = `Usage: npm run bench -- mqtt [options]
  --json             one line of JSON on stdout instead of tables
  --rounds N         rounds of each scenario (default 5; some take fewer)
  --only NAME,...    scenarios: ${SCENARIOS.map(({ name }) => name).join(', ')} (default all)
  --servers KEY,...  latchkey, mosquitto (default all that are here)
`

export async function mqtt(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      json: { type: 'boolean', default: false },
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
  const scenarios = chosen(SCENARIOS, ({ name }) => name, values.only)
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-bench-'))
  try {
    const { load, all, missing } = await prepare(folder)
    const contenders = chosen(all, ({ key }) => key, values.servers)
    const results: Result[] = []
    for (const scenario of scenarios) results.push(await run(scenario, contenders, load, rounds))
    const whole: Run = { contenders, missing, time: TIME, results }
    process.stdout.write(values.json ? json(whole) : table(whole))
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

async function prepare(folder: string): Promise<{ load: MqttLoad; all: readonly Contender[]; missing: string[] }> {
  const clients = join(folder, 'clients')
  const load = await MqttLoad.build(folder, clients)
  progress('registering devices')
  const latchkey = new LatchkeyContender(folder)
  const devices = await latchkey.devices()
  await writeFile(clients, devices.map(({ id, secret }) => `${id} ${secret}\n`).join(''), { mode: 0o600 })
  const mosquitto = await MosquittoContender.find(folder, devices)
  if (mosquitto !== null) return { load, all: [latchkey, mosquitto], missing: [] }
  const absent = 'Mosquitto: no `mosquitto` and `mosquitto_passwd` on the PATH (Debian: apt install mosquitto)'
  progress(`going on without ${absent}`)
  return { load, all: [latchkey], missing: [absent] }
}

async function run(
  scenario: Scenario,
  contenders: readonly Contender[],
  load: MqttLoad,
  wanted: number,
): Promise<Result> {
  const rounds = Math.min(wanted, scenario.rounds)
  const isIdle = scenario.unit === 'connection'
  const measured = new Map<Contender, Measured[]>(contenders.map(contender => [contender, []]))
  const brokers = new Map<Contender, Broker>()
  const stop = async (contender: Contender) => {
    await brokers.get(contender)?.stop()
    brokers.delete(contender)
  }
  try {
    for (let round = 1; round <= rounds; round++) {
      progress(`${scenario.name}: round ${round} of ${rounds}`)
      for (const contender of shuffled(contenders)) {
        const broker = brokers.get(contender) ?? (await contender.start(isIdle))
        brokers.set(contender, broker)
        measured.get(contender)?.push(await measure(contender, () => load.measure(broker, scenario.load, TIME)))
        // Memory that was given back is not asked for again: connections are counted in a fresh process.
        if (isIdle) await stop(contender)
      }
    }
  } finally {
    for (const contender of contenders) await stop(contender)
  }
  return { scenario, servers: [...measured].map(([contender, rounds]) => ({ contender, rounds })) }
}

async function measure(contender: Contender, work: () => Promise<Measured>): Promise<Measured> {
  try {
    return await work()
  } catch (error) {
    throw new Error(`${contender.about}: ${error instanceof Error ? error.message : error}`, { cause: error })
  }
}

const progress = (text: string) => process.stderr.write(`${text}\n`)
