// Attack: a session that must not get a lasting credential asks for one: over plaintext, where it would be read on the
// way; anonymous; with a token that was made to be short and narrow; as a service; or over HTTP in a device's name.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startBroker, type TestBroker } from '../fixtures/broker.ts'
import { connectDevice } from '../fixtures/clients.ts'
import { accessToken } from '../fixtures/device-token.ts'
import type { Json } from '../fixtures/https-json.ts'
import { RENEW, renewed } from '../fixtures/renewal.ts'

let broker: TestBroker
const secrets = new Map<string, string>()
beforeAll(async () => {
  broker = await startBroker({ auth: { anonymous: { role: 'reader' } } })
  await broker.device('t1')
  await broker.api('POST', '/v1/clients', { id: 'backend', roles: ['reader'] })
  for (const id of ['t1', 'backend']) secrets.set(id, (await broker.secret(id)).secret)
})
afterAll(() => broker?.close())

const as = (id: string, more = {}) => ({ username: id, password: secrets.get(id) ?? '', ...more })
const credentials = async (): Promise<Json> => (await broker.api('GET', '/v1/credentials?limit=500')).items

async function refusedAs(clientId: string, options: Parameters<typeof connectDevice>[2]) {
  const before = await credentials()
  const client = await connectDevice(broker, clientId, options)
  const answer = await renewed(client, { id: 'x' })
  await client.endAsync(true)
  expect(answer).toEqual({ id: 'x', error: { code: 'policy-denied', detail: expect.any(String) } })
  expect(await credentials()).toEqual(before)
}

test.each(['mqtt', 'ws'] as const)('over plaintext %s', listener => refusedAs('t1', as('t1', { listener })))

test.each(['mqtt', 'mqtts', 'wss'] as const)('anonymous over %s', listener => refusedAs('nobody', { listener }))

test('as a service', () => refusedAs('backend', as('backend')))

test('with an access token, which names the secret it was given for', async () => {
  const { secret } = await broker.secret('t1', 'token')
  const token = await accessToken(broker, 't1', secret)
  await refusedAs('t1', { username: 't1', password: token })
})

test('over HTTP, where there is no connection of the device', async () => {
  const { status, body } = await broker.call('POST', '/v1/messages', { topic: RENEW, payload: '{"id":"x"}' })
  expect([status, body.code]).toEqual([403, 'policy-denied'])
})

test('the same device over TLS, by its own secret: this can succeed', async () => {
  for (const listener of ['mqtts', 'wss'] as const) {
    const client = await connectDevice(broker, 't1', as('t1', { listener }))
    expect((await renewed(client, { id: 'x' })).secret).toMatch(/^lk_mqtt_/)
    await client.endAsync(true)
  }
})
