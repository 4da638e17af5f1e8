// Who speaks by an OSCORE context: from where, until when, and with what beside it.
import { generateKeyPairSync } from 'node:crypto'
import { exportJWK } from 'jose'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { CODE } from '../../src/coap-wire/codes.ts'
import { FREE_PORTS, startBroker, type TestBroker } from '../fixtures/broker.ts'
import { observeIn, told } from '../fixtures/coap-device.ts'
import { deviceToken } from '../fixtures/door.ts'
import { contextOf, issueContext, OscoreDevice } from '../fixtures/oscore-device.ts'

const POLICY = `
version: 1
roles:
  sensor:
    permit:
      - { id: own, allow: "device/\${device.id}/#" }
      - { id: near, allow: "near/#", when: { network: 127.0.0.1/32 } }
      - { id: proved, allow: "proved/#", when: { credential: oscore } }
assign:
  - { type: thermostat, roles: [sensor] }
`

let broker: TestBroker
const opened: OscoreDevice[] = []
beforeAll(async () => {
  broker = await startBroker({ listeners: { ...FREE_PORTS, coaps: false, coap: { port: 0 } } }, { policy: POLICY })
})
afterEach(async () => {
  for (const each of opened.splice(0)) await each.close()
})
afterAll(() => broker?.close())

async function speaker(id: string, more: object = {}) {
  await broker.device(id)
  const { id: credential, oscore } = await issueContext(broker, id, more)
  const device = await OscoreDevice.open(broker.port('coap'), contextOf(oscore))
  opened.push(device)
  return { device, credential }
}

test('the policy sees the kind of credential', async () => {
  const { device } = await speaker('k1')
  expect(told(await device.put('proved/a', 'x'))).toBe('2.04')
})

test('whoever goes on from another network is judged by that one', async () => {
  const { device } = await speaker('n1')
  const observation = await device.observe('near/a')
  expect(told(await device.put('near/a', 'here'))).toBe('2.04')
  expect(told(await observation.next())).toBe('2.05 here')
  await device.move('127.0.0.9')
  expect(told(await device.put('near/a', 'there'))).toBe('4.03')
  expect(told(await observation.next())).toBe('4.03') // it ends: it would not be permitted now
  expect(told(await device.put('device/n1/a', 'x'))).toBe('2.04')
  await device.move('127.0.0.1')
  expect(told(await device.put('near/a', 'back'))).toBe('2.04')
})

test('the end of a context ends its observations, and nothing is served by it after', async () => {
  const { device } = await speaker('e1', { lifetime: 2 })
  const observation = await device.observe('device/e1/a')
  expect(told(observation.first)).toBe('2.05')
  const last = await observation.next()
  expect(told(last)).toBe('4.01')
  expect(observeIn(last)).toBeNull()
  const refused = await device.get('device/e1/a', { echo: false })
  expect(refused.payload.toString()).toBe('Security context not found')
})

test('a rotation moves the end of observations nearer', async () => {
  const { device, credential } = await speaker('r1')
  const observation = await device.observe('device/r1/a')
  await broker.api('POST', `/v1/credentials/${credential}/rotate`, { overlap: 1 })
  expect(told(await observation.next())).toBe('4.01')
})

test('removing the device ends it all', async () => {
  const { device } = await speaker('d1')
  const observation = await device.observe('device/d1/a')
  await broker.api('DELETE', '/v1/devices/d1')
  expect(told(await observation.next())).toBe('4.01')
  expect((await device.get('device/d1/a', { echo: false })).payload.toString()).toBe('Security context not found')
})

test('a JWT at /authz-info goes with the context: both must name the same device', async () => {
  const { device } = await speaker('j1')
  await broker.device('j2')
  const sign = async (id: string, seconds: number) => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const jwk = await exportJWK(publicKey)
    const { credential } = await broker.api('POST', '/v1/credentials', { owner: id, kind: 'jwt-key', jwk })
    const exp = Math.floor(Date.now() / 1000) + seconds
    return deviceToken(id, privateKey, { exp }, { kid: credential.kid })
  }
  const bind = async (id: string, seconds: number) => {
    const payload = await sign(id, seconds)
    return told(await device.client.request({ code: CODE.POST, path: 'authz-info', payload }))
  }
  expect(await bind('j2', 600)).toBe('4.01')
  expect(await bind('j1', 2)).toBe('2.01')
  const observation = await device.observe('device/j1/a')
  expect(told(await observation.next())).toBe('4.01') // when the token ends
})

test('only its owner’s names are taken as client ids', async () => {
  const { device } = await speaker('c1')
  expect(told(await device.put('device/c1/a', 'x', { query: ['clientid=c1'] }))).toBe('2.04')
  expect(told(await device.put('device/c1/a', 'x', { query: ['clientid=n1'] }))).toBe('4.03')
})
