import { afterAll, beforeAll, expect, test } from 'vitest'
import { asPassword, type Door, OPERATOR, openDoor } from '../../fixtures/door.ts'

let door: Door
beforeAll(async () => {
  door = await openDoor({ limits: { claimBurst: 1_000, addressBurst: 1_000 } })
  await door.device('t1')
  await door.device('t2')
})
afterAll(() => door.close())

const HOUR = 3_600_000

test('a secret proves its owner, with or without the username', async () => {
  const { id, secret } = await door.secret('t1')
  for (const username of [null, '', 't1']) {
    const principal = await door.authenticate({ username, ...asPassword(secret) })
    expect(principal).toMatchObject({
      subject: { kind: 'device', id: 't1', type: 'thermostat', roles: [] },
      credential: { id, kind: 'secret' },
      expiresAt: null,
      scopes: null,
      issuer: null,
      transport: 'mqtts',
      address: '192.0.2.1',
    })
    expect(principal.subject.attributes.get('room')).toBe('kitchen')
  }
})

test('one wrong character is a wrong secret, whether the checksum shows it or not', async () => {
  const { secret } = await door.secret('t1')
  const other = (await door.secret('t1')).secret
  const [, , keyId] = secret.split('_')
  const swapped = other.replace(/^lk_mqtt_[^_]+/, `lk_mqtt_${keyId}`)
  for (const text of [`${secret.slice(0, -8)}AAAAAAAA`, `${secret}x`, swapped, 'lk_', 'lk_mqtt_x', 'correct horse'])
    expect(await door.refusal(asPassword(text))).toBe('bad-secret')
})

test('a password larger than a token may be is refused before it is read', async () => {
  expect(await door.refusal({ password: Buffer.alloc(8_193, 'a') })).toBe('token-invalid')
})

test('a secret opens only what it was made for', async () => {
  const api = await door.secret('t1', 'api')
  const token = await door.secret('t1', 'token')
  const mqtt = await door.secret('t1')
  expect(await door.refusal(asPassword(api.secret))).toBe('bad-secret')
  expect(await door.refusal(asPassword(token.secret))).toBe('bad-secret')
  const bearer = await door.authenticator.authenticateBearer(api.secret, '192.0.2.1')
  expect(bearer).toMatchObject({ subject: { id: 't1' }, transport: 'https' })
  await expect(door.authenticator.authenticateBearer(mqtt.secret, '192.0.2.1')).rejects.toMatchObject({
    code: 'bad-secret',
  })
})

test('revoked and expired secrets say so, to the audit trail', async () => {
  const revoked = await door.secret('t2')
  await door.rooms.registry.revokeCredential(revoked.id, { reason: 'lost' }, OPERATOR)
  expect(await door.refusal(asPassword(revoked.secret))).toBe('credential-revoked')

  const brief = await door.secret('t2', 'mqtt', 600)
  const principal = await door.authenticate(asPassword(brief.secret))
  expect(principal.expiresAt).toBe(door.rooms.registry.credential(brief.id)?.expiresAt)
  door.ahead(HOUR)
  expect(await door.refusal(asPassword(brief.secret))).toBe('credential-expired')
  door.ahead(0)
})

test('a suspended owner is refused; resumed, it comes in with the same secret', async () => {
  await door.device('sleeper')
  const { secret } = await door.secret('sleeper')
  await door.rooms.registry.suspendDevice('sleeper', OPERATOR)
  expect(await door.refusal(asPassword(secret))).toBe('owner-suspended')
  await door.rooms.registry.resumeDevice('sleeper', OPERATOR)
  expect((await door.authenticate(asPassword(secret))).subject.id).toBe('sleeper')
})

test('a secret of a removed device does not open the one that is created again under its name', async () => {
  await door.device('phoenix')
  const { secret } = await door.secret('phoenix')
  await door.rooms.registry.removeDevice('phoenix', OPERATOR)
  expect(await door.refusal(asPassword(secret))).toBe('credential-revoked')
  await door.device('phoenix')
  expect(await door.refusal(asPassword(secret))).toBe('credential-revoked')
})
