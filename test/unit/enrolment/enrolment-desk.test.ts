import { randomBytes, X509Certificate } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { EnrolmentInput } from '../../../src/enrolment/enrolment-input.ts'
import type { Principal } from '../../../src/model/principal.ts'
import type { CertificateCredential } from '../../../src/registry/records.ts'
import { newSecret, parseSecret } from '../../../src/vault/secret-format.ts'
import { type House, openHouse, operator, SECOND, withDevice } from '../ca/house.ts'
import { requestPem } from '../ca/requests.ts'
import { ADDRESS, openDesk } from './desk.ts'

async function open() {
  const house = await openHouse()
  const desk = openDesk(house)
  const token = async (input: Partial<EnrolmentInput> = {}) =>
    (await desk.create({ type: 'thermostat', ttl: 3600, ...input }, operator)).token
  const redeem = (text: string, more: { device?: string; csr?: string } = {}) =>
    desk.redeem({ token: text, csr: requestPem(), address: ADDRESS, ...more })
  return { ...house, house, desk, token, redeem }
}

describe('a token', () => {
  it('is a secret for enrolment alone, shown once', async () => {
    const { desk, clock, house } = await open()
    const { id, token, expiresAt } = await desk.create({ type: 'thermostat', ttl: 60 }, operator)
    expect(parseSecret(token)).toEqual({ audience: 'enrolment', keyId: id })
    expect(expiresAt).toBe(clock.now() + 60 * SECOND)
    expect(JSON.stringify(await desk.list())).not.toMatch(/lk_enrolment|pepper|"mac"/)
    await house.store.close()
    const files = await readdir(join(house.directory, 'db'))
    const bytes = Buffer.concat(await Promise.all(files.map(file => readFile(join(house.directory, 'db', file)))))
    expect(bytes.includes(id)).toBe(true)
    expect(bytes.includes(token.slice(-30))).toBe(false)
    expect(bytes.includes(token.split('_').slice(3).join('_'))).toBe(false)
  })

  it('makes a device with its attributes, groups and certificate', async () => {
    const { token, redeem, registry, desk } = await open()
    const text = await token({ attributes: { room: 'kitchen' }, groups: ['home'] })
    const { device, credential, certificatePem, chainPem } = await redeem(text, { device: 't1' })
    expect(device).toMatchObject({ id: 't1', type: 'thermostat', attributes: { room: 'kitchen' }, groups: ['home'] })
    expect(registry.device('t1')).toEqual(device)
    expect(registry.credential(credential.id)).toMatchObject({ owner: 't1', status: 'active' })
    expect(new X509Certificate(certificatePem).subjectAltName).toBe('URI:urn:latchkey:device:t1')
    expect(chainPem.match(/BEGIN CERTIFICATE/g)).toHaveLength(2)
    expect(await desk.list()).toMatchObject([{ status: 'spent', devices: ['t1'], uses: 1, createdBy: 'olga' }])
  })

  it('names the device as asked, else as the request says, else by its type', async () => {
    const { token, redeem } = await open()
    const text = await token({ uses: 4 })
    expect((await redeem(text, { device: 'asked' })).device.id).toBe('asked')
    expect((await redeem(text, { csr: requestPem({ commonNames: ['named'] }) })).device.id).toBe('named')
    expect((await redeem(text)).device.id).toMatch(/^thermostat-[a-z2-7]{8}$/)
    await expect(redeem(text, { device: 'a', csr: requestPem({ commonNames: ['b'] }) })).rejects.toMatchObject({
      code: 'invalid-csr',
    })
  })

  it('names no device that exists, and stays good', async () => {
    const { token, redeem, house, registry } = await open()
    await withDevice(house, 't1')
    await registry.createClient({ id: 'service' }, operator)
    const text = await token()
    await expect(redeem(text, { device: 't1' })).rejects.toMatchObject({ code: 'already-exists' })
    await expect(redeem(text, { device: 'service' })).rejects.toMatchObject({ code: 'already-exists' })
    await expect(redeem(text, { device: 'a/b' })).rejects.toMatchObject({ code: 'invalid-identifier' })
    await expect(redeem(text, { csr: requestPem({ commonNames: ['+'] }) })).rejects.toMatchObject({
      code: 'invalid-identifier',
    })
    expect((await redeem(text, { device: 't2' })).device.id).toBe('t2')
  })

  it('for one device makes that one and no other', async () => {
    const { token, redeem } = await open()
    const text = await token({ device: 't1' })
    await expect(redeem(text, { device: 't2' })).rejects.toMatchObject({ code: 'policy-denied' })
    await expect(redeem(text, { csr: requestPem({ commonNames: ['t2'] }) })).rejects.toMatchObject({
      code: 'policy-denied',
    })
    expect((await redeem(text)).device.id).toBe('t1')
  })

  it('for a device that exists gives it a further certificate and changes nothing of it', async () => {
    const { token, redeem, house, registry } = await open()
    await withDevice(house, 't1')
    const before = registry.device('t1')
    const { device, credential } = await redeem(await token({ device: 't1' }))
    expect(device).toEqual(before)
    expect(credential.owner).toBe('t1')
  })

  it('for a device that was removed since, even if one of its name came later, is worth nothing', async () => {
    const { token, redeem, house, registry, clock } = await open()
    await withDevice(house, 't1')
    const text = await token({ device: 't1' })
    await registry.removeDevice('t1', operator)
    await expect(redeem(text)).rejects.toMatchObject({ code: 'wrong-state' })
    clock.time += SECOND
    await withDevice(house, 't1')
    await expect(redeem(text)).rejects.toMatchObject({ code: 'wrong-state' })
  })

  it('for a suspended device waits until it is resumed', async () => {
    const { token, redeem, house, registry } = await open()
    await withDevice(house, 't1')
    const text = await token({ device: 't1' })
    await registry.suspendDevice('t1', operator)
    await expect(redeem(text)).rejects.toMatchObject({ code: 'wrong-state' })
    await registry.resumeDevice('t1', operator)
    await expect(redeem(text)).resolves.toMatchObject({ device: { id: 't1' } })
  })

  it('is good for its uses and its time', async () => {
    const { token, redeem, clock, desk } = await open()
    const twice = await token({ uses: 2 })
    const short = await token({ ttl: 10 })
    await redeem(twice)
    await redeem(twice)
    await expect(redeem(twice)).rejects.toMatchObject({ code: 'enrolment-spent' })
    clock.time += 10 * SECOND
    await expect(redeem(short)).rejects.toMatchObject({ code: 'enrolment-spent' })
    expect((await desk.list()).map(({ status }) => status).sort()).toEqual(['expired', 'spent'])
  })

  it('is worth nothing when revoked, and is revoked once', async () => {
    const { desk, redeem } = await open()
    const { id, token } = await desk.create({ type: 'thermostat', ttl: 60 }, operator)
    expect(await desk.revoke(id, operator)).toMatchObject({ id, status: 'revoked' })
    await expect(redeem(token)).rejects.toMatchObject({ code: 'enrolment-spent' })
    await expect(desk.revoke(id, operator)).rejects.toMatchObject({ code: 'wrong-state' })
    await expect(desk.revoke('nothing', operator)).rejects.toMatchObject({ code: 'not-found' })
  })

  it('gives certificates the lifetime it was made with', async () => {
    const { token, redeem, clock } = await open()
    const { credential } = await redeem(await token({ lifetime: 20 }))
    expect(credential.expiresAt).toBe(clock.now() + 20 * SECOND)
  })

  it('leaves its place when it has been over for long', async () => {
    const house = await openHouse()
    const desk = openDesk(house, { limits: { tokens: 2, retention: 60 } })
    for (let i = 0; i < 2; i++) await desk.create({ type: 't', ttl: 1 }, operator)
    await expect(desk.create({ type: 't', ttl: 1 }, operator)).rejects.toMatchObject({ code: 'quota-exceeded' })
    house.clock.time += 61 * SECOND
    await (house.store as unknown as { sweep(): Promise<number> }).sweep()
    await expect(desk.create({ type: 't', ttl: 1 }, operator)).resolves.toBeDefined()
    expect(await desk.list()).toHaveLength(1)
  })
})

describe('a stranger', () => {
  it('learns the same about every token that is not good, and is on record', async () => {
    const { token, redeem, house, audit } = await open()
    const good = await token()
    const wrong = `${good.slice(0, 30)}${good[30] === 'A' ? 'B' : 'A'}${good.slice(31)}`
    const random = { bytes: randomBytes }
    await withDevice(house, 't1')
    const { secret } = await house.registry.issueSecret('t1', { audience: 'mqtt' }, operator)
    const unknown = newSecret('enrolment', random).text
    for (const text of ['', 'x', 'x'.repeat(100_000), wrong, unknown, secret]) {
      await expect(redeem(text), text.slice(0, 20)).rejects.toMatchObject({ code: 'enrolment-spent' })
    }
    await audit.flush()
    const refusals = (await audit.list({ type: 'authentication' })).map(({ event }) => event)
    expect(refusals).toHaveLength(6)
    expect(refusals[0]).toMatchObject({ result: 'refused', failure: 'enrolment-spent', address: ADDRESS })
    expect(JSON.stringify(refusals)).not.toContain('lk_')
  })
})

describe('an operator', () => {
  it.each<[string, Partial<EnrolmentInput>, string]>([
    ['no time', { ttl: 0 }, 'invalid-input'],
    ['too much time', { ttl: 31 * 86_400 }, 'invalid-input'],
    ['half a second', { ttl: 0.5 }, 'invalid-input'],
    ['no use', { uses: 0 }, 'invalid-input'],
    ['too many uses', { uses: 1001 }, 'invalid-input'],
    ['one device and several uses', { device: 't1', uses: 2 }, 'invalid-input'],
    ['a lifetime that no certificate has', { lifetime: 1 }, 'invalid-input'],
    ['a type that is no name', { type: 'a/b' }, 'invalid-identifier'],
    ['a device that is no name', { device: '#' }, 'invalid-identifier'],
    ['an attribute that would be a wildcard', { attributes: { room: '+' } }, 'invalid-input'],
    ['an attribute that is reserved', { attributes: { id: 't2' } }, 'invalid-input'],
    ['a type whose required attribute is missing', { type: 'lamp' }, 'invalid-input'],
    [
      'another type than the device has',
      { type: 'lamp', device: 'old', attributes: { room: 'hall' } },
      'invalid-input',
    ],
    ['attributes for a device that exists', { device: 'old', attributes: { room: 'hall' } }, 'invalid-input'],
    ["a service's name", { device: 'service' }, 'already-exists'],
  ])('gets no token with %s', async (_, input, code) => {
    const { token, registry, desk, house } = await open()
    await registry.putDeviceType({ id: 'lamp', attributes: { room: { required: true } } }, operator)
    await registry.createClient({ id: 'service' }, operator)
    await withDevice(house, 'old')
    await expect(token(input)).rejects.toMatchObject({ code })
    expect(await desk.list()).toEqual([])
  })

  it('sees in the trail who made, redeemed and revoked what', async () => {
    const { desk, audit, redeem } = await open()
    const { id, token } = await desk.create({ type: 'thermostat', ttl: 60, uses: 2 }, operator)
    const { credential } = await redeem(token, { device: 't1' })
    await desk.revoke(id, operator)
    await audit.flush()
    const events = (await audit.list({ type: 'change' })).map(({ event }) => event)
    const device = { kind: 'device', id: 't1', address: ADDRESS }
    expect(events.slice(-5)).toMatchObject([
      { what: 'enrolment.created', target: id, actor: operator, detail: { type: 'thermostat', uses: 2 } },
      { what: 'enrolment.redeemed', target: id, actor: device, detail: { device: 't1', left: 1 } },
      { what: 'device.created', target: 't1', actor: device },
      { what: 'credential.issued', target: credential.id, actor: device, detail: { label: `enrolment ${id}` } },
      { what: 'enrolment.revoked', target: id, actor: operator },
    ])
  })
})

describe('renewal', () => {
  const principal = (house: House, credential: CertificateCredential): Principal => {
    const subject = house.registry.subjectOf(credential.owner)
    if (!subject) throw new Error('no subject')
    return {
      subject,
      credential: { id: credential.id, kind: 'x509' },
      expiresAt: credential.expiresAt,
      scopes: null,
      issuer: null,
      jti: null,
      ownerEpoch: house.registry.device(credential.owner)?.epoch ?? 0,
      credentialEpoch: credential.epoch,
      transport: 'https',
      address: ADDRESS,
    }
  }

  it('gives the next certificate, as long-lived as the present one; both work until the old one ends', async () => {
    const { token, redeem, house, desk, registry, clock } = await open()
    const { credential: first } = await redeem(await token({ lifetime: 40 }), { device: 't1' })
    clock.time += 25_700
    const { credential: second } = await desk.renew(principal(house, first), { csr: requestPem() })
    expect(second.owner).toBe('t1')
    expect((second.expiresAt ?? 0) - (second.notBefore ?? 0)).toBe((first.expiresAt ?? 0) - first.notBefore)
    for (const credential of [first, second]) expect(registry.standing(principal(house, credential))).toBeNull()
    clock.time += 14_300
    expect(registry.standing(principal(house, first))).toBe('credential-expired')
    expect(registry.standing(principal(house, second))).toBeNull()
    const { credential: third } = await desk.renew(principal(house, second), { csr: requestPem() })
    expect((third.expiresAt ?? 0) - third.notBefore).toBe((first.expiresAt ?? 0) - first.notBefore)
  })

  it('is for whoever stands, by a certificate, for itself', async () => {
    const { token, redeem, house, desk, registry } = await open()
    const { credential } = await redeem(await token(), { device: 't1' })
    const other = await redeem(await token(), { device: 't2' })
    const own = principal(house, credential)
    await expect(desk.renew(own, { csr: requestPem({ commonNames: ['t2'] }) })).rejects.toMatchObject({
      code: 'invalid-csr',
    })
    const { credential: secret } = await registry.issueSecret('t1', { audience: 'mqtt' }, operator)
    const bySecret = { ...own, credential: { id: secret.id, kind: 'secret' as const }, credentialEpoch: secret.epoch }
    await expect(desk.renew(bySecret, { csr: requestPem() })).rejects.toMatchObject({ code: 'policy-denied' })
    const byOther = { ...own, credential: { id: other.credential.id, kind: 'x509' as const } }
    await expect(desk.renew(byOther, { csr: requestPem() })).rejects.toBeDefined()
    await registry.revokeCredential(credential.id, { reason: 'key compromise' }, operator)
    await expect(desk.renew(own, { csr: requestPem() })).rejects.toMatchObject({ code: 'credential-revoked' })
    await registry.suspendDevice('t2', operator)
    await expect(desk.renew(principal(house, other.credential), { csr: requestPem() })).rejects.toMatchObject({
      code: 'owner-suspended',
    })
  })
})
