// JWTs over DTLS: at /authz-info for the channel, at /mqtt/connection for whoever has the session's token.
import { generateKeyPairSync } from 'node:crypto'
import { exportJWK } from 'jose'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { CODE } from '../../src/coap-wire/codes.ts'
import type { DtlsClientOptions } from '../../src/dtls/client.ts'
import { FREE_PORTS_WITH_BOTH_COAP, startBroker, type TestBroker } from '../fixtures/broker.ts'
import { told } from '../fixtures/coap-device.ts'
import { bareOf, byPsk } from '../fixtures/coaps-device.ts'
import { devicesOverDtls } from '../fixtures/devices-over-dtls.ts'
import { deviceToken } from '../fixtures/door.ts'
import { CoapClient } from '../wire/coap-wire.ts'

let broker: TestBroker
let keys: { t1: DtlsClientOptions; t2: DtlsClientOptions }

beforeAll(async () => {
  broker = await startBroker({ listeners: FREE_PORTS_WITH_BOTH_COAP })
  for (const id of ['t1', 't2']) await broker.device(id)
  keys = { t1: await byPsk(broker, 't1'), t2: await byPsk(broker, 't2') }
})
afterAll(() => broker?.close())

const { open } = devicesOverDtls(() => broker)

/** Signs tokens of this device, each good for so many seconds. */
async function signerOf(device: string) {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const { credential } = await broker.api('POST', '/v1/credentials', {
    owner: device,
    kind: 'jwt-key',
    jwk: await exportJWK(publicKey),
  })
  const kid: string = credential.kid
  return (seconds = 600) => deviceToken(device, privateKey, { exp: Math.floor(Date.now() / 1000) + seconds }, { kid })
}

const ask = ({ client }: { client: CoapClient }, path: string, payload = '', query: readonly string[] = []) =>
  client.request({ code: CODE.POST, path, payload, query })

test('a token binds to the channel; at its end observers get 4.01 and the next token opens again', async () => {
  const sign = await signerOf('t1')
  const channel = await open(bareOf(broker))
  expect(told(await ask(channel, 'authz-info', await sign(2)))).toBe('2.01')
  const observation = await channel.client.observe({ path: 'ps/device/t1/state' })
  expect(told(observation.first)).toBe('2.05')
  expect(told(await observation.next())).toBe('4.01')
  expect(channel.session.isOpen).toBe(true)
  expect(told(await ask(channel, 'ps/device/t1/event', 'x'))).toBe('4.01')
  expect(told(await ask(channel, 'authz-info', await sign()))).toBe('2.01')
  expect(told(await ask(channel, 'ps/device/t1/event', 'x'))).toBe('2.04')
})

test('a token on plain CoAP is 4.01, and opens nothing', async () => {
  const sign = await signerOf('t1')
  const client = await CoapClient.open(broker.port('coap'))
  expect(told(await ask({ client }, 'authz-info', await sign()))).toBe('4.01')
  expect(told(await ask({ client }, 'ps/device/t1/event', 'x'))).toBe('4.01')
  await client.close()
})

test('channel and token must name the same device', async () => {
  const sign = await signerOf('t2')
  const channel = await open(keys.t1)
  expect(told(await ask(channel, 'authz-info', await sign()))).toBe('4.01')
  expect(told(await ask(channel, 'mqtt/connection', await sign(), ['clientid=t1']))).toBe('4.01')
  expect(told(await ask(channel, 'ps/device/t1/event', 'x'))).toBe('2.04')
})

test('/mqtt/connection: by the channel alone, for its own client ids, and for nobody else’s channel', async () => {
  const own = await open(keys.t1)
  expect(told(await ask(own, 'mqtt/connection', '', ['clientid=t2']))).toBe('4.03')
  const opened = await ask(own, 'mqtt/connection', '', ['clientid=t1'])
  expect(opened.code).toBe(CODE.Created)
  const session = ['clientid=t1', `token=${opened.payload}`]
  expect(told(await ask(own, 'ps/device/t1/event', 'x', session))).toBe('2.04')
  const again = await open(keys.t1)
  expect(told(await ask(again, 'ps/device/t1/event', 'x', session))).toBe('2.04')
  const other = await open(keys.t2)
  expect(told(await ask(other, 'ps/device/t1/event', 'x', session))).toBe('4.01')
  const bare = await open(bareOf(broker))
  expect(told(await ask(bare, 'ps/device/t1/event', 'x', session))).toBe('4.01')
  const plain = await CoapClient.open(broker.port('coap'))
  expect(told(await ask({ client: plain }, 'ps/device/t1/event', 'x', session))).toBe('4.01')
  await plain.close()
})
