import { afterAll, beforeAll, expect, test } from 'vitest'
import { asPassword, type Door, OPERATOR, openDoor } from '../../fixtures/door.ts'

let door: Door
beforeAll(async () => {
  door = await openDoor()
  await door.device('t1')
  await door.device('t2')
})
afterAll(() => door.close())

test('the key of an identity is given to the handshake, and the identity proves its owner', async () => {
  const { registry } = door.rooms
  const { credential, key } = await registry.issuePsk('t1', { identity: 'burnt-in-7' }, OPERATOR)
  expect(door.authenticator.pskKey('burnt-in-7')).toEqual(key)
  expect(await door.authenticate({ pskIdentity: 'burnt-in-7', clientId: 't1' })).toMatchObject({
    subject: { id: 't1' },
    credential: { id: credential.id, kind: 'psk' },
  })
})

test('unknown, revoked and expired identities have no key', async () => {
  const { registry } = door.rooms
  expect(door.authenticator.pskKey('nobody')).toBeNull()
  expect(door.authenticator.pskKey('')).toBeNull()
  expect(door.authenticator.pskKey('__proto__')).toBeNull()
  const revoked = await registry.issuePsk('t2', { identity: 'revoked' }, OPERATOR)
  await registry.revokeCredential(revoked.credential.id, { reason: 'lost' }, OPERATOR)
  expect(door.authenticator.pskKey('revoked')).toBeNull()
  expect(await door.refusal({ pskIdentity: 'revoked' })).toBe('unknown-identity')
  await registry.issuePsk('t2', { identity: 'brief', lifetime: 60 }, OPERATOR)
  expect(door.authenticator.pskKey('brief')).not.toBeNull()
  door.ahead(3_600_000)
  expect(door.authenticator.pskKey('brief')).toBeNull()
  expect(await door.refusal({ pskIdentity: 'brief' })).toBe('credential-expired')
  door.ahead(0)
})

test('a PSK session without an identity is refused, whatever else is shown', async () => {
  expect(await door.refusal({ pskIdentity: '' })).toBe('psk-without-identity')
  const { secret } = await door.secret('t1')
  expect(await door.refusal({ pskIdentity: '', ...asPassword(secret) })).toBe('psk-without-identity')
})
