import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { temporaryDirectory } from '../store/temporary-store.ts'
import { ACTOR, type House, openHouse, refused } from './house.ts'

const SECOND = 1_000

let house: House
let directory: string
beforeEach(async () => {
  directory = await temporaryDirectory()
  house = await openHouse({ directory })
  await house.registry.createDevice({ id: 't1', type: 'thermostat' }, ACTOR)
  await house.registry.createDevice({ id: 't2', type: 'thermostat' }, ACTOR)
})

/** Every byte of the database, the write-ahead log among it. */
async function raw(): Promise<Buffer> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true })
  const files = entries.filter(entry => entry.isFile())
  return Buffer.concat(await Promise.all(files.map(({ parentPath, name }) => readFile(join(parentPath, name)))))
}

describe('an OSCORE context', () => {
  it('is found by the sender id of its device, and unsealed as it was made', async () => {
    const { credential, secrets } = await house.registry.issueOscore('t1', { label: 'bench' }, ACTOR)
    expect(credential).toMatchObject({ kind: 'oscore', owner: 't1', recipientId: '00', idContext: null, epoch: 1 })
    expect(credential.senderId).toMatch(/^[0-9a-f]{6}$/)
    expect(house.registry.credentialByOscoreId(credential.senderId)).toEqual(credential)
    expect(house.registry.oscoreSecrets(credential)).toEqual(secrets)
    expect(secrets.masterSecret).toHaveLength(16)
    expect(secrets.masterSalt).toHaveLength(8)
  })

  it('has secrets that are nowhere in the raw database', async () => {
    const { credential, secrets } = await house.registry.issueOscore('t1', {}, ACTOR)
    const { masterSecret } = (await house.registry.rotateOscore(credential.id, { overlap: 60 }, ACTOR)).secrets
    await house.store.flush()
    const bytes = await raw()
    expect(bytes.includes(credential.id)).toBe(true) // it is there, and readable
    for (const secret of [secrets.masterSecret, masterSecret, secrets.masterSalt]) {
      expect(bytes.includes(secret)).toBe(false)
      expect(bytes.includes(secret.toString('hex'))).toBe(false)
      expect(bytes.includes(secret.toString('base64').replace(/=+$/, '').slice(0, -1))).toBe(false)
    }
  })

  it('does not open when its sealed part is moved to another record', async () => {
    const one = await house.registry.issueOscore('t1', {}, ACTOR)
    const other = await house.registry.issueOscore('t2', {}, ACTOR)
    const moved = { ...one.credential, sealed: other.credential.sealed }
    expect(() => house.registry.oscoreSecrets(moved)).toThrow()
  })

  it('has a sender id of its own in the whole house, which is free again once it was revoked', async () => {
    const { credential } = await house.registry.issueOscore('t1', { senderId: '0a' }, ACTOR)
    await refused(house.registry.issueOscore('t2', { senderId: '0a' }, ACTOR), 'already-exists', 'sender id')
    await house.registry.revokeCredential(credential.id, { reason: 'lost' }, ACTOR)
    expect(house.registry.credentialByOscoreId('0a')).toBeUndefined()
    const { credential: next } = await house.registry.issueOscore('t2', { senderId: '0a' }, ACTOR)
    expect(house.registry.credentialByOscoreId('0a')).toEqual(next)
  })

  it('may have an empty sender id, an id context, and never the same id at both ends', async () => {
    const { credential } = await house.registry.issueOscore('t1', { senderId: '', idContext: '37cb' }, ACTOR)
    expect(credential).toMatchObject({ senderId: '', recipientId: '00', idContext: '37cb' })
    expect(house.registry.credentialByOscoreId('')).toEqual(credential)
    const zero = await house.registry.issueOscore('t2', { senderId: '00' }, ACTOR)
    expect(zero.credential).toMatchObject({ senderId: '00', recipientId: '01' })
  })

  it.each([
    [{ senderId: '0A' }, 'senderId'],
    [{ senderId: '0' }, 'senderId'],
    [{ senderId: '0102030405060708' }, 'senderId'],
    [{ senderId: '07', recipientId: '07' }, 'differ'],
    [{ recipientId: 'xy' }, 'recipientId'],
    [{ idContext: '' }, 'idContext'],
    [{ idContext: 'ab'.repeat(65) }, 'idContext'],
  ])('is not made of %o', async (input, named) => {
    await refused(house.registry.issueOscore('t1', input, ACTOR), 'invalid-input', named)
  })

  it('rotates into another with ids and secrets of its own, while the old one works on', async () => {
    const old = await house.registry.issueOscore('t1', { lifetime: 600, idContext: 'aa' }, ACTOR)
    const { credential, secrets } = await house.registry.rotateOscore(old.credential.id, { overlap: 30 }, ACTOR)
    expect(credential.senderId).not.toBe(old.credential.senderId)
    expect(credential).toMatchObject({ owner: 't1', idContext: 'aa', expiresAt: house.clock.time + 600 * SECOND })
    expect(secrets).not.toEqual(old.secrets)
    const ending = house.registry.credentialByOscoreId(old.credential.senderId)
    expect(ending).toMatchObject({ id: old.credential.id, expiresAt: house.clock.time + 30 * SECOND })
  })

  it('is still what it was after a restart', async () => {
    const { credential, secrets } = await house.registry.issueOscore('t1', {}, ACTOR)
    const { registry } = await house.reopened()
    expect(registry.credentialByOscoreId(credential.senderId)).toEqual(credential)
    expect(registry.oscoreSecrets(credential)).toEqual(secrets)
  })
})
