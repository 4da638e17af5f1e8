// A token that anybody on the way could read opens nothing at /authz-info (RFC 9200 5.10.1), however right it is, and
// whoever has seen it cannot tell from the answer whether it was.
import { generateKeyPairSync } from 'node:crypto'
import { exportJWK } from 'jose'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { CODE, codeText } from '../../src/coap-wire/codes.ts'
import { FREE_PORTS_WITH_BOTH_COAP, startBroker, type TestBroker } from '../fixtures/broker.ts'
import { bareOf, openChannel } from '../fixtures/coaps-device.ts'
import { deviceToken } from '../fixtures/door.ts'
import { CoapClient } from '../wire/coap-wire.ts'

let broker: TestBroker
let token = ''
beforeAll(async () => {
  broker = await startBroker({ listeners: FREE_PORTS_WITH_BOTH_COAP })
  await broker.device('t1')
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const jwk = await exportJWK(publicKey)
  const { credential } = await broker.api('POST', '/v1/credentials', { owner: 't1', kind: 'jwt-key', jwk })
  token = await deviceToken('t1', privateKey, {}, { kid: credential.kid })
})
afterAll(() => broker?.close())

async function shown(client: CoapClient, payload: string) {
  const answer = await client.request({ code: CODE.POST, path: 'authz-info', payload })
  const next = await client.request({ code: CODE.PUT, path: 'ps/device/t1/state', payload: 'x' })
  await client.close()
  return [codeText(answer.code), answer.payload.toString(), codeText(next.code)]
}

test('on plain CoAP the right token is worth as much as a wrong one', async () => {
  const right = await shown(await CoapClient.open(broker.port('coap')), token)
  expect(right).toEqual(await shown(await CoapClient.open(broker.port('coap')), `${token.slice(0, -4)}AAAA`))
  expect(right).toEqual(['4.01', 'Not authorized.', '4.01'])
})

test('over DTLS it is good, so that the attack had something to gain', async () => {
  const { client } = await openChannel(broker, bareOf(broker))
  expect(await shown(client, token)).toEqual(['2.01', '', '2.04'])
})
