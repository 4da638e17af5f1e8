import { randomBytes } from 'node:crypto'
import { beforeEach, describe, expect, it } from 'vitest'
import type { CertificateInput, CredentialRecord } from '../../../src/registry/records.ts'
import { collect } from '../store/temporary-store.ts'
import { ACTOR, type House, openHouse, principalOf, refused } from './house.ts'

const SECOND = 1_000
const DAY = 86_400 * SECOND

let house: House
beforeEach(async () => {
  house = await openHouse()
  await house.registry.createDevice({ id: 't1', type: 'thermostat' }, ACTOR)
  await house.registry.createClient({ id: 'energy' }, ACTOR)
  house.told.length = 0
})

const standing = (owner: string, credential: CredentialRecord) =>
  house.registry.standing(principalOf(house.registry, owner, credential))

const certificate = (rest: Partial<CertificateInput> = {}): CertificateInput => ({
  fingerprint: randomBytes(32).toString('hex'),
  serial: '0a1b',
  issuer: 'issuing-1',
  subject: 'CN=t1',
  notBefore: house.clock.time,
  expiresAt: house.clock.time + DAY,
  ...rest,
})

describe('a secret', () => {
  it('is shown once, found by its key id, and kept as a MAC', async () => {
    const { credential, secret } = await house.registry.issueSecret('t1', { audience: 'mqtt', label: 'bench' }, ACTOR)
    expect(secret).toMatch(/^lk_mqtt_/)
    expect(credential).toMatchObject({ kind: 'secret', owner: 't1', ownerKind: 'device', status: 'active', epoch: 1 })
    expect(house.registry.credentialByKeyId(credential.keyId)).toEqual(credential)
    expect(house.vault.verifySecret(secret, credential)).toBe(true)
    expect(house.told).toEqual([{ kind: 'credential', id: credential.id, owner: 't1', what: 'issued' }])
    const other = await house.registry.issueSecret('energy', { audience: 'token' }, ACTOR)
    expect(other.credential).toMatchObject({ owner: 'energy', ownerKind: 'client', audience: 'token' })
  })

  it('ends when its lifetime is over', async () => {
    const { credential } = await house.registry.issueSecret('t1', { audience: 'mqtt', lifetime: 10 }, ACTOR)
    expect(credential.expiresAt).toBe(house.clock.time + 10 * SECOND)
    const principal = principalOf(house.registry, 't1', credential)
    house.clock.time += 10 * SECOND - 1
    expect(house.registry.standing(principal)).toBeNull()
    house.clock.time += 1
    expect(house.registry.standing(principal)).toBe('credential-expired')
    expect(house.registry.credential(credential.id)?.status).toBe('active')
  })

  it.each([
    [{ audience: 'enrolment' }, 'audience'],
    [{ audience: 'root' }, 'audience'],
    [{ audience: 'mqtt', lifetime: 0 }, 'lifetime'],
    [{ audience: 'mqtt', lifetime: Number.NaN }, 'lifetime'],
    [{ audience: 'mqtt', lifetime: 1e12 }, 'lifetime'],
    [{ audience: 'mqtt', label: 'a\nb' }, 'label'],
    [{ audience: 'mqtt', label: 'x'.repeat(257) }, 'label'],
  ] as const)('is not issued for %j', async (input, text) => {
    await refused(house.registry.issueSecret('t1', input as never, ACTOR), 'invalid-input', text)
    expect(await house.registry.credentialsOf('t1')).toEqual([])
  })

  it('is not issued for nobody, nor while its owner is suspended', async () => {
    await refused(house.registry.issueSecret('nobody', { audience: 'mqtt' }, ACTOR), 'not-found', 'nobody')
    await refused(house.registry.issueSecret('a/b', { audience: 'mqtt' }, ACTOR), 'not-found')
    await house.registry.suspendDevice('t1', ACTOR)
    await refused(house.registry.issueSecret('t1', { audience: 'mqtt' }, ACTOR), 'wrong-state', 'suspended')
  })

  it('is rotated: the new one works now, the old one until the overlap ends', async () => {
    const old = await house.registry.issueSecret('t1', { audience: 'mqtt', label: 'bench', lifetime: 3_600 }, ACTOR)
    const session = principalOf(house.registry, 't1', old.credential)
    house.told.length = 0
    const next = await house.registry.rotateSecret(old.credential.id, { overlap: 60 }, ACTOR)
    expect(next.secret).not.toBe(old.secret)
    expect(next.credential).toMatchObject({ label: 'bench', audience: 'mqtt' })
    expect(next.credential.expiresAt).toBe(house.clock.time + 3_600 * SECOND)
    expect(house.told).toEqual([
      { kind: 'credential', id: old.credential.id, owner: 't1', what: 'expired' },
      { kind: 'credential', id: next.credential.id, owner: 't1', what: 'issued' },
    ])
    expect(house.registry.standing(session)).toBeNull()
    expect(house.registry.endOf(session)).toBe(house.clock.time + 60 * SECOND)
    house.clock.time += 60 * SECOND
    expect(house.registry.standing(session)).toBe('credential-expired')
    expect(standing('t1', next.credential)).toBeNull()
  })

  it('never lives longer through a rotation', async () => {
    const { credential } = await house.registry.issueSecret('t1', { audience: 'mqtt', lifetime: 10 }, ACTOR)
    await house.registry.rotateSecret(credential.id, { overlap: 3_600 }, ACTOR)
    expect(house.registry.credential(credential.id)?.expiresAt).toBe(credential.expiresAt)
  })

  it('is not rotated when it is revoked, expired, of another kind, or by a bad overlap', async () => {
    const a = await house.registry.issueSecret('t1', { audience: 'mqtt' }, ACTOR)
    const b = await house.registry.issueSecret('t1', { audience: 'mqtt', lifetime: 1 }, ACTOR)
    const c = await house.registry.issuePsk('t1', {}, ACTOR)
    await refused(house.registry.rotateSecret(a.credential.id, { overlap: -1 }, ACTOR), 'invalid-input', 'overlap')
    await refused(house.registry.rotateSecret(a.credential.id, { overlap: 1e9 }, ACTOR), 'invalid-input', 'overlap')
    await refused(house.registry.rotateSecret(c.credential.id, { overlap: 0 }, ACTOR), 'wrong-state', 'of kind psk')
    await refused(house.registry.rotatePsk(a.credential.id, { overlap: 0 }, ACTOR), 'wrong-state', 'of kind secret')
    house.clock.time += SECOND
    await refused(house.registry.rotateSecret(b.credential.id, { overlap: 0 }, ACTOR), 'wrong-state', 'expired')
    await house.registry.revokeCredential(a.credential.id, { reason: 'lost' }, ACTOR)
    await refused(house.registry.rotateSecret(a.credential.id, { overlap: 0 }, ACTOR), 'wrong-state', 'revoked')
    await refused(house.registry.rotateSecret('none', { overlap: 0 }, ACTOR), 'not-found')
  })
})

describe('a pre-shared key', () => {
  it('is sealed, bound to its place, and found by its identity', async () => {
    const { credential, identity, key } = await house.registry.issuePsk('t1', {}, ACTOR)
    expect(identity).toBe('t1')
    expect(key).toHaveLength(32)
    expect(house.registry.credentialByPskIdentity('t1')).toEqual(credential)
    expect(house.registry.pskKey(credential)).toEqual(key)
    await refused(() => house.registry.pskKey({ ...credential, owner: 't2' }), 'vault-key')
  })

  it('may be one that is burnt into the device', async () => {
    const hex = randomBytes(16).toString('hex')
    const { credential } = await house.registry.issuePsk('t1', { identity: 'Client_identity', key: hex }, ACTOR)
    expect(house.registry.pskKey(credential).toString('hex')).toBe(hex)
    for (const key of ['', 'ab', 'zz'.repeat(16), 'ab'.repeat(15), 'ab'.repeat(65), `${hex}0`]) {
      const failure = await refused(
        house.registry.issuePsk('t1', { identity: 'x', key }, ACTOR),
        'invalid-input',
        'hex',
      )
      if (key !== '') expect(failure.message).not.toContain(key)
    }
  })

  it('has an identity of its own', async () => {
    await house.registry.createDevice({ id: 't2', type: 'x' }, ACTOR)
    await house.registry.issuePsk('t1', { identity: 'shared' }, ACTOR)
    await refused(house.registry.issuePsk('t2', { identity: 'shared' }, ACTOR), 'already-exists', 'shared is taken')
    await refused(house.registry.issuePsk('t2', { identity: 't1' }, ACTOR), 'invalid-input', 'somebody else')
    for (const identity of ['', 'a b', 'a\u0000', 'ü', 'x'.repeat(129)]) {
      await refused(house.registry.issuePsk('t2', { identity }, ACTOR), 'invalid-input', 'PSK identity')
    }
  })

  it('leaves its identity free when it is revoked or has expired', async () => {
    const first = await house.registry.issuePsk('t1', {}, ACTOR)
    await house.registry.revokeCredential(first.credential.id, { reason: 'lost' }, ACTOR)
    expect(house.registry.credentialByPskIdentity('t1')).toBeUndefined()
    const second = await house.registry.issuePsk('t1', { lifetime: 1 }, ACTOR)
    expect(house.registry.credentialByPskIdentity('t1')?.id).toBe(second.credential.id)
    house.clock.time += SECOND
    const third = await house.registry.issuePsk('t1', {}, ACTOR)
    expect(house.registry.credentialByPskIdentity('t1')?.id).toBe(third.credential.id)
    await house.registry.revokeCredential(second.credential.id, { reason: 'tidy' }, ACTOR)
    expect(house.registry.credentialByPskIdentity('t1')?.id).toBe(third.credential.id)
  })

  it('is rotated under the same identity without overlap, under another one with it', async () => {
    const first = await house.registry.issuePsk('t1', {}, ACTOR)
    const second = await house.registry.rotatePsk(first.credential.id, { overlap: 0 }, ACTOR)
    expect(second.identity).toBe('t1')
    expect(standing('t1', first.credential)).toBe('credential-expired')
    const third = await house.registry.rotatePsk(second.credential.id, { overlap: 60 }, ACTOR)
    expect(third.identity).toBe('t1.2')
    expect(house.registry.credentialByPskIdentity('t1')?.id).toBe(second.credential.id)
    expect(standing('t1', second.credential)).toBeNull()
    house.clock.time += 60 * SECOND
    const fourth = await house.registry.rotatePsk(third.credential.id, { overlap: 60 }, ACTOR)
    expect(fourth.identity).toBe('t1')
    const fifth = await house.registry.rotatePsk(fourth.credential.id, { overlap: 60, identity: 'chosen' }, ACTOR)
    expect(fifth.identity).toBe('chosen')
  })

  it('never takes the name of another device by rotation', async () => {
    await house.registry.createDevice({ id: 't1.2', type: 'x' }, ACTOR)
    const { credential } = await house.registry.issuePsk('t1', {}, ACTOR)
    const next = await house.registry.rotatePsk(credential.id, { overlap: 60 }, ACTOR)
    expect(next.identity).toBe('t1.3')
  })
})

describe('a certificate', () => {
  const add = async (input = certificate()) => {
    const part = house.registry.prepareCertificate('t1', input, ACTOR)
    await house.registry.commitAll([part])
    return part.credential
  }

  it('is found by its fingerprint from the moment its batch is made', async () => {
    const input = certificate()
    const part = house.registry.prepareCertificate('t1', input, ACTOR)
    expect(house.registry.credential(part.credential.id)).toBeUndefined()
    await house.registry.commitAll([part])
    expect(house.registry.credentialByFingerprint(input.fingerprint ?? '')).toEqual(part.credential)
    expect(standing('t1', part.credential)).toBeNull()
    expect(house.told).toEqual([{ kind: 'credential', id: part.credential.id, owner: 't1', what: 'issued' }])
    await refused(() => house.registry.prepareCertificate('t1', input, ACTOR), 'already-exists', 'registered')
  })

  it('may be reserved first: it opens nothing until it is activated', async () => {
    const reserved = await add(certificate({ fingerprint: null }))
    expect(reserved.status).toBe('pending')
    expect(standing('t1', reserved)).toBe('credential-not-active')
    expect(house.registry.credentialByFingerprint('')).toBeUndefined()
    const fingerprint = 'ab'.repeat(32)
    const part = house.registry.prepareActivation(reserved.id, fingerprint, ACTOR)
    await house.registry.commitAll([part])
    expect(house.registry.credentialByFingerprint(fingerprint)).toMatchObject({ id: reserved.id, status: 'active' })
    expect(house.told.at(-1)).toMatchObject({ what: 'activated' })
    await refused(() => house.registry.prepareActivation(reserved.id, fingerprint, ACTOR), 'wrong-state')
  })

  it('is not activated after its revocation or while its owner is suspended', async () => {
    const a = await add(certificate({ fingerprint: null }))
    const b = await add(certificate({ fingerprint: null }))
    await house.registry.revokeCredential(a.id, { reason: 'signing failed' }, ACTOR)
    await refused(() => house.registry.prepareActivation(a.id, 'ab'.repeat(32), ACTOR), 'wrong-state')
    await house.registry.suspendDevice('t1', ACTOR)
    await refused(() => house.registry.prepareActivation(b.id, 'ab'.repeat(32), ACTOR), 'wrong-state', 'suspended')
  })

  it('goes into one batch with the device it is for', async () => {
    const device = house.registry.prepareDevice({ id: 'new', type: 'thermostat' }, ACTOR)
    const part = house.registry.prepareCertificate('new', certificate(), ACTOR, [device])
    await house.registry.commitAll([device, part])
    expect(house.registry.device('new')).toEqual(device.device)
    expect(standing('new', part.credential)).toBeNull()
    expect(await house.registry.credentialsOf('new')).toHaveLength(1)
    await house.registry.removeDevice('new', ACTOR)
    expect(house.registry.credential(part.credential.id)?.status).toBe('revoked')
  })

  it.each([
    [{ fingerprint: 'AB'.repeat(32) }, 'fingerprint'],
    [{ fingerprint: '' }, 'fingerprint'],
    [{ serial: '../x' }, 'serial'],
    [{ issuer: 'a/b' }, 'issuer'],
    [{ subject: 'a\u0000' }, 'subject'],
    [{ notBefore: 5, expiresAt: 5 }, 'notBefore'],
    [{ expiresAt: Number.POSITIVE_INFINITY }, 'expiresAt'],
  ])('is refused with %j', async (rest, text) => {
    await refused(() => house.registry.prepareCertificate('t1', certificate(rest), ACTOR), 'invalid-input', text)
  })

  it('that is not valid yet opens nothing', async () => {
    const early = await add(certificate({ notBefore: house.clock.time + SECOND }))
    expect(standing('t1', early)).toBe('credential-not-active')
    house.clock.time += SECOND
    expect(standing('t1', early)).toBeNull()
  })
})

describe('revocation', () => {
  it('is seen through standing at once, and says why, once', async () => {
    const { credential } = await house.registry.issueSecret('t1', { audience: 'mqtt' }, ACTOR)
    const principal = principalOf(house.registry, 't1', credential)
    let seen: unknown = 'nothing published'
    house.changes.subscribe(() => {
      seen = house.registry.standing(principal)
    })
    const pending = house.registry.revokeCredential(credential.id, { reason: 'lost' }, ACTOR)
    expect(house.registry.standing(principal)).toBe('credential-revoked')
    const record = await pending
    expect(seen).toBe('credential-revoked')
    expect(record).toMatchObject({ status: 'revoked', epoch: 2, revokedAt: house.clock.time, revocationReason: 'lost' })
    await refused(
      house.registry.revokeCredential(credential.id, { reason: 'x' }, ACTOR),
      'wrong-state',
      'already revoked (lost)',
    )
    expect(house.registry.credentialByKeyId(credential.keyId)?.status).toBe('revoked')
    expect(await house.trail()).toContain(`credential.revoked ${credential.id}`)
  })

  it('is durable before it is told, and told before the caller knows', async () => {
    const { credential } = await house.registry.issueSecret('t1', { audience: 'mqtt' }, ACTOR)
    const order: string[] = []
    const stop = house.store.watch('credential/', event => order.push(`durable ${event.type}`))
    house.changes.subscribe(change => order.push(`told ${'what' in change && change.what}`))
    await house.registry.revokeCredential(credential.id, { reason: 'lost' }, ACTOR)
    order.push('resolved')
    stop()
    expect(order).toEqual(['durable put', 'told revoked', 'resolved'])
  })

  it('survives a restart', async () => {
    const { credential } = await house.registry.issueSecret('t1', { audience: 'mqtt' }, ACTOR)
    await house.registry.revokeCredential(credential.id, { reason: 'lost' }, ACTOR)
    const after = await house.reopened()
    expect(after.registry.standing(principalOf(after.registry, 't1', credential))).toBe('credential-revoked')
    expect((await after.audit.verify()).ok).toBe(true)
  })

  it('of all that an owner has comes with its removal', async () => {
    const secret = await house.registry.issueSecret('t1', { audience: 'mqtt' }, ACTOR)
    const psk = await house.registry.issuePsk('t1', {}, ACTOR)
    const input = certificate()
    await house.registry.commitAll([house.registry.prepareCertificate('t1', input, ACTOR)])
    await house.registry.removeDevice('t1', ACTOR)
    await house.registry.createDevice({ id: 't1', type: 'thermostat' }, ACTOR)
    expect(house.registry.credentialByKeyId(secret.credential.keyId)?.status).toBe('revoked')
    expect(house.registry.credentialByFingerprint(input.fingerprint ?? '')?.status).toBe('revoked')
    expect(house.registry.credentialByPskIdentity('t1')).toBeUndefined()
    expect((await house.registry.credentialsOf('t1')).map(credential => credential.status)).toEqual(
      Array(3).fill('revoked'),
    )
    const again = await house.registry.issuePsk('t1', {}, ACTOR)
    expect(again.key).not.toEqual(psk.key)
  })
})

describe('how many and how long', () => {
  it('an owner has at most so many that still work', async () => {
    house = await openHouse({ limits: { credentialsPerOwner: 2 } })
    await house.registry.createDevice({ id: 't1', type: 'x' }, ACTOR)
    const issue = (lifetime?: number) => house.registry.issueSecret('t1', { audience: 'mqtt', lifetime }, ACTOR)
    const first = await issue()
    await issue(1)
    await refused(issue(), 'quota-exceeded', 'credentialsPerOwner is 2')
    house.clock.time += SECOND
    await issue()
    await refused(issue(), 'quota-exceeded')
    await house.registry.revokeCredential(first.credential.id, { reason: 'tidy' }, ACTOR)
    await issue()
    expect(await house.registry.credentialsOf('t1')).toHaveLength(4)
  })

  it('history is kept for a while, revoked certificates until they have expired as well', async () => {
    house = await openHouse({ limits: { history: 10 } })
    await house.registry.createDevice({ id: 't1', type: 'x' }, ACTOR)
    const secret = await house.registry.issueSecret('t1', { audience: 'mqtt' }, ACTOR)
    const part = house.registry.prepareCertificate('t1', certificate(), ACTOR)
    await house.registry.commitAll([part])
    await house.registry.revokeCredential(secret.credential.id, { reason: 'x' }, ACTOR)
    await house.registry.revokeCredential(part.credential.id, { reason: 'x' }, ACTOR)
    const principal = principalOf(house.registry, 't1', secret.credential)
    house.clock.time += 10 * SECOND
    expect(house.registry.credential(secret.credential.id)).toBeUndefined()
    expect(house.registry.credentialByKeyId(secret.credential.keyId)).toBeUndefined()
    expect(house.registry.standing(principal)).toBe('credential-revoked')
    expect((await house.registry.credentialsOf('t1')).map(({ kind }) => kind)).toEqual(['x509'])
    house.clock.time += DAY
    expect(await house.registry.credentialsOf('t1')).toEqual([])
    await house.store.sweep()
    for (const prefix of ['credential/', 'credential-of/', 'key-id/', 'fingerprint/']) {
      expect(await house.keys(prefix)).toEqual([])
    }
  })

  it('all are listed in pages', async () => {
    for (let i = 0; i < 3; i++) await house.registry.issueSecret('t1', { audience: 'mqtt' }, ACTOR)
    const all = await house.registry.credentials()
    expect(all).toHaveLength(3)
    const first = await house.registry.credentials({ limit: 2 })
    const rest = await house.registry.credentials({ after: first[1]?.id })
    expect([...first, ...rest]).toEqual(all)
  })
})

it('no secret and no key is found in the database, nor in the audit trail', async () => {
  const { secret, credential } = await house.registry.issueSecret('t1', { audience: 'mqtt' }, ACTOR)
  const { key } = await house.registry.issuePsk('t1', {}, ACTOR)
  const burnt = randomBytes(32)
  await house.registry.issuePsk('t1', { identity: 'burnt', key: burnt.toString('hex') }, ACTOR)
  await house.store.flush()
  const everything = Buffer.concat((await collect(house.store.list(''))).map(entry => entry.value))
  const forms = [key, burnt].flatMap(bytes => [bytes, bytes.toString('hex'), bytes.toString('base64')])
  const random = secret.slice(-50, -7) // 43 characters before `_` and six of the checksum
  expect(everything.includes(credential.keyId), 'the search finds what is there').toBe(true)
  for (const form of [...forms, random]) expect(everything.includes(form)).toBe(false)
})
