import { beforeEach, describe, expect, it } from 'vitest'
import type { Principal } from '../../../src/model/principal.ts'
import type { CredentialRecord } from '../../../src/registry/records.ts'
import { ACTOR, type House, openHouse, principalOf, refused, unregistered } from './house.ts'

let house: House
let credential: CredentialRecord
let principal: Principal
beforeEach(async () => {
  house = await openHouse()
  await house.registry.createDevice({ id: 't1', type: 'thermostat', clientIds: 'under' }, ACTOR)
  credential = (await house.registry.issueSecret('t1', { audience: 'mqtt', lifetime: 3_600 }, ACTOR)).credential
  principal = principalOf(house.registry, 't1', credential)
})

const ISSUER = 'https://issuer.example'
const token = (jti: string, rest: Partial<Principal> = {}): Principal => ({
  ...principal,
  issuer: ISSUER,
  jti,
  expiresAt: house.clock.time + 60_000,
  ...rest,
})

describe('a principal stands', () => {
  it('through changes of attributes, groups, roles and type', async () => {
    const patch = { attributes: { room: 'attic' }, groups: ['a'], roles: ['b'], type: 'lamp' }
    await house.registry.updateDevice('t1', patch, ACTOR)
    expect(house.registry.standing(principal)).toBeNull()
    expect(house.registry.subjectOf('t1')?.attributes).toEqual(
      new Map([
        ['room', 'attic'],
        ['id', 't1'],
        ['type', 'lamp'],
      ]),
    )
  })

  it('without a record, when it is anonymous or the per-start key of the operator', () => {
    expect(house.registry.standing(unregistered('anonymous'))).toBeNull()
    expect(house.registry.standing(unregistered('operator'))).toBeNull()
  })
})

describe('a principal falls', () => {
  it('when its owner is suspended, and stays down when it is resumed', async () => {
    await house.registry.suspendDevice('t1', ACTOR)
    expect(house.registry.standing(principal)).toBe('owner-suspended')
    await house.registry.resumeDevice('t1', ACTOR)
    expect(house.registry.standing(principal)).toBe('superseded')
    expect(house.registry.standing(principalOf(house.registry, 't1', credential))).toBeNull()
  })

  it('when its client ids are narrowed', async () => {
    await house.registry.updateDevice('t1', { clientIds: 'own' }, ACTOR)
    expect(house.registry.standing(principal)).toBe('superseded')
    const narrow = principalOf(house.registry, 't1', credential)
    await house.registry.updateDevice('t1', { clientIds: 'under' }, ACTOR)
    expect(house.registry.standing(narrow)).toBeNull()
  })

  it.each([
    ['device', 'nobody'],
    ['service', 'nobody'],
    ['service', 't1'],
    ['device', '__proto__'],
    ['service', 'constructor'],
  ] as const)('when there is no %s %s', (kind, id) => {
    const subject = { ...unregistered(kind).subject, id }
    expect(house.registry.standing({ ...unregistered(kind), subject })).toBe('superseded')
    expect(house.registry.standing({ ...principal, subject })).toBe('superseded')
  })

  it('when an operator has a credential but no record', () => {
    expect(house.registry.standing({ ...principal, subject: unregistered('operator').subject })).toBe('superseded')
    const byToken = { ...unregistered('operator'), issuer: ISSUER, jti: 'x' }
    expect(house.registry.standing(byToken)).toBe('superseded')
  })

  it('when it is of another kind than its client', async () => {
    await house.registry.createClient({ id: 'energy' }, ACTOR)
    const service = principalOf(house.registry, 'energy', null)
    expect(house.registry.standing(service)).toBeNull()
    const operator = { ...service, issuer: ISSUER, subject: { ...service.subject, kind: 'operator' as const } }
    expect(house.registry.standing(operator)).toBe('superseded')
  })

  it('with a credential of somebody else, of another epoch, or none that is known', async () => {
    await house.registry.createDevice({ id: 't2', type: 'x' }, ACTOR)
    const other = await house.registry.issueSecret('t2', { audience: 'mqtt' }, ACTOR)
    expect(house.registry.standing(principalOf(house.registry, 't1', other.credential))).toBe('superseded')
    expect(house.registry.standing({ ...principal, credentialEpoch: 7 })).toBe('superseded')
    const unknown = { ...principal, credential: { id: 'toString', kind: 'secret' as const } }
    expect(house.registry.standing(unknown)).toBe('credential-revoked')
  })

  it('at its own end, whatever its credential says', () => {
    house.clock.time += 60_000
    expect(house.registry.standing(token('j'))).toBeNull()
    expect(house.registry.standing(token('j', { expiresAt: house.clock.time }))).toBe('token-expired')
    expect(house.registry.standing({ ...principal, expiresAt: house.clock.time })).toBe('credential-expired')
  })
})

describe('the end of a principal', () => {
  it('is its own or that of its credential, whichever comes first', async () => {
    const now = house.clock.time
    expect(house.registry.endOf(principal)).toBe(now + 3_600_000)
    expect(house.registry.endOf(token('j'))).toBe(now + 60_000)
    await house.registry.rotateSecret(credential.id, { overlap: 5 }, ACTOR)
    expect(house.registry.endOf(token('j'))).toBe(now + 5_000)
    expect(house.registry.endOf(unregistered('anonymous'))).toBeNull()
  })
})

describe('a denied token', () => {
  const deny = (jti: string, expiresAt = house.clock.time + 60_000, issuer = ISSUER) =>
    house.registry.denyToken({ issuer, jti, expiresAt }, ACTOR)

  it('ends its sessions and no others, and is told', async () => {
    house.told.length = 0
    await deny('one')
    expect(house.registry.standing(token('one'))).toBe('token-revoked')
    expect(house.registry.standing(token('two'))).toBeNull()
    expect(house.registry.standing(token('one', { issuer: 'https://other.example' }))).toBeNull()
    expect(house.told).toEqual([{ kind: 'token', jti: 'one', issuer: ISSUER }])
    await deny('one')
    expect(house.told).toHaveLength(1)
    expect((await house.trail()).filter(line => line.startsWith('token.denied'))).toEqual(['token.denied one'])
  })

  it('is forgotten only after its end and the skew of clocks', async () => {
    await deny('one', house.clock.time + 1_000)
    house.clock.time += 1_000 + 60_000 - 1
    expect(house.registry.isTokenDenied(ISSUER, 'one')).toBe(true)
    house.clock.time += 1
    expect(house.registry.isTokenDenied(ISSUER, 'one')).toBe(false)
    await deny('one', house.clock.time - 61_000)
    expect(house.registry.isTokenDenied(ISSUER, 'one')).toBe(false)
  })

  it('survives a restart', async () => {
    await deny('one')
    const after = await house.reopened()
    expect(after.registry.isTokenDenied(ISSUER, 'one')).toBe(true)
  })

  it('may have any name', async () => {
    for (const jti of ['__proto__', 'a/b', '../x', '\u0000', '\ud800', 'x'.repeat(8_192)]) {
      expect(house.registry.isTokenDenied(ISSUER, jti)).toBe(false)
      await deny(jti)
      expect(house.registry.isTokenDenied(ISSUER, jti)).toBe(true)
    }
    expect(house.registry.isTokenDenied(`${ISSUER}/a`, 'b')).toBe(false)
    for (const key of await house.keys('denied/')) expect(key).toMatch(/^denied\/[\w-]{43}\/[\w-]{43}$/)
  })

  it('is refused when it makes no sense', async () => {
    await refused(deny(''), 'invalid-input', 'jti')
    await refused(deny('x'.repeat(8_193)), 'invalid-input', 'jti')
    await refused(deny('x', Number.POSITIVE_INFINITY), 'invalid-input', 'expiresAt')
    await refused(deny('x', Number.NaN), 'invalid-input', 'expiresAt')
  })
})
