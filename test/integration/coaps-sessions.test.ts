// CoAP over DTLS on a whole broker: who a session is, and what ends it.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CODE } from '../../src/coap-wire/codes.ts'
import { OPTION } from '../../src/coap-wire/options.ts'
import { FREE_PORTS_WITH_COAPS, POLICY, startBroker, type TestBroker } from '../fixtures/broker.ts'
import { numberIn, observeIn, told } from '../fixtures/coap-device.ts'
import { bareOf, byCertificate, byPsk, type Channel, openChannel } from '../fixtures/coaps-device.ts'
import { devicesOverDtls } from '../fixtures/devices-over-dtls.ts'
import type { Json } from '../fixtures/https-json.ts'

let broker: TestBroker

beforeAll(async () => {
  broker = await startBroker({ listeners: FREE_PORTS_WITH_COAPS })
})
afterAll(() => broker?.close())

const { open, newDevice } = devicesOverDtls(() => broker)

const putPolicy = (text: string) => broker.api('PUT', '/v1/policies', { files: [{ path: 'policy.yaml', text }] })

const put = ({ client }: Channel, topic: string, payload = 'x', query: readonly string[] = []) =>
  client.request({ code: CODE.PUT, path: `ps/${topic}`, payload, query })

describe.each([
  ['a pre-shared key', byPsk],
  ['a certificate', byCertificate],
])('by %s', (_, by) => {
  test('the session is the device, without Echo, token or client id', async () => {
    const id = await newDevice()
    const channel = await open(await by(broker, id))
    expect(told(await put(channel, `device/${id}/state`, 'on'))).toBe('2.04')
    expect(told(await channel.client.request({ path: `ps/device/${id}/state` }))).toBe('2.05 on')
    expect(told(await put(channel, 'device/somebody/state'))).toBe('4.03')
    const observation = await channel.client.observe({ path: `ps/device/${id}/state` })
    expect(observeIn(observation.first)).not.toBeNull()
    await put(channel, `device/${id}/state`, 'off')
    expect(told(await observation.next())).toBe('2.05 off')
  })

  test('revoking it closes the session; its observers are told first', async () => {
    const id = await newDevice()
    const credentials = await by(broker, id)
    const channel = await open(credentials)
    const observations = []
    for (const topic of ['a', 'b', 'c'])
      observations.push(await channel.client.observe({ path: `ps/device/${id}/${topic}` }))
    await broker.api('POST', `/v1/credentials/${credentials.id}/revoke`, { reason: 'lost' })
    for (const observation of observations) expect(told(await observation.next())).toBe('4.01')
    expect(await channel.ended).toMatchObject({ reason: 'peer', inHandshake: false })
  })

  test('suspending the device closes it too, and keeps it out', async () => {
    const id = await newDevice()
    const credentials = await by(broker, id)
    const channel = await open(credentials)
    await broker.api('POST', `/v1/devices/${id}/suspend`)
    expect(await channel.ended).toMatchObject({ reason: 'peer' })
    const again = await open(credentials)
    expect(await again.ended).toMatchObject({ reason: 'peer', inHandshake: false })
  })
})

test('a key that ends by itself ends the session', async () => {
  const id = await newDevice()
  const issued = await broker.api('POST', '/v1/credentials', { owner: id, kind: 'psk', lifetime: 2 })
  const { identity, key } = issued.psk
  const channel = await open({ psk: { identity, key: Buffer.from(key, 'hex') } })
  const observation = await channel.client.observe({ path: `ps/device/${id}/state` })
  expect(told(await observation.next())).toBe('4.01')
  expect(await channel.ended).toMatchObject({ reason: 'peer' })
})

test('a policy that takes a right away ends the observation with 4.03, and nothing else', async () => {
  const id = await newDevice()
  const channel = await open(await byPsk(broker, id))
  const room = await channel.client.observe({ path: 'ps/home/kitchen/+' })
  const own = await channel.client.observe({ path: `ps/device/${id}/state` })
  await putPolicy(POLICY.replace(/.*id: listen.*\n/, ''))
  expect(told(await room.next())).toBe('4.03')
  expect(told(await put(channel, `device/${id}/state`, 'on'))).toBe('2.04')
  expect(told(await own.next())).toBe('2.05 on')
  await putPolicy(POLICY)
})

test('a policy may ask for the transport and for the kind of credential', async () => {
  const id = await newDevice()
  const [key, certificate] = [await open(await byPsk(broker, id)), await open(await byCertificate(broker, id))]
  const only = (when: string) => putPolicy(POLICY.replace(/(id: own, .*?) }/, `$1, when: ${when} }`))
  const codes = async () => [await put(key, `device/${id}/x`), await put(certificate, `device/${id}/x`)].map(told)
  await only('{ credential: psk }')
  expect(await codes()).toEqual(['2.04', '4.03'])
  await only('{ credential: x509, transport: coaps }')
  expect(await codes()).toEqual(['4.03', '2.04'])
  await only('{ transport: mqtts }')
  expect(await codes()).toEqual(['4.03', '4.03'])
  await putPolicy(POLICY)
})

test('behind a NAT that has forgotten it a device begins anew from another port; the old session goes on until it ends', async () => {
  const id = await newDevice()
  const credentials = await byPsk(broker, id)
  const before = await open(credentials)
  const observation = await before.client.observe({ path: `ps/device/${id}/state` })
  const after = await open(credentials)
  expect(told(await put(after, `device/${id}/state`, 'on'))).toBe('2.04')
  expect(told(await observation.next())).toBe('2.05 on')
  await broker.api('POST', `/v1/credentials/${credentials.id}/revoke`, { reason: 'lost' })
  await Promise.all([before.ended, after.ended])
})

test('a session that the device closes is over, and so are its observations', async () => {
  const id = await newDevice()
  const channel = await open(await byPsk(broker, id))
  await channel.client.observe({ path: `ps/device/${id}/state` })
  const live = async () =>
    (await broker.api('GET', '/v1/sessions')).items.filter(({ principal }: Json) => principal === id)
  expect(await live()).toHaveLength(1)
  channel.session.close()
  await expect.poll(live).toHaveLength(0)
})

test('what does not fit into a datagram comes in blocks', async () => {
  const id = await newDevice()
  const channel = await open(await byPsk(broker, id))
  await put(channel, `device/${id}/large`, 'x'.repeat(1150))
  const answer = await channel.client.request({ path: `ps/device/${id}/large` })
  expect(answer.payload.length).toBe(1024)
  expect(numberIn(answer, OPTION.Block2)).toBe((0 << 4) | 8 | 6)
})

test('over a network of 300 bytes the blocks are smaller, of answers and of notifications', async () => {
  const narrow = await startBroker({ listeners: FREE_PORTS_WITH_COAPS, limits: { dtls: { mtu: 300 } } })
  await narrow.device('t1')
  const channel = await openChannel(narrow, { ...(await byPsk(narrow, 't1')), limits: { mtu: 300 } })
  const observation = await channel.client.observe({ path: 'ps/device/t1/large' })
  await put(channel, 'device/t1/large', 'x'.repeat(200))
  const answer = await channel.client.request({ path: 'ps/device/t1/large' })
  for (const message of [answer, await observation.next()]) {
    expect(message.payload.length).toBe(128)
    expect(numberIn(message, OPTION.Block2)).toBe((0 << 4) | 8 | 3)
  }
  await channel.client.close()
  await narrow.close()
})

test('a session that has shown nothing stays, and is nobody', async () => {
  const channel = await open(bareOf(broker))
  expect(told(await channel.client.request({ path: 'ps/device/t1/state' }))).toBe('4.01')
  expect(told(await channel.client.request({ path: 'ps/device/t1/state' }))).toBe('4.01')
  expect(channel.session.isOpen).toBe(true)
})
