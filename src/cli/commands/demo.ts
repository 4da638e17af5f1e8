import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { summaryLines } from '../../../simulator/plain-lines.ts'
import type { Report } from '../../../simulator/report.ts'
import { LONGEST_RUN, SHORTEST_RUN } from '../../../simulator/timetable.ts'
import type { BrokerProcess } from '../broker-process.ts'
import type { Call, CommandRow, Outcome } from '../command.ts'
import { demoScreen } from '../demo-screens.ts'
import { formatDuration } from '../duration.ts'
import { readYaml } from '../input-files.ts'
import { Misuse } from '../misuse.ts'
import type { Options } from '../options.ts'
import { signalled } from '../signalled.ts'
import { packageFolder } from '../version.ts'

const DEFAULTS = { seconds: 60, speed: 60, seed: 1 } as const
const FASTEST = 600
/** Milliseconds that sockets have to close by themselves when all is done. */
const LINGER = 2_000
/** Handed through to the broker, so that each check is seen to fail. */
const UNSAFE = ['unsafe-no-policy', 'unsafe-no-authentication'] as const

export const demo: CommandRow = {
  name: 'demo',
  summary: 'Start a broker and a simulated home with an intruder in it, and see what comes of it',
  reach: 'none',
  options: [
    { flags: '--for <duration>', text: 'how long, at least 20s (60s)' },
    { flags: '--speed <factor>', text: 'how fast the weather and the rooms go; devices stay as they are (60)' },
    { flags: '--seed <number>', text: 'weather, noise and faults; the same seed gives the same world (1)' },
    { flags: '--report <file>', text: 'write what was checked, JSON' },
    { flags: '--data <directory>', text: "the broker's data directory; without: one of its own, removed at the end" },
    { flags: '--keep', text: 'keep its folder, with the log, the devices and their credentials' },
    { flags: '--free-ports', text: 'any free ports instead of the usual ones' },
    ...UNSAFE.map(name => ({ flags: `--${name}`, text: 'tests only: see the checks fail', hidden: true as const })),
  ],
  examples: [
    ['latchkey demo', 'a minute: five rooms, an intruder, a revocation, a restart'],
    ['latchkey demo --for 5m --seed 7', 'another and longer day'],
    ['latchkey demo --for 60s --report r.json', 'exit 0 when every check is ok, 1 otherwise; the report is written'],
  ],
  run,
}

async function run(call: Call): Promise<Outcome> {
  const { options, terminal, json } = call
  const seconds = secondsOf(options)
  const speed = speedOf(options)
  const seed = options.count('seed') ?? DEFAULTS.seed
  const reportFile = await reserve(options.text('report'))
  const abort = new AbortController()
  void signalled().then(() => abort.abort())
  // Late: other commands start without the weight of the simulator.
  const [{ BrokerProcess }, { whyNoDtls }, { runDemo }, { HOME, devicesOf, withoutDtls }] = await Promise.all([
    import('../broker-process.ts'),
    import('../../coaps-listener.ts'),
    import('../../../simulator/demo.ts'),
    import('../../../simulator/home-plan.ts'),
  ])
  const manifests = await readYaml([join(packageFolder(), 'devices')])
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-demo-'))
  const data = options.text('data') ?? join(folder, 'broker')
  const screen = demoScreen(terminal, json)
  const broker = new BrokerProcess({
    folder,
    data,
    args: UNSAFE.filter(name => options.flag(name)).map(name => `--${name}`),
    freePorts: options.flag('free-ports'),
    say: line => screen.note(`latchkey: ${line}`),
  })
  const missing = whyNoDtls()
  const plan = missing === null ? HOME : withoutDtls(HOME)
  if (missing !== null) {
    screen.note(`latchkey: ${missing}`)
    for (const { id, otherwise } of devicesOf(HOME))
      if (otherwise) screen.note(`latchkey: without DTLS ${id} speaks ${otherwise} in place of coaps`)
  }
  let report: Report
  try {
    const home = { plan, seconds, speed, seed, folder, manifests }
    report = await runDemo(home, { broker: controlOf(broker), screen, signal: abort.signal })
  } finally {
    screen.close()
    await broker.stop()
    if (!options.flag('keep')) await rm(folder, { recursive: true, force: true })
  }
  await reportFile?.write(report)
  exitAfter(report.ok ? 0 : 1)
  const kept = options.flag('keep') ? [`look into ${folder}: broker.log, devices/, latchkey.json`] : []
  const text = terminal.screen === null ? summaryLines(report).join('\n') : ''
  return { json: report, text, exitCode: report.ok ? 0 : 1, next: [...kept, ...(report.ok ? NEXT : [])] }
}

const NEXT = ['latchkey serve, and latchkey apply devices/ in another terminal: the same home without the simulator']

function secondsOf(options: Options): number {
  const seconds = options.duration('for') ?? DEFAULTS.seconds
  if (seconds < SHORTEST_RUN) {
    throw new Misuse(
      `--for ${options.text('for')}: a run takes at least ${SHORTEST_RUN}s, or there is no time for a renewal, a revocation and a restart`,
    )
  }
  if (seconds > LONGEST_RUN) throw new Misuse(`--for ${options.text('for')}: at most ${formatDuration(LONGEST_RUN)}`)
  return seconds
}

function speedOf(options: Options): number {
  const speed = options.count('speed') ?? DEFAULTS.speed
  if (speed < 1 || speed > FASTEST) throw new Misuse(`--speed ${speed}: 1 to ${FASTEST} is possible`)
  return speed
}

/** Opened before anything starts: a run whose report cannot be written is not begun. */
async function reserve(path: string | undefined) {
  if (path === undefined) return null
  const file = await open(path, 'w').catch((error: unknown) => {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error)
    throw new Misuse(`--report ${path} cannot be written (${code}): name a file in a folder that exists`)
  })
  return {
    async write(report: Report): Promise<void> {
      await file.writeFile(`${JSON.stringify(report, null, 2)}\n`)
      await file.close()
    },
  }
}

/** What the simulator may know and do. The address is read afresh each time: the broker is not there yet. */
function controlOf(broker: BrokerProcess) {
  return {
    start: () => broker.start(),
    kill: () => broker.kill(),
    operator: () => broker.operator(),
    get listeners() {
      return broker.listeners
    },
    address: {
      get listeners() {
        return broker.listeners
      },
      get httpsUrl() {
        return broker.server.url
      },
      get ca() {
        return broker.server.ca
      },
    },
  }
}

/** Nothing that is still open may keep the process from ending. */
function exitAfter(code: number): void {
  setTimeout(() => process.exit(code), LINGER).unref()
}
