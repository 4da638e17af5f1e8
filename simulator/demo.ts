// The course of the demo: a home comes alive, is attacked, loses a device and its broker, and is judged.
import { Interrupted, within } from './bounded.ts'
import { denialsOf } from './denials.ts'
import { makeReport, type Report } from './report.ts'
import { type DemoOptions, type DemoPorts, Run } from './run.ts'
import { judgeAudit, judgeHome, judgeIntruder } from './steps/conclude.ts'
import { enrolHome } from './steps/enrol.ts'
import { intrude } from './steps/intrude.ts'
import { openHouse } from './steps/open-house.ts'
import { restart } from './steps/restart.ts'
import { revoke } from './steps/revoke.ts'

/** Milliseconds that each step may take. */
const STEP = { house: 60_000, enrolment: 30_000, intruder: 90_000, revocation: 40_000, restart: 90_000, last: 30_000 }
/** Milliseconds between two steps of the world, two pictures, and two looks into the audit trail. */
const EVERY = { world: 100, picture: 250, denials: 1_000 }
const SHOWN_DENIALS = 20
/** Milliseconds for everybody to leave. */
const LEAVE = 10_000

/**
 * Runs the demo to its end, or to the end of `signal`, and reports. Never throws for what happens in the run: that is a
 * failed check. The broker is left running.
 */
export async function runDemo(options: DemoOptions, ports: DemoPorts): Promise<Report> {
  const run = new Run(options, ports)
  const stop = keepGoing(run)
  try {
    await course(run)
  } catch (error) {
    run.add({
      name: 'run-completes',
      ok: false,
      expected: `the run takes its ${options.seconds} s`,
      observed: error instanceof Interrupted ? 'it was ended early' : String(error),
      evidence: `after ${run.elapsed.toFixed(1)} s`,
    })
  } finally {
    stop()
  }
  const report = reportOf(run)
  run.judged()
  await leave(run)
  return report
}

async function course(run: Run): Promise<void> {
  const { timetable } = run
  await run.step('broker', STEP.house, () => openHouse(run))
  // Without a broker there is nothing to see.
  if (run.listener === null) return
  await run.step('enrolment', STEP.enrolment, () => enrolHome(run))
  await run.until(timetable.intrudeAt)
  await run.step('intruder', STEP.intruder, () => intrude(run))
  await run.until(timetable.revokeAt)
  await run.step('revocation', STEP.revocation, () => revoke(run))
  await run.until(timetable.readerLeavesAt)
  await run.step('restart', STEP.restart, () => restart(run))
  await run.until(timetable.seconds)
  await run.step('last checks', STEP.last, async () => {
    judgeHome(run)
    judgeIntruder(run)
    await judgeAudit(run)
  })
}

/** The world goes on and is drawn, whatever the course of the run is at. */
function keepGoing(run: Run): () => void {
  let looking = false
  const look = async () => {
    // A broker that is slow would only get slower.
    if (looking) return
    looking = true
    await lookForDenials(run)
    looking = false
  }
  const timers = [
    setInterval(() => run.home.tick(run.elapsed), EVERY.world),
    setInterval(() => run.draw(), EVERY.picture),
    setInterval(() => void look(), EVERY.denials),
  ]
  return () => {
    for (const timer of timers) clearInterval(timer)
  }
}

/** Only for the view: while the broker is away there is nothing new. */
async function lookForDenials(run: Run): Promise<void> {
  if (run.listener === null) return
  const found = await denialsOf(run.broker.operator()).catch(() => null)
  if (found === null) return
  const newest = run.denials[0]?.id ?? 0
  const news = found.filter(({ id }) => id > newest)
  for (const { principal, action, target, because } of news.toReversed())
    run.announce(`refused: ${principal} ${action} ${target} (${because})`)
  run.denials = [...news, ...run.denials].slice(0, SHOWN_DENIALS)
}

function reportOf({ options, home, checker, checks, broker, elapsed }: Run): Report {
  const { seed, speed, seconds } = options
  return makeReport({
    seed,
    speed,
    worldDigest: home.world.digest,
    listeners: broker.listeners,
    rooms: checker.report(Math.min(elapsed, seconds)),
    devices: home.reports(),
    checks,
  })
}

async function leave({ home, listener }: Run): Promise<void> {
  const everybody = Promise.all([home.stop(), listener?.close()])
  await within('leaving', LEAVE, new AbortController().signal, everybody).catch(() => {})
}
