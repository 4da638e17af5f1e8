// CoAP over DTLS on a whole broker: who a session is, and what ends it.
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { CODE } from '../../src/coap-wire/codes.ts'
import { FREE_PORTS_WITH_COAPS, startBroker, type TestBroker } from '../fixtures/broker.ts'
import { observeIn, told } from '../fixtures/coap-device.ts'
import { bareOf, byCertificate, byPsk, type Channel, type DialOptions, openChannel } from '../fixtures/coaps-device.ts'

let broker: TestBroker
const channels: Channel[] = []
let devices = 0

beforeAll(async () => {
  broker = await startBroker({ listeners: FREE_PORTS_WITH_COAPS })
})
afterEach(async () => {
  for (const { client } of channels.splice(0)) await client.close()
})
afterAll(() => broker?.close())

async function newDevice(): Promise<string> {
  const id = `t${++devices}`
  await broker.device(id)
  return id
}

async function open(credentials: Parameters<typeof openChannel>[1], how: DialOptions = {}): Promise<Channel> {
  const channel = await openChannel(broker, credentials, how)
  channels.push(channel)
  return channel
}

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

test('a session that has shown nothing stays, and is nobody', async () => {
  const channel = await open(bareOf(broker))
  expect(told(await channel.client.request({ path: 'ps/device/t1/state' }))).toBe('4.01')
  expect(told(await channel.client.request({ path: 'ps/device/t1/state' }))).toBe('4.01')
  expect(channel.session.isOpen).toBe(true)
})
