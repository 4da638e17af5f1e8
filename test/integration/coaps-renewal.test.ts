// A device renews the credential of its DTLS session, and is answered in the response.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { CODE } from '../../src/coap-wire/codes.ts'
import { OPTION } from '../../src/coap-wire/options.ts'
import { FREE_PORTS_WITH_BOTH_COAP, startBroker, type TestBroker } from '../fixtures/broker.ts'
import { CoapDevice, numberIn, told } from '../fixtures/coap-device.ts'
import { byCertificate, byPsk, type Channel } from '../fixtures/coaps-device.ts'
import { devicesOverDtls } from '../fixtures/devices-over-dtls.ts'
import type { Json } from '../fixtures/https-json.ts'
import { newKeys, requestPem } from '../unit/ca/requests.ts'
import { fetchRest, sendBlocks } from '../wire/coap-blocks.ts'

const RENEW = 'ps/$latchkey/credential/renew'

let broker: TestBroker

beforeAll(async () => {
  broker = await startBroker({ listeners: FREE_PORTS_WITH_BOTH_COAP })
  for (const id of ['t1', 't2', 't3']) await broker.device(id)
})
afterAll(() => broker?.close())

const { open } = devicesOverDtls(() => broker)

/** Request and answer in blocks where they are long. */
async function renewed({ client }: Channel, body: object): Promise<Json> {
  const asked = { code: CODE.POST, path: RENEW, contentFormat: 50 }
  const first = await sendBlocks(client, asked, Buffer.from(JSON.stringify(body)))
  expect([first.code, numberIn(first, OPTION.ContentFormat)]).toEqual([CODE.Changed, 50])
  return JSON.parse((await fetchRest(client, first, asked)).toString())
}

const put = ({ client }: Channel, topic: string) =>
  client.request({ code: CODE.PUT, path: `ps/${topic}`, payload: 'x' })

test('a pre-shared key: the session goes on, and the next one works', async () => {
  const channel = await open(await byPsk(broker, 't1'))
  const { id, psk } = await renewed(channel, { id: '1' })
  expect([id, psk.identity, psk.key.length]).toEqual(['1', 't1.2', 64])
  expect(told(await put(channel, 'device/t1/state'))).toBe('2.04')
  const next = await open({ psk: { identity: psk.identity, key: Buffer.from(psk.key, 'hex') } })
  expect(told(await put(next, 'device/t1/state'))).toBe('2.04')
})

test('a certificate, in blocks', async () => {
  const channel = await open(await byCertificate(broker, 't2'))
  const keys = newKeys.p256()
  const { certificate, chain } = await renewed(channel, { id: '1', csr: requestPem({ keys }) })
  const privateKey = keys.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  const next = await open({ certificate: { chain: certificate + chain, privateKey }, authorities: broker.ca })
  expect(told(await put(next, 'device/t2/state'))).toBe('2.04')
})

test('in the clear nothing is renewed', async () => {
  const { secret } = await broker.secret('t3')
  const device = await CoapDevice.login(broker, 't3', secret)
  expect(told(await device.post('$latchkey/credential/renew', '{"id":"1"}'))).toBe('4.03')
  await device.close()
})
