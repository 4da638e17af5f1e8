// A device that lives on something else than a certificate enrols itself, and comes in with what it got.
import { generateKeyPairSync } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { EnrolmentKind, LatchkeyClient } from '../../src/client/client.ts'
import { clientOf, refusalOf } from '../fixtures/api-client.ts'
import { startBroker, type TestBroker } from '../fixtures/broker.ts'
import { isAdmitted } from '../fixtures/clients.ts'
import { honestClaims, signedBy } from '../fixtures/device-token.ts'
import { pskOptions } from '../fixtures/psk-options.ts'
import { newKeys, requestPem } from '../unit/ca/requests.ts'

let broker: TestBroker
let operator: LatchkeyClient
let stranger: LatchkeyClient

beforeAll(async () => {
  broker = await startBroker()
  operator = await clientOf(broker)
  stranger = await clientOf(broker, null)
  await operator.deviceTypes.put('thermostat', {})
})
afterAll(() => broker?.close())

/** As short-lived as in the demo. */
const LIFETIME = 30

async function token(...kinds: EnrolmentKind[]): Promise<string> {
  return (await operator.enrolments.create({ type: 'thermostat', ttl: 60, kinds, lifetime: LIFETIME })).token
}

const lifeOf = ({ credential }: { credential: { createdAt: string; expiresAt: string | null } }) =>
  (Date.parse(credential.expiresAt ?? '') - Date.parse(credential.createdAt)) / 1000

test('a secret', async () => {
  const enrolled = await stranger.enrolments.redeem({
    token: await token('secret'),
    device: 's1',
    kind: 'secret',
    audience: 'mqtt',
  })
  expect(enrolled).toEqual({
    device: expect.objectContaining({ id: 's1', type: 'thermostat' }),
    credential: expect.objectContaining({ owner: 's1', kind: 'secret', audience: 'mqtt', status: 'active' }),
    secret: expect.stringMatching(/^lk_mqtt_/),
  })
  expect(lifeOf(enrolled)).toBe(LIFETIME)
  expect(await isAdmitted(broker, 's1', { username: 's1', password: enrolled.secret })).toBe(true)
})

test('a pre-shared key', async () => {
  const enrolled = await stranger.enrolments.redeem({ token: await token('psk'), device: 'p1', kind: 'psk' })
  expect(enrolled).toEqual({
    device: expect.objectContaining({ id: 'p1' }),
    credential: expect.objectContaining({ owner: 'p1', kind: 'psk', identity: 'p1' }),
    psk: { identity: 'p1', key: expect.stringMatching(/^[0-9a-f]{64}$/) },
  })
  expect(lifeOf(enrolled)).toBe(LIFETIME)
  expect(await isAdmitted(broker, 'p1', pskOptions(enrolled.psk))).toBe(true)
})

test('an OSCORE context', async () => {
  const enrolled = await stranger.enrolments.redeem({ token: await token('oscore'), device: 'o1', kind: 'oscore' })
  const { senderId } = enrolled.oscore
  expect(enrolled).toEqual({
    device: expect.objectContaining({ id: 'o1' }),
    credential: expect.objectContaining({ owner: 'o1', kind: 'oscore', senderId }),
    oscore: {
      senderId: expect.stringMatching(/^[0-9a-f]{6}$/),
      recipientId: '00',
      idContext: null,
      masterSecret: expect.stringMatching(/^[0-9a-f]{32}$/),
      masterSalt: expect.stringMatching(/^[0-9a-f]{16}$/),
    },
  })
  expect(lifeOf(enrolled)).toBe(LIFETIME)
})

test('a key of its own for JWTs', async () => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const enrolled = await stranger.enrolments.redeem({
    token: await token('jwt-key'),
    device: 'j1',
    kind: 'jwt-key',
    jwk: { ...publicKey.export({ format: 'jwk' }) },
  })
  const { credential } = enrolled
  expect(Object.keys(enrolled).sort()).toEqual(['credential', 'device'])
  expect(credential).toMatchObject({ owner: 'j1', kind: 'jwt-key', algorithm: 'ES256' })
  expect(lifeOf(enrolled)).toBe(LIFETIME)
  const kid = credential.kind === 'jwt-key' ? credential.kid : ''
  const password = signedBy({ privateKey, publicKey, kid, credential: credential.id }, honestClaims('j1'))
  expect(await isAdmitted(broker, 'j1', { username: 'j1', password })).toBe(true)
})

test('a certificate, as before, with or without naming the kind', async () => {
  const keys = newKeys.p256()
  const privateKey = keys.privateKey.export({ type: 'pkcs8', format: 'pem' })
  for (const [device, kind] of [
    ['x1', { kind: 'x509' }],
    ['x2', {}],
  ] as const) {
    const body = { token: await token('psk', 'x509'), device, csr: requestPem({ keys }), ...kind }
    const enrolled = await stranger.enrolments.redeem(body)
    const { certificate, chain } = enrolled
    const seconds = lifeOf(enrolled)
    expect(seconds).toBeGreaterThan(LIFETIME - 1)
    expect(seconds).toBeLessThanOrEqual(LIFETIME)
    expect(await isAdmitted(broker, device, { cert: certificate + chain, key: privateKey })).toBe(true)
  }
})

test('only the kinds of the token, which is not spent by asking for another', async () => {
  const text = await token('secret', 'psk')
  const jwk = { ...newKeys.p256().publicKey.export({ format: 'jwk' }) }
  expect(await refusalOf(stranger.enrolments.redeem({ token: text, device: 'k1', csr: requestPem() }))).toMatchObject({
    status: 403,
  })
  const asked = stranger.enrolments.redeem({ token: text, device: 'k1', kind: 'jwt-key', jwk })
  expect(await refusalOf(asked)).toMatchObject({ status: 403 })
  expect((await stranger.enrolments.redeem({ token: text, device: 'k1', kind: 'psk' })).device.id).toBe('k1')
})

test('an operator sees which kinds a token gives; without any it gives certificates', async () => {
  const { id } = await operator.enrolments.create({ type: 'thermostat', ttl: 60 })
  const both = await operator.enrolments.create({ type: 'thermostat', ttl: 60, kinds: ['psk', 'x509'] })
  const { items } = await operator.enrolments.list({ limit: 500 })
  expect(items.find(each => each.id === id)?.kinds).toEqual(['x509'])
  expect(items.find(each => each.id === both.id)?.kinds).toEqual(['x509', 'psk'])
})

test.each([
  { kinds: [] },
  { kinds: ['psk', 'psk'] },
  { kinds: ['legacy'] },
  { kinds: ['x509'], lifetime: 5 },
  { kinds: ['psk'], lifetime: 4_000_000_000 },
])('%j is no enrolment', async wrong => {
  const { status, body } = await broker.call('POST', '/v1/enrolments', { type: 'thermostat', ttl: 60, ...wrong })
  expect([status, body.code]).toEqual([400, 'invalid-input'])
})

test.each([
  { kind: 'secret' },
  { kind: 'secret', audience: 'api' },
  { kind: 'psk', csr: 'x' },
  { kind: 'jwt-key' },
  { kind: 'enrolment' },
  {},
])('%j is nothing that a token gives', async wrong => {
  const body = { token: await token('secret', 'psk', 'jwt-key', 'x509'), device: 'n1', ...wrong }
  expect((await broker.call('POST', '/v1/enrolments/redeem', body, null)).status).toBe(400)
})
