import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { FailureCode } from '../../../src/model/failure.ts'
import type { Principal } from '../../../src/model/principal.ts'
import { asPassword, type Door, deviceToken, furtherDoors, OPERATOR, openDoor } from '../../fixtures/door.ts'

const random = { bytes: (count: number) => randomBytes(count) }
let door: Door
beforeAll(async () => {
  door = await openDoor()
  await door.device('t1')
  await door.device('t2')
})
afterAll(() => door.close())

const another = furtherDoors()

describe('several identities in one evidence', () => {
  test('all must be proved and agree', async () => {
    const certificate = await door.certificate('t1')
    const own = await door.secret('t1')
    const foreign = await door.secret('t2')
    const showing = { certificates: [certificate.der] }
    expect(await door.authenticate({ ...showing, username: 't1', ...asPassword(own.secret) })).toMatchObject({
      credential: { kind: 'x509' },
      besides: [{ id: own.id, kind: 'secret' }],
    })
    expect(await door.refusal({ ...showing, ...asPassword(foreign.secret) })).toBe('identities-differ')
    expect(await door.refusal({ ...showing, username: 't2' })).toBe('identities-differ')
    expect(await door.refusal({ ...showing, username: '__proto__' })).toBe('identities-differ')
    expect(await door.refusal({ ...showing, ...asPassword('wrong') })).toBe('bad-secret')
    expect(await door.refusal({ username: 't2', ...asPassword(own.secret) })).toBe('identities-differ')
  })

  test('an empty username or password claims nothing', async () => {
    const certificate = await door.certificate('t1')
    const evidence = { certificates: [certificate.der], username: '', password: Buffer.alloc(0) }
    expect((await door.authenticate(evidence)).subject.id).toBe('t1')
  })

  test('it ends with whichever ends first', async () => {
    const certificate = await door.certificate('t1')
    const { privateKey } = await door.jwtKey('t1')
    const exp = Math.floor(Date.now() / 1000) + 60
    const token = await deviceToken('t1', privateKey, { exp })
    const principal = await door.authenticate({ certificates: [certificate.der], ...asPassword(token) })
    expect(principal.expiresAt).toBe(exp * 1000)
  })
})

describe('no evidence', () => {
  test('is refused, a mere username included', async () => {
    expect(await door.refusal({})).toBe('no-evidence')
    expect(await door.refusal({ username: 't1' })).toBe('no-evidence')
    expect(await door.refusal({ username: 't1', clientId: 't1', password: Buffer.alloc(0) })).toBe('no-evidence')
  })

  test('is anonymous where the configuration says so, on the transports it names', async () => {
    const open = await another({ anonymous: { role: 'guest', transports: ['mqtt'] } })
    await open.device('t1')
    expect(await open.authenticate({ transport: 'mqtt', clientId: 'anything' })).toMatchObject({
      subject: { kind: 'anonymous', roles: ['guest'] },
      credential: null,
      expiresAt: null,
    })
    expect(await open.refusal({ transport: 'mqtts' })).toBe('no-evidence')
    expect(await open.refusal({ transport: 'mqtt', username: 't1' })).toBe('no-evidence')
    expect(await open.refusal({ transport: 'mqtt', ...asPassword('wrong') })).toBe('bad-secret')
    for (const clientId of ['t1', 't1/x']) {
      expect(await open.refusal({ transport: 'mqtt', clientId })).toBe('client-id-not-yours')
    }
  })
})

describe('client identifiers', () => {
  test('own, under, and those of children', async () => {
    await door.device('hub', { clientIds: 'under' })
    await door.device('leaf', { parent: 'hub' })
    const hub = asPassword((await door.secret('hub')).secret)
    const leaf = asPassword((await door.secret('leaf')).secret)
    for (const clientId of ['hub', 'hub/1', 'hub/a/b', 'leaf'])
      expect((await door.authenticate({ ...hub, clientId })).subject.id).toBe('hub')
    for (const clientId of ['hubris', 'hub2', 't1', 'leaf/1', 'HUB', ' hub'])
      expect(await door.refusal({ ...hub, clientId }), clientId).toBe('client-id-not-yours')
    for (const clientId of ['hub', 'leaf/1'])
      expect(await door.refusal({ ...leaf, clientId }), clientId).toBe('client-id-not-yours')
  })

  test('neither wildcards nor control characters, and no longer than the limit', async () => {
    const hub = asPassword((await door.secret('hub')).secret)
    for (const clientId of ['hub/+', 'hub/#', 'hub/\u0007', 'hub/\u202e', `hub/${'x'.repeat(300)}`])
      expect(await door.refusal({ ...hub, clientId }), clientId).toBe('client-id-not-yours')
  })

  test('an empty one is assigned: the own id, or a fresh one under it', async () => {
    const t1 = await door.authenticate({ ...asPassword((await door.secret('t1')).secret), clientId: '' })
    const hub = await door.authenticate({ ...asPassword((await door.secret('hub')).secret), clientId: '' })
    const { authenticator } = door
    expect(authenticator.assignClientId(t1, random)).toBe('t1')
    const first = authenticator.assignClientId(hub, random)
    expect(first).toMatch(/^hub\/[\w-]{8}$/)
    expect(authenticator.assignClientId(hub, random)).not.toBe(first)
    expect(authenticator.admitsClientId(hub, first)).toBe(true)
    expect(authenticator.admitsClientId(t1, first)).toBe(false)
    const open = await another({ anonymous: { role: 'guest', transports: ['mqtt'] } })
    const guest = await open.authenticate({ transport: 'mqtt', clientId: '' })
    const assigned = open.authenticator.assignClientId(guest, random)
    expect(open.authenticator.admitsClientId(guest, assigned)).toBe(true)
  })
})

describe('too many failures', () => {
  test('of one claim from one address do not lock the device out elsewhere', async () => {
    const strict = await another({ limits: { claimBurst: 3 } })
    await strict.device('t1')
    const { id, secret } = await strict.secret('t1')
    await strict.rooms.registry.suspendDevice('t1', OPERATOR)
    const evidence = asPassword(secret)
    const codes: FailureCode[] = []
    for (let i = 0; i < 5; i++) codes.push(await strict.refusal(evidence))
    expect(codes).toEqual([
      ...Array.from({ length: 3 }, () => 'owner-suspended'),
      ...Array.from({ length: 2 }, () => 'authentication-throttled'),
    ])
    await strict.rooms.registry.resumeDevice('t1', OPERATOR)
    expect((await strict.authenticate({ ...evidence, address: '198.51.100.7' })).credential?.id).toBe(id)
    strict.ahead(60_000)
    expect((await strict.authenticate(evidence)).credential?.id).toBe(id)
  })

  test("by a stranger who knows a device's name do not lock it out, not even behind one address", async () => {
    const strict = await another({ limits: { addressBurst: 5, claimBurst: 3 } })
    await strict.device('t1')
    const evidence = { username: 't1', ...asPassword((await strict.secret('t1')).secret) }
    await strict.authenticate(evidence)
    const codes = new Set<FailureCode>()
    for (let i = 0; i < 20; i++) codes.add(await strict.refusal({ username: 't1', ...asPassword(`guess ${i}`) }))
    expect([...codes]).toEqual(['bad-secret', 'authentication-throttled'])
    expect((await strict.authenticate(evidence)).subject.id).toBe('t1')
  })

  test('that cannot even be read count too', async () => {
    const strict = await another({ limits: { addressBurst: 2 } })
    const junk = asPassword('eyJ.e30.')
    expect([await strict.refusal(junk), await strict.refusal(junk), await strict.refusal(junk)]).toEqual([
      'token-invalid',
      'token-invalid',
      'authentication-throttled',
    ])
  })
})

test('nobody comes in while the house is closed to all', async () => {
  let closed: FailureCode | null = 'clock-behind'
  const shut = await another({ refuseAll: () => closed })
  await shut.device('t1')
  const evidence = asPassword((await shut.secret('t1')).secret)
  expect(await shut.refusal(evidence)).toBe('clock-behind')
  closed = null
  expect((await shut.authenticate(evidence)).subject.id).toBe('t1')
})

describe('enhanced authentication', () => {
  const evidence = {
    transport: 'mqtts',
    address: '192.0.2.1',
    clientId: 't1',
    certificates: [],
    pskIdentity: null,
    username: null,
    password: null,
  } as const
  const code = (code: string) => expect.objectContaining({ code })

  test('a method that is not served is refused', () => {
    expect(() => door.authenticator.begin(evidence, 'KERBEROS')).toThrow(code('authentication-method'))
  })

  test('JWT admits as the same token in a password does, and nothing but a JWT', async () => {
    await door.device('m1')
    const { privateKey } = await door.jwtKey('m1')
    const token = Buffer.from(await deviceToken('m1', privateKey))
    const begin = (more: object = {}) => door.authenticator.begin({ ...evidence, clientId: 'm1', ...more }, 'JWT')
    const { principal } = (await begin().step(token)) as { principal: Principal }
    expect(principal).toEqual(await door.authenticate({ clientId: 'm1', password: token }))
    const { secret } = await door.secret('m1')
    const { certificate } = await door.certificate('m1')
    const channel = { certificates: [certificate.raw] }
    for (const [data, more] of [
      [null, {}],
      [null, channel],
      [Buffer.alloc(0), channel],
      [Buffer.from(secret), {}],
      [Buffer.from('nonsense'), channel],
      [token, { password: Buffer.from(secret) }],
    ] as const)
      await expect(begin(more).step(data)).rejects.toEqual(code('token-invalid'))
    const both = (await begin(channel).step(token)) as { principal: Principal }
    expect([both.principal.credential?.kind, both.principal.besides?.length]).toEqual(['x509', 1])
  })

  test('re-authentication ends in the same subject or not at all', async () => {
    const tokens = await Promise.all(
      ['m2', 'm3'].map(async id => {
        await door.device(id)
        return Buffer.from(await deviceToken(id, (await door.jwtKey(id)).privateKey))
      }),
    )
    const [own, others] = tokens as [Buffer, Buffer]
    const before = await door.authenticate({ password: own })
    const again = (token: Buffer) =>
      door.authenticator.begin({ ...evidence, clientId: null }, 'JWT', before).step(token)
    await expect(again(others)).rejects.toEqual(code('identities-differ'))
    await expect(again(own)).resolves.toMatchObject({ state: 'done', principal: { subject: { id: 'm2' } } })
  })
})

describe('audit trail', () => {
  test('every result, with who and by what; refusals name the credential that was tried', async () => {
    const { rooms } = door
    await door.device('watched')
    const { id, secret } = await door.secret('watched')
    const [last] = await rooms.audit.list({ reverse: true, limit: 1 })
    await door.authenticate({ ...asPassword(secret), clientId: 'watched' })
    await door.refusal({ ...asPassword(secret), username: 't2' })
    await rooms.registry.revokeCredential(id, { reason: 'lost' }, OPERATOR)
    await door.refusal(asPassword(secret))
    await door.refusal(asPassword('nonsense'))
    const records = await rooms.audit.list({ after: last?.id ?? 0, type: 'authentication' })
    const base = { type: 'authentication', transport: 'mqtts', address: '192.0.2.1' }
    const known = { principal: 'watched', credential: id, credentialKind: 'secret' }
    expect(records.map(({ event }) => event)).toEqual([
      { ...base, result: 'accepted', failure: null, clientId: 'watched', ...known },
      { ...base, result: 'refused', failure: 'identities-differ', clientId: null, ...known },
      { ...base, result: 'refused', failure: 'credential-revoked', clientId: null, ...known },
      {
        ...base,
        result: 'refused',
        failure: 'bad-secret',
        clientId: null,
        principal: null,
        credential: null,
        credentialKind: null,
      },
    ])
    expect(JSON.stringify(records)).not.toContain(secret.slice(-30))
  })
})

test('without enforcement whoever claims an identity is believed: tests of attacks must be able to fail', async () => {
  const blind = await another({ enforcement: 'off-for-tests' })
  await blind.device('t1')
  expect((await blind.authenticate({ username: 't1', ...asPassword('wrong') })).subject).toMatchObject({
    id: 't1',
    type: 'thermostat',
  })
  expect((await blind.authenticate({ clientId: 't1' })).subject.id).toBe('t1')
  expect((await blind.authenticate({ pskIdentity: 't1' })).subject.id).toBe('t1')
})
