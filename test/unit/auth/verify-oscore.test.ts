import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Door, OPERATOR, openDoor } from '../../fixtures/door.ts'

let door: Door
beforeAll(async () => {
  door = await openDoor()
  await door.device('t1')
  await door.device('t2')
})
afterAll(() => door.close())

test('a verified context proves its owner', async () => {
  const { registry } = door.rooms
  const { credential, secrets } = await registry.issueOscore('t1', { senderId: 'a1', idContext: 'c0' }, OPERATOR)
  const context = door.authenticator.oscoreContext(Buffer.from([0xa1]), null)
  expect(context).toMatchObject({ id: credential.id, senderId: Buffer.from([0xa1]), idContext: Buffer.from([0xc0]) })
  expect(context?.secrets()).toEqual(secrets)
  expect(await door.authenticate({ oscore: credential.id })).toMatchObject({
    subject: { id: 't1' },
    credential: { id: credential.id, kind: 'oscore' },
  })
})

test('a kid context is that of the context, or left out', async () => {
  expect(door.authenticator.oscoreContext(Buffer.from([0xa1]), Buffer.from([0xc0]))).not.toBeNull()
  expect(door.authenticator.oscoreContext(Buffer.from([0xa1]), Buffer.from([0xc1]))).toBeNull()
  await door.rooms.registry.issueOscore('t1', { senderId: 'a2' }, OPERATOR)
  expect(door.authenticator.oscoreContext(Buffer.from([0xa2]), Buffer.alloc(0))).toBeNull()
})

test('unknown, revoked and expired contexts are not found', async () => {
  const { registry } = door.rooms
  const find = (hex: string) => door.authenticator.oscoreContext(Buffer.from(hex, 'hex'), null)
  expect(find('')).toBeNull()
  expect(find('b1')).toBeNull()
  const revoked = await registry.issueOscore('t2', { senderId: 'b1' }, OPERATOR)
  expect(find('b1')).not.toBeNull()
  await registry.revokeCredential(revoked.credential.id, { reason: 'lost' }, OPERATOR)
  expect(find('b1')).toBeNull()
  expect(await door.refusal({ oscore: revoked.credential.id })).toBe('credential-revoked')
  const brief = await registry.issueOscore('t2', { senderId: 'b2', lifetime: 60 }, OPERATOR)
  door.ahead(3_600_000)
  expect(find('b2')).toBeNull()
  expect(await door.refusal({ oscore: brief.credential.id })).toBe('credential-expired')
  door.ahead(0)
})

test('what is no OSCORE credential proves nothing by its id', async () => {
  const { credential } = await door.rooms.registry.issuePsk('t1', {}, OPERATOR)
  expect(await door.refusal({ oscore: credential.id })).toBe('unknown-identity')
  expect(await door.refusal({ oscore: 'nobody' })).toBe('unknown-identity')
})

test('beside another proof it must name the same device', async () => {
  const { credential } = await door.rooms.registry.issueOscore('t2', { senderId: 'd1' }, OPERATOR)
  const { identity } = await door.rooms.registry.issuePsk('t1', { identity: 'other' }, OPERATOR)
  expect(await door.refusal({ oscore: credential.id, pskIdentity: identity })).toBe('identities-differ')
})
