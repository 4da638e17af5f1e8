// CoAP over TCP, TLS and WebSocket on a whole broker: the same resources, the one door, and what ends a connection.
import { generateKeyPairSync } from 'node:crypto'
import { exportJWK } from 'jose'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { CODE } from '../../src/coap-wire/codes.ts'
import { OPTION, optionOf } from '../../src/coap-wire/options.ts'
import { FREE_PORTS_WITH_COAP_STREAMS, POLICY, startBroker, type TestBroker } from '../fixtures/broker.ts'
import { connectDevice } from '../fixtures/clients.ts'
import { told } from '../fixtures/coap-device.ts'
import {
  logIn,
  observeAt,
  openStream,
  pskShown,
  putTo,
  type StreamName,
  showCertificate,
  showPsk,
} from '../fixtures/coap-stream-device.ts'
import { deviceToken } from '../fixtures/door.ts'
import type { Json } from '../fixtures/https-json.ts'
import type { CoapStreamClient } from '../wire/coap-stream-client.ts'
import { openCoapWebSocket } from '../wire/coap-websocket-wire.ts'

let broker: TestBroker
const clients: CoapStreamClient[] = []
let devices = 0

beforeAll(async () => {
  broker = await startBroker({ listeners: FREE_PORTS_WITH_COAP_STREAMS })
})
afterEach(async () => {
  for (const client of clients.splice(0)) await client.close()
})
afterAll(() => broker?.close())

async function newDevice(): Promise<string> {
  const id = `t${++devices}`
  await broker.device(id)
  return id
}

async function open(...how: [StreamName, Parameters<typeof openStream>[2]?]): Promise<CoapStreamClient> {
  const client = await openStream(broker, ...how)
  clients.push(client)
  return client
}

const live = async (principal: string) =>
  (await broker.api('GET', '/v1/sessions')).items.filter((session: Json) => session.principal === principal)

describe.each<StreamName>(['coap+tcp', 'coaps+tcp', 'coap+ws', 'coaps+ws'])('%s', name => {
  test('a stranger gets 4.01; with a session token the same resources as over UDP', async () => {
    const id = await newDevice()
    const { secret } = await broker.secret(id)
    const client = await open(name)
    expect(told(await putTo(client, `device/${id}/state`, 'on'))).toBe('4.01')
    const session = await logIn(client, id, secret)
    expect(told(await putTo(client, `device/${id}/state`, 'on', session))).toBe('2.04')
    expect(told(await client.request({ path: `ps/device/${id}/state`, query: session }))).toBe('2.05 on')
    expect(told(await putTo(client, 'device/other/state', 'on', session))).toBe('4.03')
    const core = await client.request({ path: '.well-known/core', query: session })
    expect(core.payload.toString()).toContain(`</ps/device/${id}/state>`)
    const removed = await client.request({ code: CODE.DELETE, path: `ps/device/${id}/state`, query: session })
    expect(told(removed)).toBe('2.02')
  })

  test('observers get what MQTT publishes, in order and without numbers', async () => {
    const id = await newDevice()
    const { secret } = await broker.secret(id)
    const client = await open(name)
    const query = await logIn(client, id, secret)
    const { first, next } = await observeAt(client, `device/${id}/+`, { query })
    expect(told(first)).toBe('2.05')
    expect(optionOf(first, OPTION.Observe)).toHaveLength(0)
    const writer = await connectDevice(broker, id, { username: id, password: secret })
    for (let i = 0; i < 50; i++) await writer.publishAsync(`device/${id}/n`, `${i}`, { qos: i % 2 === 0 ? 1 : 0 })
    for (let i = 0; i < 50; i++) expect((await next()).payload.toString()).toContain(`${i}`)
    await writer.endAsync(true)
  })

  test('100 kB go up and down in one message each', async () => {
    const id = await newDevice()
    const { secret } = await broker.secret(id)
    const client = await open(name)
    const query = await logIn(client, id, secret)
    await client.signal('csm')
    const body = Buffer.alloc(100_000, 'large ')
    expect(told(await putTo(client, `device/${id}/large`, body, query))).toBe('2.04')
    const answer = await client.request({ path: `ps/device/${id}/large`, query })
    expect(answer.payload.equals(body)).toBe(true)
  })
})

describe.each([
  ['coaps+tcp', 'a pre-shared key', showPsk],
  ['coaps+tcp', 'a certificate', showCertificate],
  ['coaps+ws', 'a certificate', showCertificate],
] as const)('%s by %s', (name, _, show) => {
  test('the connection is the device, without token or client id', async () => {
    const id = await newDevice()
    const client = await open(name, (await show(broker, id)).tls)
    expect(client.theirs.maxMessageSize).toBe(1_052_672)
    expect(told(await putTo(client, `device/${id}/state`, 'on'))).toBe('2.04')
    expect(told(await client.request({ path: `ps/device/${id}/state` }))).toBe('2.05 on')
    expect(told(await putTo(client, 'device/somebody/state', 'on'))).toBe('4.03')
    expect(told(await putTo(client, `device/${id}/state`, 'on', ['clientid=somebody']))).toBe('4.03')
    expect(await live(id)).toMatchObject([{ transport: name }])
  })

  test('revoking it tells its observers and closes the connection, and not a byte comes after', async () => {
    const id = await newDevice()
    const shown = await show(broker, id)
    const client = await open(name, shown.tls)
    const observations = []
    for (const topic of ['a', 'b', 'c']) observations.push(await observeAt(client, `device/${id}/${topic}`))
    await broker.api('POST', `/v1/credentials/${shown.id}/revoke`, { reason: 'lost' })
    for (const { next } of observations) expect(told(await next())).toBe('4.01')
    expect(await client.signal('abort')).toMatchObject({ diagnostic: 'the session has ended' })
    await client.ended
    expect(await live(id)).toEqual([])
  })

  test('who says nothing falls with it too, and does not come in again', async () => {
    const id = await newDevice()
    const shown = await show(broker, id)
    const client = await open(name, shown.tls)
    expect(await live(id)).toHaveLength(1)
    await broker.api('POST', `/v1/devices/${id}/suspend`)
    await client.ended
    await expect(open(name, shown.tls)).rejects.toThrow()
  })

  test('a connection that the device closes is over, and so are its observations', async () => {
    const id = await newDevice()
    const client = await open(name, (await show(broker, id)).tls)
    await observeAt(client, `device/${id}/state`)
    await client.close()
    await expect.poll(() => live(id)).toEqual([])
  })
})

test('a wrong key and an unknown identity end in the handshake, alike; the first is in the audit trail', async () => {
  const id = await newDevice()
  const { identity } = await broker.psk(id)
  const wrong = Buffer.alloc(32, 1)
  const reasons = []
  for (const claimed of [identity, 'nobody']) {
    const outcome = await open('coaps+tcp', pskShown(claimed, wrong)).then(
      () => 'let in',
      (error: NodeJS.ErrnoException) => error.code,
    )
    reasons.push(outcome)
  }
  expect(reasons[0]).not.toBe('let in')
  expect(reasons[1]).toBe(reasons[0])
  const trail = async () => (await broker.api('GET', `/v1/audit?type=authentication&principal=${identity}`)).items
  await expect.poll(trail).toMatchObject([{ event: { transport: 'coaps+tcp', result: 'refused' } }])
})

test('a certificate of another authority is refused after the handshake, like one that was revoked', async () => {
  const id = await newDevice()
  const other = await startBroker({})
  try {
    await other.device(id)
    const foreign = await showCertificate(other, id)
    await expect(open('coaps+tcp', foreign.tls)).rejects.toThrow()
    const revoked = await showCertificate(broker, id)
    await broker.api('POST', `/v1/credentials/${revoked.id}/revoke`, { reason: 'lost' })
    await expect(open('coaps+tcp', revoked.tls)).rejects.toThrow()
  } finally {
    await other.close()
  }
})

test('a JWT at /authz-info binds to the connection; in the clear it is not taken', async () => {
  const id = await newDevice()
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const jwk = await exportJWK(publicKey)
  const { credential } = await broker.api('POST', '/v1/credentials', { owner: id, kind: 'jwt-key', jwk })
  const sign = (seconds: number) =>
    deviceToken(id, privateKey, { exp: Math.floor(Date.now() / 1000) + seconds }, { kid: credential.kid })
  const post = async (client: CoapStreamClient, seconds: number) =>
    told(await client.request({ code: CODE.POST, path: 'authz-info', payload: await sign(seconds) }))

  const clear = await open('coap+tcp')
  expect(await post(clear, 60)).toBe('4.01')

  const client = await open('coaps+tcp')
  expect(await post(client, 2)).toBe('2.01')
  const { first, next } = await observeAt(client, `device/${id}/state`)
  expect(told(first)).toBe('2.05')
  expect(told(await next())).toBe('4.01')
  expect(client.isOpen).toBe(true)
  expect(await post(client, 60)).toBe('2.01')
  expect(told(await putTo(client, `device/${id}/state`, 'on'))).toBe('2.04')
})

test('a policy may ask for the transport', async () => {
  const id = await newDevice()
  const shown = await showCertificate(broker, id)
  const [tcp, ws] = [await open('coaps+tcp', shown.tls), await open('coaps+ws', shown.tls)]
  const put = (text: string) => broker.api('PUT', '/v1/policies', { files: [{ path: 'policy.yaml', text }] })
  const codes = async () => [await putTo(tcp, `device/${id}/x`, 'x'), await putTo(ws, `device/${id}/x`, 'x')].map(told)
  await put(POLICY.replace(/(id: own, .*?) }/, '$1, when: { transport: coaps+ws } }'))
  expect(await codes()).toEqual(['4.03', '2.04'])
  await put(POLICY)
  expect(await codes()).toEqual(['2.04', '2.04'])
})

test('the ready line names them, and every connection is counted', async () => {
  expect(Object.keys(broker.latchkey.listeners)).toEqual(
    expect.arrayContaining(['coap+tcp', 'coaps+tcp', 'coap+ws', 'coaps+ws']),
  )
  await open('coap+tcp')
  const { body } = await broker.call('GET', '/metrics')
  expect(String(body)).toMatch(/latchkey_coap_connections_total\{transport="coap\+tcp"\} \d+/)
})

describe('WebSocket (RFC 8323 4.1)', () => {
  const url = (path: string) => `ws://127.0.0.1:${broker.port('coap+ws')}${path}`

  test.each([
    ['another path', '/mqtt', 'coap', {}, /404/],
    ['another subprotocol', '/.well-known/coap', 'mqtt', {}, /400/],
    ['a page of another origin', '/.well-known/coap', 'coap', { origin: 'https://evil.example' }, /403/],
  ])('%s is refused', async (_, path, subprotocol, options, status) => {
    await expect(openCoapWebSocket(url(path), options, { subprotocol })).rejects.toThrow(status)
  })

  test.each([
    ['a Len that is not 0', Buffer.from('10e100', 'hex')],
    ['no byte at all', Buffer.alloc(0)],
  ])('%s is an Abort', async (_, bytes) => {
    const client = await openCoapWebSocket(url('/.well-known/coap'), {}, { says: null })
    clients.push(client)
    client.send(bytes)
    expect(await client.signal('abort')).toMatchObject({ diagnostic: 'the message is malformed' })
    await client.ended
  })
})
