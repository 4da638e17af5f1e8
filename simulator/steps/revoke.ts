// Credentials are revoked in the middle of the run: their devices are cut off, enrol anew, and their rooms recover.
import { join } from 'node:path'
import type { LatchkeyClient } from '../../src/client/client.ts'
import { eventually } from '../bounded.ts'
import { revocationChecks } from '../checks/device-checks.ts'
import { CredentialFolder } from '../devices/credential-folder.ts'
import type { HomeDevice } from '../devices/home-device.ts'
import { type DevicePlan, devicesOf, type HomePlan } from '../home-plan.ts'
import { stolenCertificate } from '../intruder/attempts.ts'
import type { Run } from '../run.ts'
import { enrolmentToken, planOf } from './enrol.ts'
import { tryOut } from './intrude.ts'

/** Milliseconds that we wait for the end of the connection: longer than is allowed, to tell how long it took. */
const WAIT_FOR_CUT = 2_500
/** Milliseconds from the new enrolment to a message on the wire. */
const WAIT_FOR_RETURN = 10_000

export async function revoke(run: Run): Promise<void> {
  const [thermostat] = run.options.plan.rooms.map(room => room.thermostat)
  if (!thermostat) throw new RangeError('the plan has no room')
  const sessions: (typeof run.sessions)[number][] = []
  for await (const session of run.broker.operator().sessions.all()) sessions.push(session)
  run.sessions = sessions
  const others = overCoap(run.options.plan).map(({ id }) => rob(run, id, `:${id}`))
  await Promise.all([rob(run, thermostat.id), ...others])
}

/** One of each kind of channel over which CoAP is protected. */
function overCoap(plan: HomePlan): DevicePlan[] {
  const devices = devicesOf(plan)
  const dtls = devices.find(({ protocol }) => protocol === 'coaps')
  const oscore = devices.find(({ credential }) => credential === 'oscore')
  return [dtls, oscore].filter(one => one !== undefined)
}

async function rob(run: Run, id: string, suffix = ''): Promise<void> {
  const { broker, home, options, timetable } = run
  const device = home.device(id)
  const operator = broker.operator()
  // The thief copies the files of the device while they are good.
  const stolen = await new CredentialFolder(join(options.folder, 'devices', id)).read()
  const cut = await cutOff(run, operator, device)
  run.tell(`the credential of ${id} is revoked: ${cut.told}`)
  if (run.intruder?.victim.thermostat === id && stolen?.kind === 'x509') {
    const { certificate, chain, privateKey } = stolen
    await tryOut(run, stolenCertificate(run.intruder, { certificate: certificate + chain, privateKey }))
  }

  const before = run.checker.heardOf(roomOf(options.plan, id), device.type)
  const plan = planOf(options.plan, id)
  await device.enrolAgain(await enrolmentToken(operator, device, plan, timetable))
  run.holdings.push({ device: id, from: run.elapsed, to: timetable.seconds, lifetime: timetable.lifetime })
  const heard = () => home.isUp(id) && run.checker.heardOf(roomOf(options.plan, id), device.type) > before
  const returned = await eventually(heard, WAIT_FOR_RETURN, run.sleep)
  run.tell(`${id} ${returned ? 'enrolled anew and is back' : 'did not come back'}`)
  run.add(...revocationChecks({ device: id, suffix, ...cut, returned }))
}

const roomOf = ({ rooms }: HomePlan, id: string): string =>
  rooms.find(({ thermostat, airConditioner }) => thermostat.id === id || airConditioner.id === id)?.name ?? ''

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
