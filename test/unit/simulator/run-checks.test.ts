import { describe, expect, test } from 'vitest'
import { denialsCheck, refusalsCheck, verificationCheck } from '../../../simulator/checks/audit-checks.ts'
import { deviceChecks, kindsCheck, revocationChecks } from '../../../simulator/checks/device-checks.ts'
import { deafnessChecks, roomChecks } from '../../../simulator/checks/room-checks.ts'
import { HomeChecker } from '../../../simulator/home-checker.ts'
import { type DevicePlan, devicesOf, HOME, withoutDtls } from '../../../simulator/home-plan.ts'
import type { AuditRecord, Session } from '../../../src/client/client.ts'

const record = (event: Record<string, unknown>): AuditRecord => ({
  id: 1,
  at: '2026-11-23T12:00:00Z',
  event: { type: 'decision', ...event },
  previous: '',
  hash: '',
})

describe('rooms', () => {
  const home = (celsius: number) => {
    const checker = new HomeChecker(HOME.rooms, 10)
    for (let at = 8; at < 20; at++)
      for (const { name } of HOME.rooms)
        checker.hear({
          topic: `home/${name}/temperature`,
          payload: Buffer.from(JSON.stringify({ celsius })),
          retained: false,
          at,
        })
    return roomChecks(checker, HOME, 20)
  }

  test('each room is judged by its own set point', () => {
    const inBand = home(23).filter(({ name }) => name.startsWith('room-in-band'))
    expect(inBand.map(({ name, ok }) => [name.split(':')[1], ok])).toEqual([
      ['kitchen', false],
      ['living-room', true],
      ['bedroom', false],
      ['study', true],
      ['nursery', true],
    ])
    expect(inBand[1]?.evidence).toBe('12 readings received on home/living-room/temperature, the last one 23')
  })

  test('an air conditioner that nobody commands does not obey', () => {
    expect(home(23).find(({ name }) => name === 'ac-obeys:kitchen')?.ok).toBe(false)
  })
})

describe('a deaf air conditioner', () => {
  const noticed = (...alerts: readonly (readonly [what: string, at: number])[]) => {
    const checker = new HomeChecker([{ name: 'study', setpoint: 23 }], 0)
    for (const [what, at] of alerts)
      checker.hear({
        topic: 'home/study/alert',
        payload: Buffer.from(JSON.stringify({ what, id: 1 })),
        retained: false,
        at,
      })
    return deafnessChecks(checker, [{ room: 'study', from: 40, to: 43 }])[0]?.ok
  }

  test.each([
    ['noticed and cleared', [['ac-not-confirmed', 42] as const, ['cleared', 44] as const], true],
    ['noticed, never cleared', [['ac-not-confirmed', 42] as const], false],
    ['not noticed', [], false],
    ['another alert, earlier', [['ac-not-confirmed', 20] as const, ['cleared', 44] as const], false],
    ['cleared before', [['cleared', 39] as const, ['ac-not-confirmed', 42] as const], false],
  ])('%s', (_, alerts, ok) => expect(noticed(...alerts)).toBe(ok))
})

describe('protocols and credentials', () => {
  const kinds: Record<DevicePlan['credential'], string> = {
    x509: 'x509',
    psk: 'psk',
    secret: 'secret',
    jwt: 'jwt-key',
    oscore: 'oscore',
  }
  const session = ({ id, protocol, credential }: DevicePlan): Session => ({
    id: `s-${id}`,
    principal: id,
    kind: 'device',
    credential: { id: 'c', kind: kinds[credential] },
    clientId: id,
    transport: protocol,
    address: '127.0.0.1',
    since: '2026-11-23T12:00:00Z',
    expiresAt: null,
  })
  const all = [
    ...HOME.rooms.flatMap(({ thermostat, airConditioner }) => [thermostat, airConditioner]),
    HOME.gateway,
    HOME.energy,
  ].map(session)

  test('the plan has all that is asked for, and the broker saw it so', () => {
    expect(kindsCheck(HOME, all)).toMatchObject({ ok: true, observed: 'all 12, each as planned' })
  })

  test.each<[string, (one: Session) => Session[]]>([
    ['is not connected', () => []],
    ['comes by another transport', one => [{ ...one, transport: 'mqtt' }]],
    ['shows another credential', one => [{ ...one, credential: { id: 'c', kind: 'legacy' } }]],
    ['proves nothing', one => [{ ...one, credential: null }]],
  ])('a device that %s is named', (_, change) => {
    const sessions = all.flatMap(one => (one.principal === 'ac-study' ? change(one) : [one]))
    expect(kindsCheck(HOME, sessions)).toMatchObject({ ok: false, observed: 'not as planned: ac-study' })
  })

  test('a plan without CoAP is not enough', () => {
    const rooms = HOME.rooms.map(room => ({
      ...room,
      airConditioner: { ...room.airConditioner, protocol: 'mqtts' } as const,
    }))
    expect(kindsCheck({ ...HOME, rooms }, all).observed).toContain('airConditioner/coap')
  })

  test('without DTLS those who would need it speak something else, with the same credentials', () => {
    const plan = withoutDtls(HOME)
    const changed = devicesOf(HOME).flatMap((before, i) => {
      const after = devicesOf(plan)[i]
      return after && after.protocol !== before.protocol ? [[after.id, after.credential, after.protocol]] : []
    })
    expect(changed).toEqual([
      ['thermostat-living-room', 'psk', 'mqtts'],
      ['ac-bedroom', 'x509', 'mqtts'],
      ['thermostat-nursery', 'jwt', 'coap'],
    ])
    const sessions = [...devicesOf(plan), plan.energy].map(session)
    expect(kindsCheck(plan, sessions)).toMatchObject({ ok: true, observed: 'all 12, each as planned' })
  })
})

describe('renewals', () => {
  const counts = { connects: 1, renewals: 0, published: 1, received: 0, denied: 0 }
  const device = (id: string, renewals: number) =>
    ({ id, type: 'thermostat', counts: { ...counts, renewals } }) as Parameters<typeof deviceChecks>[0][number]
  const held = (id: string, from: number, to: number) => ({ device: id, from, to, lifetime: 30 })
  const renewed = (...args: Parameters<typeof deviceChecks>) =>
    deviceChecks(...args).find(({ name }) => name === 'devices-renew')

  test('who held a credential long enough must have renewed it', () => {
    expect(renewed([device('a', 1), device('b', 0)], [held('a', 1, 60), held('b', 1, 60)])).toMatchObject({
      ok: false,
      observed: 'not b',
    })
  })

  test('who did not, need not', () => {
    expect(renewed([device('a', 1), device('b', 0)], [held('a', 1, 60), held('b', 40, 60)])?.ok).toBe(true)
  })

  test('where nobody had to, somebody must be seen renewing', () => {
    expect(renewed([device('a', 0)], [held('a', 40, 60)])?.ok).toBe(false)
    expect(renewed([device('a', 0), device('b', 1)], [])?.ok).toBe(true)
  })
})

test.each([
  [14, true],
  [1000, true],
  [1001, false],
  [null, false],
])('cut off after %j ms: %s', (cutAfterMs, ok) => {
  const [cut] = revocationChecks({ device: 't', credential: 'c', reason: 'r', cutAfterMs, returned: true })
  expect(cut?.ok).toBe(ok)
})

describe('the audit trail', () => {
  test('must verify, and hold something', () => {
    const whole = { ok: true, records: 3, brokenAt: null, reason: null }
    expect(verificationCheck(whole).ok).toBe(true)
    expect(verificationCheck({ ...whole, records: 0 }).ok).toBe(false)
    expect(verificationCheck({ ...whole, ok: false, brokenAt: 2, reason: 'hash' })).toMatchObject({
      ok: false,
      observed: 'broken: hash',
    })
  })

  test('must hold both denials, of this intruder in this room', () => {
    const denied = (action: string, more = {}) =>
      record({ permit: false, principal: 'lamp', action, target: 'home/kitchen/ac/set', rule: null, ...more })
    const [publish, subscribe] = [denied('publish'), denied('subscribe')]
    const holds = (...records: AuditRecord[]) => denialsCheck('lamp', 'kitchen', records).ok
    expect(holds(publish, subscribe)).toBe(true)
    expect(holds(publish)).toBe(false)
    expect(holds(publish, denied('subscribe', { permit: true }))).toBe(false)
    expect(holds(publish, denied('subscribe', { principal: 'other' }))).toBe(false)
    expect(holds(publish, denied('subscribe', { target: 'home/study/temperature' }))).toBe(false)
  })

  test('must hold each reason for which somebody was not let in', () => {
    const failures = ['identities-differ', 'token-expired', 'credential-revoked', 'no-evidence']
    const refused = failures.map(failure => record({ result: 'refused', failure, clientId: 'x' }))
    expect(refusalsCheck(refused).ok).toBe(true)
    expect(refusalsCheck(refused.slice(1))).toMatchObject({ ok: false, observed: 'missing: identities-differ' })
  })
})
