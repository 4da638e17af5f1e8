// What repeated renewals leave: one successor, and an end for the old one that only ever comes nearer.
import { beforeEach, describe, expect, it } from 'vitest'
import type { Actor } from '../../../src/audit/events.ts'
import type { SecretCredential } from '../../../src/registry/records.ts'
import { ACTOR, type House, openHouse, refused } from './house.ts'

const DEVICE: Actor = { kind: 'device', id: 't1', address: '192.0.2.1' }
const OVERLAP = 600
const none = () => false

let house: House
beforeEach(async () => {
  house = await openHouse()
  await house.registry.putDeviceType({ id: 'thermostat' }, ACTOR)
  await house.registry.createDevice({ id: 't1', type: 'thermostat' }, ACTOR)
})

const first = async (lifetime: number | null = null): Promise<SecretCredential> =>
  (await house.registry.issueSecret('t1', { audience: 'mqtt', lifetime }, ACTOR)).credential

/** As the enrolment room does it: both parts in one batch. */
async function renew(id: string, isInUse: (credential: string) => boolean = none, registry = house.registry) {
  const succession = registry.prepareSuccession(id, { overlap: OVERLAP, isInUse }, DEVICE)
  const made = registry.prepareSecret('t1', { audience: 'mqtt', renews: id }, DEVICE, [succession])
  await registry.commitAll([succession, made])
  return made.credential
}

const state = (id: string) => {
  const { status, expiresAt, revocationReason } = house.registry.credential(id) ?? {}
  return { status, expiresAt, revocationReason }
}
const active = (expiresAt: number | null) => ({ status: 'active', expiresAt, revocationReason: null })

describe('a renewal', () => {
  it('gives the old one an end, and the new one knows whom it renews', async () => {
    const { id } = await first()
    const next = await renew(id)
    expect(state(id)).toEqual(active(house.clock.time + OVERLAP * 1000))
    expect(house.registry.credential(next.id)).toMatchObject({ ...active(null), renews: id })
    expect(house.told.slice(-2)).toMatchObject([
      { kind: 'credential', id, what: 'expired' },
      { kind: 'credential', id: next.id, what: 'issued' },
    ])
  })

  it('leaves an end that is nearer, without a word', async () => {
    const { id, expiresAt } = await first(30)
    await renew(id)
    expect(state(id)).toEqual(active(expiresAt))
    expect(await house.trail()).not.toContain(`credential.ending ${id}`)
  })

  it('asked for again revokes what nobody took up, and moves no end away', async () => {
    const { id } = await first()
    const end = house.clock.time + OVERLAP * 1000
    const lost = await renew(id)
    house.clock.time += 60_000
    const next = await renew(id)
    expect(state(lost.id)).toMatchObject({ status: 'revoked', revocationReason: 'renewed again' })
    expect(state(id)).toEqual(active(end))
    expect(state(next.id)).toEqual(active(null))
  })

  it('by the successor ends the one before', async () => {
    const { id } = await first()
    const second = await renew(id)
    const third = await renew(second.id)
    expect(state(id)).toMatchObject({ status: 'revoked', revocationReason: 'renewed twice' })
    expect(state(second.id)).toEqual(active(house.clock.time + OVERLAP * 1000))
    expect(state(third.id)).toEqual(active(null))
  })

  it('of one whose successor is in use does nothing', async () => {
    const { id } = await first()
    const next = await renew(id)
    await refused(
      renew(id, credential => credential === next.id),
      'wrong-state',
      `${next.id} is in use`,
    )
    expect(state(next.id)).toEqual(active(null))
  })

  it('of what is revoked, expired or unknown does nothing', async () => {
    const expired = await first(10)
    const revoked = await first()
    await house.registry.revokeCredential(revoked.id, { reason: 'lost' }, ACTOR)
    house.clock.time += 10_000
    for (const { id } of [expired, revoked]) await refused(renew(id), 'wrong-state', id)
    await refused(renew('nothing'), 'not-found')
    expect(await house.registry.credentialsOf('t1')).toHaveLength(2)
  })

  it('leaves successors alone that an operator gave', async () => {
    const { id } = await first()
    const other = await first()
    await renew(id)
    await renew(id)
    expect(state(other.id)).toEqual(active(null))
  })

  it('prepared beside another one is made once, and by the others tried again', async () => {
    const { id } = await first()
    const prepared = [house.registry, house.beside()].map(registry => {
      const succession = registry.prepareSuccession(id, { overlap: OVERLAP, isInUse: none }, DEVICE)
      const made = registry.prepareSecret('t1', { audience: 'mqtt', renews: id }, DEVICE, [succession])
      return { registry, parts: [succession, made] }
    })
    const settled = await Promise.allSettled(prepared.map(({ registry, parts }) => registry.commitAll(parts)))
    expect(settled).toMatchObject([{ status: 'fulfilled' }, { status: 'rejected', reason: { code: 'conflict' } }])
    expect(await house.registry.credentialsOf('t1')).toHaveLength(2)
  })
})

describe('the end that a credential was made with', () => {
  it('survives a rotation, so that the next rotation is not shorter', async () => {
    const { id } = await first(3600)
    await renew(id)
    house.clock.time += 60_000
    const { credential } = await house.registry.rotateSecret(id, { overlap: 10 }, ACTOR)
    expect((credential.expiresAt ?? 0) - credential.notBefore).toBe(3_600_000)
  })

  it('keeps a certificate readable until then, though it works no longer', async () => {
    const DAY = 86_400_000
    const { time } = house.clock
    const fields = { fingerprint: 'ab'.repeat(32), serial: '0a', issuer: 'ca', subject: 'CN=t1' }
    const made = house.registry.prepareCertificate(
      't1',
      { ...fields, notBefore: time, expiresAt: time + 90 * DAY },
      ACTOR,
    )
    await house.registry.commitAll([made])
    await renew(made.credential.id)
    house.clock.time += 60 * DAY
    expect(house.registry.credential(made.credential.id)).toMatchObject({ expiresAt: time + OVERLAP * 1000 })
    house.clock.time += 60 * DAY
    expect(house.registry.credential(made.credential.id)).toBeUndefined()
  })
})
