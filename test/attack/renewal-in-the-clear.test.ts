// Attack: a session that was opened under OSCORE asks for its next credential from outside of that protection, by its token
// alone. The answer would carry the secrets in the clear to whoever listens, or to whoever overheard the token.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { CODE } from '../../src/coap-wire/codes.ts'
import type { CoapMessage } from '../../src/coap-wire/message.ts'
import { FREE_PORTS_WITH_COAP, startBroker, type TestBroker } from '../fixtures/broker.ts'
import { contextOf, issueContext, OscoreDevice } from '../fixtures/oscore-device.ts'
import { CoapClient } from '../wire/coap-wire.ts'

const RENEW = 'ps/$latchkey/credential/renew'
const asked = { code: CODE.POST, path: RENEW, contentFormat: 50, payload: '{"id":"1"}' }

let broker: TestBroker
let device: OscoreDevice
let stranger: CoapClient
beforeAll(async () => {
  broker = await startBroker({ listeners: FREE_PORTS_WITH_COAP })
  await broker.device('t1')
  const { oscore } = await issueContext(broker, 't1')
  device = await OscoreDevice.open(broker.port('coap'), contextOf(oscore))
  stranger = await CoapClient.open(broker.port('coap'))
})
afterAll(async () => {
  await stranger?.close()
  await device?.close()
  await broker?.close()
})

const contexts = async (): Promise<number> =>
  (await broker.api('GET', '/v1/credentials?owner=t1')).items.filter(({ kind }: { kind: string }) => kind === 'oscore')
    .length

test('the token of a session does not carry the protection under which it was opened', async () => {
  const opened: CoapMessage = await device.client.request({
    code: CODE.POST,
    path: 'mqtt/connection',
    query: ['clientid=t1'],
  })
  expect(opened.code).toBe(CODE.Created)
  const session = ['clientid=t1', `token=${opened.payload}`]
  const refused = await stranger.request({ ...asked, query: session })
  expect(refused.code).toBe(CODE.Unauthorized)
  expect(refused.payload.includes('masterSecret')).toBe(false)
  expect(await contexts()).toBe(1)

  const renewed = await device.client.request({ ...asked, query: session })
  expect(renewed.code).toBe(CODE.Changed)
  expect(JSON.parse(renewed.payload.toString())).toMatchObject({ id: '1', oscore: { recipientId: '00' } })
  expect(await contexts()).toBe(2)
  const wire = Buffer.concat([...device.left, ...device.came, ...stranger.received.map(({ payload }) => payload)])
  expect(wire.includes('masterSecret')).toBe(false)
})
