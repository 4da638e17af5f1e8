// Kinds other than certificates: for devices that exist already, in short lives, and when something stands in the way.
import { describe, expect, it } from 'vitest'
import type { EnrolmentInput } from '../../../src/enrolment/enrolment-input.ts'
import { openHouse, operator, SECOND, withDevice } from '../ca/house.ts'
import { newKeys, requestPem } from '../ca/requests.ts'
import { principalOf } from '../registry/house.ts'
import { ADDRESS, openDesk } from './desk.ts'

async function open() {
  const house = await openHouse()
  await withDevice(house, 't1')
  const desk = openDesk(house)
  const token = async (input: Partial<EnrolmentInput> = {}) => {
    const kinds = ['x509', 'secret', 'psk', 'jwt-key'] as const
    const made = await desk.create({ type: 'thermostat', ttl: 60, device: 't1', kinds, ...input }, operator)
    return { token: made.token, address: ADDRESS }
  }
  return { ...house, house, desk, token }
}

describe('a device that exists', () => {
  it('enrols again under another identity while its pre-shared key works, and under its own when that was revoked', async () => {
    const { desk, token, registry } = await open()
    const first = await desk.redeem({ ...(await token()), kind: 'psk' })
    const second = await desk.redeem({ ...(await token()), kind: 'psk' })
    expect([first.identity, second.identity]).toEqual(['t1', 't1.2'])
    await registry.revokeCredential(first.credential.id, { reason: 'lost' }, operator)
    expect((await desk.redeem({ ...(await token()), kind: 'psk' })).identity).toBe('t1')
    expect(registry.pskKey(second.credential)).toEqual(second.key)
  })

  it('gets no key for JWTs that it has already, and its token stays good', async () => {
    const { desk, token, registry } = await open()
    const jwk = newKeys.p256().publicKey.export({ format: 'jwk' })
    const { credential } = await desk.redeem({ ...(await token()), kind: 'jwt-key', jwk })
    const again = await token()
    await expect(desk.redeem({ ...again, kind: 'jwt-key', jwk })).rejects.toMatchObject({ code: 'already-exists' })
    const other = newKeys.p256()
    const wrong = other.privateKey.export({ format: 'jwk' })
    await expect(desk.redeem({ ...again, kind: 'jwt-key', jwk: wrong })).rejects.toMatchObject({
      code: 'invalid-input',
    })
    await desk.redeem({ ...again, kind: 'jwt-key', jwk: other.publicKey.export({ format: 'jwk' }) })
    expect(registry.jwtKey('t1', credential.kid)).toEqual(credential)
  })

  it('waits while it is suspended', async () => {
    const { desk, token, registry } = await open()
    const kept = await token()
    await registry.suspendDevice('t1', operator)
    for (const request of [{ kind: 'psk' }, { kind: 'secret', audience: 'mqtt' }] as const)
      await expect(desk.redeem({ ...kept, ...request })).rejects.toMatchObject({ code: 'wrong-state' })
    await registry.resumeDevice('t1', operator)
    expect((await desk.redeem({ ...kept, kind: 'secret', audience: 'mqtt' })).secret).toMatch(/^lk_mqtt_/)
  })
})

describe('what a token gives', () => {
  it('lives as long as the token says, whatever its kind, and works from the first moment', async () => {
    const { desk, token, registry, clock } = await open()
    for (const lifetime of [20, 40]) {
      const given = [
        await desk.redeem({ ...(await token({ lifetime })), kind: 'secret', audience: 'token' }),
        await desk.redeem({ ...(await token({ lifetime })), kind: 'psk' }),
        await desk.redeem({ ...(await token({ lifetime })), csr: requestPem() }),
        await desk.redeem({
          ...(await token({ lifetime })),
          kind: 'jwt-key',
          jwk: newKeys.ed25519().publicKey.export({ format: 'jwk' }),
        }),
      ].map(({ credential }) => principalOf(registry, 't1', credential))
      expect(given.map(principal => registry.standing(principal))).toEqual([null, null, null, null])
      clock.time += (lifetime - 1) * SECOND
      expect(given.map(principal => registry.standing(principal))).toEqual([null, null, null, null])
      clock.time += SECOND
      expect(new Set(given.map(principal => registry.standing(principal)))).toEqual(new Set(['credential-expired']))
    }
  })

  it('lives without end when the token says nothing, except a certificate', async () => {
    const { desk, token } = await open()
    expect((await desk.redeem({ ...(await token()), kind: 'psk' })).credential.expiresAt).toBeNull()
    expect((await desk.redeem({ ...(await token()), csr: requestPem() })).credential.expiresAt).not.toBeNull()
  })

  it('is on record with its kind, and never with its secret', async () => {
    const { desk, token, audit } = await open()
    const { secret } = await desk.redeem({ ...(await token()), kind: 'secret', audience: 'mqtt' })
    const { key } = await desk.redeem({ ...(await token()), kind: 'psk' })
    await audit.flush()
    const records = await audit.list({ type: 'change', limit: 100 })
    const events = records.map(({ event }) => event)
    expect(events).toContainEqual(
      expect.objectContaining({
        what: 'enrolment.created',
        detail: expect.objectContaining({ kinds: 'x509 secret psk jwt-key' }),
      }),
    )
    const by = { kind: 'device', id: 't1', address: ADDRESS }
    for (const kind of ['secret', 'psk'])
      expect(events).toContainEqual(
        expect.objectContaining({ what: 'credential.issued', actor: by, detail: expect.objectContaining({ kind }) }),
      )
    for (const text of [secret, key.toString('hex'), key.toString('base64')])
      expect(JSON.stringify(events)).not.toContain(text)
  })

  it('may hold all but certificates for longer than certificates may live', async () => {
    const { desk, token } = await open()
    await expect(token({ lifetime: 5 })).rejects.toMatchObject({ code: 'invalid-input' })
    await expect(token({ lifetime: 500 * 86_400 })).rejects.toMatchObject({ code: 'invalid-input' })
    const kinds = ['psk'] as const
    for (const lifetime of [5, 500 * 86_400]) {
      const { credential } = await desk.redeem({ ...(await token({ lifetime, kinds })), kind: 'psk' })
      expect((credential.expiresAt ?? 0) - credential.notBefore).toBe(lifetime * SECOND)
    }
  })
})
