// Devices come with nothing but a one-time token each, and get their own keys for it.
import type { EnrolmentInput, LatchkeyClient } from '../../src/client/client.ts'
import type { HomeDevice } from '../devices/home-device.ts'
import { type DevicePlan, devicesOf, type HomePlan } from '../home-plan.ts'
import type { Run } from '../run.ts'
import type { Timetable } from '../timetable.ts'

/** Seconds that an enrolment token works. */
const TOKEN_TTL = 120

export async function enrolHome(run: Run): Promise<void> {
  const { broker, home, options, timetable } = run
  const operator = broker.operator()
  await operator.clients.update(home.energy.id, { tokenLifetime: timetable.lifetime })
  const { secret = '' } = await operator.credentials.issue({
    owner: home.energy.id,
    kind: 'secret',
    audience: 'token',
    lifetime: timetable.keyLifetime,
  })
  const arrivals = [
    ...home.devices.map(async device => {
      const token = await enrolmentToken(operator, device, planOf(options.plan, device.id), timetable)
      await device.start(token)
      return device.id
    }),
    home.energy.start(secret).then(() => home.energy.id),
  ]
  const settled = await Promise.allSettled(
    arrivals.map(async arrival => {
      const device = await arrival
      run.holdings.push({ device, from: run.elapsed, to: timetable.seconds, lifetime: timetable.lifetime })
    }),
  )
  const problems = settled.flatMap(({ status, ...end }) =>
    status === 'rejected' && 'reason' in end
      ? [String(end.reason instanceof Error ? end.reason.message : end.reason)]
      : [],
  )
  run.add({
    name: 'devices-enrol',
    ok: problems.length === 0,
    expected: 'every device gets its credential for a one-time token, and takes part',
    observed: problems.length === 0 ? `all ${settled.length}` : problems.join('; '),
    evidence: `POST /v1/enrolments/redeem, then a login each; the service by POST /oauth2/token`,
  })
  run.tell(`${settled.length - problems.length} of ${settled.length} enrolled and took part`)
}

/** Tells the broker to expect the device, and what it may be given. */
export async function enrolmentToken(
  operator: LatchkeyClient,
  { id, type }: Pick<HomeDevice, 'id' | 'type'>,
  plan: DevicePlan,
  timetable: Timetable,
): Promise<string> {
  const input: EnrolmentInput = { type, device: id, ttl: TOKEN_TTL, ...grantOf(plan, timetable) }
  return (await operator.enrolments.create(input)).token
}

/** Keys and secrets by which tokens are made outlast the run; what is shown to the broker itself is short-lived. */
function grantOf(
  { credential, tokens }: DevicePlan,
  { lifetime, keyLifetime }: Timetable,
): Pick<EnrolmentInput, 'kinds' | 'lifetime'> {
  if (credential === 'jwt') return { kinds: [tokens === 'fetched' ? 'secret' : 'jwt-key'], lifetime: keyLifetime }
  return { kinds: [credential], lifetime }
}

export function planOf(home: HomePlan, id: string): DevicePlan {
  const found = devicesOf(home).find(plan => plan.id === id)
  if (!found) throw new RangeError(`the plan has no device '${id}'`)
  return found
}
