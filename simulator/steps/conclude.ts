// The last checks, when the time of the run is over.
import type { AuditRecord, LatchkeyClient } from '../../src/client/client.ts'
import { denialsCheck, refusalsCheck, verificationCheck } from '../checks/audit-checks.ts'
import { deviceChecks, kindsCheck, readingCheck } from '../checks/device-checks.ts'
import { deafnessChecks, recoveryCheck, roomChecks, sensorsCheck } from '../checks/room-checks.ts'
import type { Run } from '../run.ts'

/** Records in a page, and pages that are looked through: an hour's. */
const PAGE = 500
const PAGES = 40

/** What is known without asking the broker. */
export function judgeHome(run: Run): void {
  const { checker, home, holdings, timetable, options, sessions } = run
  const { plan } = options
  const at = Math.min(run.elapsed, timetable.seconds)
  run.add(
    ...roomChecks(checker, plan, at),
    ...deafnessChecks(checker, home.deafness),
    ...plan.rooms.slice(0, 1).map(({ name }) => recoveryCheck(checker, name)),
    sensorsCheck(checker, plan),
    kindsCheck(plan, sessions),
    ...deviceChecks(home.inhabitants, holdings),
    readingCheck(home.energy, sessions),
  )
}

/** By its effect too: a command of the intruder's must not have been heard by anybody. */
export function judgeIntruder({ attempts, checker, add }: Run): void {
  for (const { attempt, outcome } of attempts) {
    const { ok, observed, evidence, command } = outcome
    const arrived = command !== undefined && checker.heardCommand(command.room, command.id)
    add({
      name: attempt.name,
      ok: ok && !arrived,
      expected: attempt.expected,
      observed: arrived ? `${observed}, and the command arrived` : observed,
      evidence: arrived ? `${evidence}; id ${command.id} received on home/${command.room}/ac/set` : evidence,
    })
  }
}

export async function judgeAudit({ broker, intruder, add }: Run): Promise<void> {
  const operator = broker.operator()
  add(verificationCheck(await operator.audit.verify()))
  if (intruder) {
    const denied = await recordsOf(operator, 'decision', ({ event }) => event.permit === false)
    add(denialsCheck(intruder.own.id, intruder.victim.room, denied))
  }
  add(refusalsCheck(await recordsOf(operator, 'authentication', ({ event }) => event.result === 'refused')))
}

/** Newest first. */
async function recordsOf(operator: LatchkeyClient, type: string, wanted: (record: AuditRecord) => boolean) {
  const found: AuditRecord[] = []
  let after: string | undefined
  for (let page = 0; page < PAGES; page++) {
    const { items, next } = await operator.audit.list({ type, reverse: true, limit: PAGE, after })
    found.push(...items.filter(wanted))
    if (next === null) break
    after = next
  }
  return found
}
