// One credential is revoked in the middle of the run: its device is cut off, enrols anew, and its room recovers.
import { join } from 'node:path'
import type { LatchkeyClient } from '../../src/client/client.ts'
import { eventually } from '../bounded.ts'
import { revocationChecks } from '../checks/device-checks.ts'
import { CredentialFolder } from '../devices/credential-folder.ts'
import type { HomeDevice } from '../devices/home-device.ts'
import { stolenCertificate } from '../intruder/attempts.ts'
import type { Run } from '../run.ts'
import { enrolmentToken, planOf } from './enrol.ts'
import { tryOut } from './intrude.ts'

/** Milliseconds that we wait for the end of the connection: longer than is allowed, to tell how long it took. */
const WAIT_FOR_CUT = 2_500
/** Milliseconds from the new enrolment to a message on the wire. */
const WAIT_FOR_RETURN = 10_000

export async function revoke(run: Run): Promise<void> {
  const { broker, home, options, timetable } = run
  const [room] = options.plan.rooms
  if (!room) throw new RangeError('the plan has no room')
  const device = home.device(room.thermostat.id)
  const operator = broker.operator()
  const sessions: (typeof run.sessions)[number][] = []
  for await (const session of operator.sessions.all()) sessions.push(session)
  run.sessions = sessions

  // The thief copies the files of the device while they are good.
  const stolen = await new CredentialFolder(join(options.folder, 'devices', device.id)).read()
  const cut = await cutOff(run, operator, device)
  run.tell(`the credential of ${device.id} is revoked: ${cut.told}`)
  if (run.intruder && stolen?.kind === 'x509') {
    const { certificate, chain, privateKey } = stolen
    await tryOut(run, stolenCertificate(run.intruder, { certificate: certificate + chain, privateKey }))
  }

  const before = run.checker.now(room.name).readings
  const plan = planOf(options.plan, device.id)
  await device.enrolAgain(await enrolmentToken(operator, device, plan, timetable))
  run.holdings.push({ device: device.id, from: run.elapsed, to: timetable.seconds, lifetime: timetable.lifetime })
  const heard = () => home.isUp(device.id) && run.checker.now(room.name).readings > before
  const returned = await eventually(heard, WAIT_FOR_RETURN, run.sleep)
  run.tell(`${device.id} ${returned ? 'enrolled anew and is back' : 'did not come back'}`)
  run.add(...revocationChecks({ device: device.id, ...cut, returned }))
}

/** Revokes what its connection hangs on, and then whatever else it holds. */
async function cutOff({ home, sessions, sleep, holdings, elapsed }: Run, operator: LatchkeyClient, device: HomeDevice) {
  const held = holdings.find(holding => holding.device === device.id)
  if (held) holdings[holdings.indexOf(held)] = { ...held, to: elapsed }
  const active = await activeOf(operator, device.id)
  const session = sessions.find(({ principal }) => principal === device.id)
  const used = session?.credential?.id ?? active.at(-1)
  if (used === undefined) throw new Error(`${device.id} has no credential to revoke`)

  let end: { readonly reason: string; readonly at: number } | null = null
  device.once('disconnected', (reason, at) => {
    end = { reason, at }
  })
  const revokedAt = new Date().toISOString()
  const calledAt = performance.now()
  await operator.credentials.revoke(used, 'the demo shows how fast this is')
  // Looked up again: it may be renewing at this very moment.
  for (const id of await activeOf(operator, device.id)) await operator.credentials.revoke(id, 'its device was robbed')
  await eventually(() => end !== null, WAIT_FOR_CUT, sleep)
  const ended = end as { readonly reason: string; readonly at: number } | null
  const cutAfterMs = ended === null ? null : Math.max(0, ended.at - calledAt)
  home.wasCut(device.id, { revokedAt, cutAfterMs })
  return {
    credential: used,
    cutAfterMs,
    reason: ended?.reason ?? 'the connection did not end',
    told: cutAfterMs === null ? 'it stayed connected' : `cut off after ${Math.round(cutAfterMs)} ms`,
  }
}

async function activeOf(operator: LatchkeyClient, owner: string): Promise<string[]> {
  const active: string[] = []
  for await (const { id, status } of operator.credentials.all({ owner })) if (status === 'active') active.push(id)
  return active
}
