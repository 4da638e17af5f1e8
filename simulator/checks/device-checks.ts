// What the devices and services of the home must have shown.
import type { Session } from '../../src/client/client.ts'
import type { Inhabitant } from '../devices/home-device.ts'
import { type DevicePlan, devicesOf, type HomePlan } from '../home-plan.ts'
import type { Check } from '../report.ts'
import { renewalIsDue } from '../timetable.ts'

/** How the broker calls what proves a device: a JWT hangs on a key. */
const KINDS: Readonly<Record<DevicePlan['credential'], string>> = {
  x509: 'x509',
  psk: 'psk',
  secret: 'secret',
  jwt: 'jwt-key',
  oscore: 'oscore',
}

/** At least one device each. */
const OVER_MQTT = ['x509/mqtts', 'psk/mqtts', 'secret/mqtts', 'secret/wss', 'jwt/mqtts']
const OVER_COAP = ['psk/coaps', 'x509/coaps', 'jwt/coaps', 'oscore/coap']
/** On a machine without DTLS. */
const OVER_PLAIN_COAP = ['jwt/coap', 'oscore/coap']

/** By the broker's own list of who is connected by what. */
export function kindsCheck(plan: HomePlan, sessions: readonly Session[]): Check {
  const devices = devicesOf(plan)
  const all = [...devices, plan.energy]
  const seen = ({ id, protocol, credential }: DevicePlan) =>
    sessions.some(
      ({ principal, transport, credential: proved }) =>
        principal === id && transport === protocol && proved?.kind === KINDS[credential],
    )
  const missing = all.filter(device => !seen(device)).map(({ id }) => id)
  const hasDtls = devices.some(({ protocol }) => protocol === 'coaps')
  const kinds = [...OVER_MQTT, ...(hasDtls ? OVER_COAP : OVER_PLAIN_COAP)]
  const planned = new Set(devices.map(({ credential, protocol }) => `${credential}/${protocol}`))
  const lacking = kinds.filter(kind => !planned.has(kind))
  for (const what of ['thermostat', 'airConditioner'] as const)
    for (const family of ['mqtt', 'coap'])
      if (!plan.rooms.some(room => room[what].protocol.startsWith(family))) lacking.push(`${what}/${family}`)
  const gaps = [...missing, ...lacking]
  return {
    name: 'protocols-and-credentials',
    ok: gaps.length === 0,
    expected: `devices by ${kinds.join(', ')}, thermostats and air conditioners over MQTT and CoAP; a service with a token`,
    observed: gaps.length === 0 ? `all ${all.length}, each as planned` : `not as planned: ${gaps.join(', ')}`,
    evidence: sessions
      .filter(({ principal }) => all.some(({ id }) => id === principal))
      .map(({ principal, transport, credential }) => `${principal} ${transport} ${credential?.kind ?? 'unproved'}`)
      .join(', '),
  }
}

/** A credential that a device held: seconds of the run, and of its life. */
export interface Holding {
  readonly device: string
  readonly from: number
  readonly to: number
  readonly lifetime: number
}

export function deviceChecks(inhabitants: readonly Inhabitant[], holdings: readonly Holding[]): Check[] {
  const due = inhabitants.filter(({ id }) =>
    holdings.some(({ device, from, to, lifetime }) => device === id && renewalIsDue(from, lifetime, to)),
  )
  return [
    each('devices-connect', 'every device logs in', 'accepted logins', inhabitants, ({ counts }) => counts.connects),
    each(
      'devices-publish',
      'every device has messages acknowledged',
      'acknowledged messages',
      inhabitants.filter(({ type }) => type !== 'service'),
      ({ counts }) => counts.published,
    ),
    renewalCheck(inhabitants, due),
  ]
}

/** `due`: those who must have. In a run so short that nobody must, somebody has to be seen doing it. */
function renewalCheck(inhabitants: readonly Inhabitant[], due: readonly Inhabitant[]): Check {
  const without = due.filter(({ counts }) => counts.renewals === 0).map(({ id }) => id)
  const some = inhabitants.some(({ counts }) => counts.renewals > 0)
  return {
    name: 'devices-renew',
    ok: some && without.length === 0,
    expected: 'every device renews its credential or token before it ends',
    observed: without.length > 0 ? `not ${without.join(', ')}` : some ? `all ${due.length} that had to` : 'nobody did',
    evidence: `renewals: ${inhabitants.map(({ id, counts }) => `${id} ${counts.renewals}`).join(', ')}`,
  }
}

function each(
  name: string,
  expected: string,
  what: string,
  inhabitants: readonly Inhabitant[],
  count: (inhabitant: Inhabitant) => number,
): Check {
  const without = inhabitants.filter(one => count(one) === 0).map(({ id }) => id)
  return {
    name,
    ok: inhabitants.length > 0 && without.length === 0,
    expected,
    observed: without.length === 0 ? `all ${inhabitants.length}` : `not ${without.join(', ')}`,
    evidence: `${what}: ${inhabitants.map(one => `${one.id} ${count(one)}`).join(', ')}`,
  }
}

export function readingCheck(energy: Inhabitant, sessions: readonly Session[]): Check {
  const session = sessions.find(({ principal }) => principal === energy.id)
  const kind = session?.credential?.kind
  return {
    name: 'energy-reads-by-token',
    ok: kind === 'jwt-key' && session?.expiresAt != null && energy.counts.received > 0,
    expected: 'the energy service receives messages on a session that its access token ends',
    observed: `${energy.counts.received} messages received`,
    evidence:
      session === undefined
        ? 'no session'
        : `session by ${kind ?? 'nothing proved'}, ends ${session.expiresAt ?? 'never'}`,
  }
}

/** Milliseconds from the call that revoked to the end of the connection. */
const CUT_WITHIN = 1_000

export interface Revocation {
  readonly device: string
  /** Of the checks' names, beside those of another device. */
  readonly suffix?: string
  readonly credential: string
  /** Null: its connection did not end. */
  readonly cutAfterMs: number | null
  readonly reason: string
  /** Login, and a message heard after it. */
  readonly returned: boolean
}

export function revocationChecks({
  device,
  suffix = '',
  credential,
  cutAfterMs,
  reason,
  returned,
}: Revocation): Check[] {
  return [
    {
      name: `revoked-device-cut-off${suffix}`,
      ok: cutAfterMs !== null && cutAfterMs <= CUT_WITHIN,
      expected: `the connection of ${device} ends within ${CUT_WITHIN} ms of the call that revokes its credential`,
      observed: cutAfterMs === null ? 'it stayed connected' : `${Math.round(cutAfterMs)} ms`,
      evidence: `credential ${credential}: ${reason}`,
    },
    {
      name: `revoked-device-returns${suffix}`,
      ok: returned,
      expected: `${device} enrols anew with a new token and its messages are heard again`,
      observed: returned ? 'it returned' : 'it did not return',
      evidence: `login with a new credential, message received on the topic of its room`,
    },
  ]
}
