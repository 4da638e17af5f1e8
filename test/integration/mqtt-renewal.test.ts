// A device renews the credential that it is connected by, in the session it has, and goes on with the next one.
import type { IDisconnectPacket, MqttClient } from 'mqtt'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { startBroker, type TestBroker } from '../fixtures/broker.ts'
import { connectDevice, isAdmitted, isPublished } from '../fixtures/clients.ts'
import { deviceWithKey, honestClaims, signedBy } from '../fixtures/device-token.ts'
import type { Json } from '../fixtures/https-json.ts'
import { pskOptions } from '../fixtures/psk-options.ts'
import { nextMessage, RENEW, RENEWED, renewed } from '../fixtures/renewal.ts'
import { newKeys, requestPem } from '../unit/ca/requests.ts'

let broker: TestBroker
let number = 0
let id: string
beforeAll(async () => {
  broker = await startBroker()
})
afterAll(() => broker?.close())
beforeEach(async () => {
  id = `d${++number}`
  await broker.device(id)
})

type Options = Parameters<typeof connectDevice>[2]

const bySecret = (secret: string): Options => ({ username: id, password: secret })
const issue = (body: object): Promise<Json> => broker.api('POST', '/v1/credentials', { owner: id, ...body })
const find = (credential: string): Promise<Json> => broker.api('GET', `/v1/credentials/${credential}`)
const live = async (): Promise<string[]> => {
  const { items } = await broker.api('GET', `/v1/credentials?owner=${id}`)
  const works = ({ status, expiresAt }: Json) =>
    status === 'active' && (expiresAt === null || Date.parse(expiresAt) > Date.now())
  return items.filter(works).map((credential: Json) => credential.id)
}
const lifeOf = ({ notBefore, expiresAt }: Json) => (Date.parse(expiresAt) - Date.parse(notBefore)) / 1000

test('a secret: the old one and the session go on, the new one works, and is as long-lived', async () => {
  const { credential, secret } = await issue({ kind: 'secret', lifetime: 30, label: 'on the wall' })
  const client = await connectDevice(broker, id, bySecret(secret))
  const answer = await renewed(client, { id: 'x' })
  expect(answer).toEqual({
    id: 'x',
    credential: expect.objectContaining({ owner: id, kind: 'secret', audience: 'mqtt', label: 'on the wall' }),
    secret: expect.stringMatching(/^lk_mqtt_/),
  })
  expect(answer.secret).not.toBe(secret)
  expect(lifeOf(answer.credential)).toBe(30)
  expect(await isPublished(client, `device/${id}/x`)).toBe(true)
  expect((await find(credential.id)).expiresAt).toBe(credential.expiresAt)
  await client.endAsync(true)
  expect(await isAdmitted(broker, id, bySecret(secret))).toBe(true)
  expect(await isAdmitted(broker, id, bySecret(answer.secret))).toBe(true)
})

test('a secret without end: the old one ends with the overlap, the new one has no end either', async () => {
  const { credential, secret } = await issue({ kind: 'secret' })
  const client = await connectDevice(broker, id, bySecret(secret))
  const before = Date.now()
  const { credential: next } = await renewed(client, { id: 'x' })
  expect(next.expiresAt).toBeNull()
  const end = Date.parse((await find(credential.id)).expiresAt)
  expect(end).toBeGreaterThanOrEqual(before + 86_400_000)
  expect(end).toBeLessThanOrEqual(Date.now() + 86_400_000)
  await client.endAsync(true)
})

test('a pre-shared key, under an identity of its own, and then back', async () => {
  const { psk } = await issue({ kind: 'psk', lifetime: 30 })
  const first = await connectDevice(broker, id, pskOptions(psk))
  const next = await renewed(first, { id: '1' })
  expect(next).toEqual({
    id: '1',
    credential: expect.objectContaining({ owner: id, kind: 'psk', identity: `${id}.2` }),
    psk: { identity: `${id}.2`, key: expect.stringMatching(/^[0-9a-f]{64}$/) },
  })
  await first.endAsync(true)
  expect(await isAdmitted(broker, id, pskOptions(psk))).toBe(true)
  const second = await connectDevice(broker, id, pskOptions(next.psk))
  const last = await renewed(second, { id: '2' })
  expect(last.psk.identity).toBe(id)
  expect(lifeOf(last.credential)).toBe(30)
  await second.endAsync(true)
  expect(await isAdmitted(broker, id, pskOptions(psk))).toBe(false)
  expect(await isAdmitted(broker, id, pskOptions(last.psk))).toBe(true)
})

test('a certificate, with a fresh key', async () => {
  const pem = ({ privateKey }: ReturnType<typeof newKeys.p256>) => privateKey.export({ type: 'pkcs8', format: 'pem' })
  const [keys, next] = [newKeys.p256(), newKeys.p256()]
  const issued = await issue({ kind: 'x509', lifetime: 20, csr: requestPem({ keys }) })
  const client = await connectDevice(broker, id, { cert: issued.certificate + issued.chain, key: pem(keys) })
  const answer = await renewed(client, { id: 'x', csr: requestPem({ keys: next }) })
  expect(Object.keys(answer).sort()).toEqual(['certificate', 'chain', 'credential', 'id'])
  expect(lifeOf(answer.credential)).toBe(320) // five minutes of them in the past
  expect(await isPublished(client, `device/${id}/x`)).toBe(true)
  await client.endAsync(true)
  expect(await isAdmitted(broker, id, { cert: issued.certificate + issued.chain, key: pem(keys) })).toBe(true)
  expect(await isAdmitted(broker, id, { cert: answer.certificate + answer.chain, key: pem(next) })).toBe(true)
})

test.each([3, 4, 5] as const)('MQTT %i, every QoS, and over a WebSocket', async protocolVersion => {
  let { secret } = await broker.secret(id)
  for (const qos of [0, 1, 2] as const) {
    const version = protocolVersion === 3 ? ({ protocolId: 'MQIsdp', protocolVersion } as const) : { protocolVersion }
    const client = await connectDevice(broker, id, { listener: 'wss', ...version, ...bySecret(secret) })
    secret = (await renewed(client, { id: `${qos}` }, { qos })).secret
    expect(secret).toMatch(/^lk_mqtt_/)
    await client.endAsync(true)
  }
  expect(await live()).toHaveLength(2)
})

test('MQTT 5 correlation data comes back, with the content type', async () => {
  const { secret } = await broker.secret(id)
  const client = await connectDevice(broker, id, bySecret(secret))
  const answered = nextMessage(client)
  const correlationData = Buffer.from('the third')
  client.publish(RENEW, '{"id":"x"}', { qos: 1, properties: { correlationData, responseTopic: 'device/elsewhere' } })
  expect(await answered).toMatchObject({
    topic: RENEWED,
    qos: 0,
    retain: false,
    properties: { contentType: 'application/json', correlationData },
  })
  await client.endAsync(true)
})

test('whoever lost the answer asks again: two credentials live, however often', async () => {
  const { id: first, secret } = await broker.secret(id)
  const client = await connectDevice(broker, id, bySecret(secret))
  const answers: Json[] = []
  for (let i = 0; i < 5; i++) answers.push(await renewed(client, { id: `${i}` }))
  const last = answers.at(-1)
  expect((await live()).sort()).toEqual([first, last.credential.id].sort())
  expect(last.credential.expiresAt).toBeNull()
  await client.endAsync(true)
  expect(await isAdmitted(broker, id, bySecret(answers[3].secret))).toBe(false)
  expect(await isAdmitted(broker, id, bySecret(secret))).toBe(true)
  expect(await isAdmitted(broker, id, bySecret(last.secret))).toBe(true)
})

test('renewing on and on by the newest leaves two as well', async () => {
  let { secret } = await broker.secret(id)
  for (let i = 0; i < 4; i++) {
    const client = await connectDevice(broker, id, bySecret(secret))
    secret = (await renewed(client, { id: 'x' })).secret
    await client.endAsync(true)
    expect(await live()).toHaveLength(2)
  }
})

test('an old one that is asked by while the new one is connected renews nothing, and cuts nobody off', async () => {
  const { secret } = await broker.secret(id)
  await broker.api('PATCH', `/v1/devices/${id}`, { clientIds: 'under' })
  const old = await connectDevice(broker, `${id}/old`, bySecret(secret))
  const next = await connectDevice(broker, id, bySecret((await renewed(old, { id: 'x' })).secret))
  expect(await renewed(old, { id: 'y' })).toMatchObject({ id: 'y', error: { code: 'wrong-state' } })
  expect(await isPublished(next, `device/${id}/x`)).toBe(true)
  await Promise.all([old.endAsync(true), next.endAsync(true)])
})

test('a session by the old one ends with it, told why; reconnect with the new one before', async () => {
  const { secret } = await issue({ kind: 'secret', lifetime: 2 })
  const client = await connectDevice(broker, id, bySecret(secret))
  const cut = new Promise<IDisconnectPacket>(resolve => client.once('disconnect', resolve))
  const { secret: next } = await renewed(client, { id: 'x' })
  expect((await cut).reasonCode).toBe(0x87)
  expect(await isAdmitted(broker, id, bySecret(secret))).toBe(false)
  expect(next).toMatch(/^lk_mqtt_/)
})

test('one that was suspended or whose credential is revoked is cut off before it can ask', async () => {
  const { id: credential, secret } = await broker.secret(id)
  const client = await connectDevice(broker, id, bySecret(secret))
  const closed = new Promise<void>(resolve => client.once('close', () => resolve()))
  await broker.api('POST', `/v1/credentials/${credential}/revoke`, { reason: 'lost' })
  await closed
  expect(await live()).toEqual([])
})

test('a session by a JWT is told which way to go', async () => {
  const device = `${id}-jwt`
  const key = await deviceWithKey(broker, device)
  const client = await connectDevice(broker, device, {
    password: signedBy(key, honestClaims(device)),
    username: device,
  })
  const { error } = await renewed(client, { id: 'x' })
  expect(error).toEqual({ code: 'policy-denied', detail: expect.stringContaining('sign the next JWT') })
  await client.endAsync(true)
})

test('too many in a row are refused, and the session goes on', async () => {
  const { secret } = await broker.secret(id)
  const client = await connectDevice(broker, id, bySecret(secret))
  for (let i = 0; i < 6; i++) await renewed(client, { id: 'x' })
  expect((await renewed(client, { id: 'x' })).error.code).toBe('throttled')
  expect(await isPublished(client, `device/${id}/x`)).toBe(true)
  await client.endAsync(true)
})

test.each([
  ['', null],
  ['hello', null],
  ['[]', null],
  ['{}', null],
  ['{"id":7}', null],
  [`{"id":"${'x'.repeat(65)}"}`, null],
  ['{"id":"x","kind":"psk"}', null],
  ['{"id":"x","__proto__":{"csr":"y"}}', null],
  ['{"id":"x","csr":"y"}', 'x'],
])('%s is refused and changes nothing', async (payload, told) => {
  const { id: credential, secret } = await broker.secret(id)
  const client = await connectDevice(broker, id, bySecret(secret))
  expect(await renewed(client, payload)).toEqual({
    id: told,
    error: { code: 'invalid-input', detail: expect.any(String) },
  })
  expect(await live()).toEqual([credential])
  await client.endAsync(true)
})

test('a certificate without a request, or with one that asks for more, changes nothing', async () => {
  const keys = newKeys.p256()
  const issued = await issue({ kind: 'x509', csr: requestPem({ keys }) })
  const key = keys.privateKey.export({ type: 'pkcs8', format: 'pem' })
  const client = await connectDevice(broker, id, { cert: issued.certificate + issued.chain, key })
  expect((await renewed(client, { id: 'x' })).error.code).toBe('invalid-input')
  const other = requestPem({ commonNames: ['another'] })
  expect((await renewed(client, { id: 'x', csr: other })).error.code).toBe('invalid-csr')
  expect((await renewed(client, { id: 'x', csr: 'y' })).error.code).toBe('invalid-csr')
  expect(await live()).toEqual([issued.credential.id])
  expect((await find(issued.credential.id)).expiresAt).toBe(issued.credential.expiresAt)
  await client.endAsync(true)
})

test('a client that takes too little is told so, and nothing is made for it', async () => {
  const { id: credential, secret } = await broker.secret(id)
  const properties = { maximumPacketSize: 1000 }
  const client = await connectDevice(broker, id, { ...bySecret(secret), properties })
  expect((await renewed(client, { id: 'x' })).error.code).toBe('too-large')
  expect(await live()).toEqual([credential])
  await client.endAsync(true)
})

test('the trail says that the device did it', async () => {
  const { id: credential, secret } = await broker.secret(id)
  const client: MqttClient = await connectDevice(broker, id, bySecret(secret))
  const { credential: next } = await renewed(client, { id: 'x' })
  await client.endAsync(true)
  const { items } = await broker.api('GET', '/v1/audit?type=change&limit=500')
  const by = { kind: 'device', id, address: '127.0.0.1' }
  const about = (target: string) =>
    items
      .filter(({ event }: Json) => event.target === target && event.actor.kind === 'device')
      .map((r: Json) => r.event)
  expect(about(credential)).toMatchObject([{ what: 'credential.ending', actor: by }])
  expect(about(next.id)).toMatchObject([{ what: 'credential.issued', actor: by, detail: { renews: credential } }])
  expect(JSON.stringify(items)).not.toContain(next.secret)
})
