// CoAP over DTLS through a network that loses, repeats and reorders, and takes small datagrams only: every handshake and every
// transfer in blocks comes through, and nothing happens twice.
import { createHash } from 'node:crypto'
import type { MqttClient } from 'mqtt'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CODE, codeText } from '../../src/coap-wire/codes.ts'
import { FREE_PORTS_WITH_COAPS, startBroker, type TestBroker } from '../fixtures/broker.ts'
import { connectDevice } from '../fixtures/clients.ts'
import { byCertificate, byPsk, openChannel } from '../fixtures/coaps-device.ts'
import type { Weather } from '../fixtures/datagram-network.ts'
import { startRelay, type UdpRelay } from '../fixtures/udp-relay.ts'
import { fetchRest, sendBlocks } from '../wire/coap-blocks.ts'

const SEED = Number(process.env.LATCHKEY_TEST_SEED ?? 20_261_123)
const HANDSHAKES = 8
const BYTES = 20_000
/** Milliseconds: short, so that the tests are. */
const RETRANSMIT = 60

const WEATHERS: readonly { name: string; weather: Weather; mtu: number; sizeExponent: number }[] = [
  { name: 'a loss of 20 %', weather: { loss: 0.2 }, mtu: 1232, sizeExponent: 6 },
  { name: '50 % duplicates', weather: { duplicates: 0.5 }, mtu: 1232, sizeExponent: 6 },
  { name: 'another order', weather: { delay: 15, duplicates: 0.2 }, mtu: 1232, sizeExponent: 6 },
  { name: 'an MTU of 300', weather: {}, mtu: 300, sizeExponent: 3 },
  { name: 'all of them', weather: { loss: 0.1, duplicates: 0.3, delay: 10 }, mtu: 300, sizeExponent: 3 },
]

const body = (name: string): Buffer => {
  const parts = Array.from({ length: BYTES / 32 }, (_, i) => createHash('sha256').update(`${name} ${i}`).digest())
  return Buffer.concat(parts)
}

describe.each(WEATHERS)(`with $name, seed ${SEED}`, ({ weather, mtu, sizeExponent }) => {
  const limits = { mtu, retransmit: RETRANSMIT, handshakeTimeout: 50_000, pendingPerAddress: 1_000 }
  let broker: TestBroker
  let relay: UdpRelay
  let mqtt: MqttClient
  const came = new Map<string, string[]>()

  beforeAll(async () => {
    const coap = { ackTimeout: RETRANSMIT, maxRetransmit: 20, processingDelay: 20 }
    broker = await startBroker({ listeners: FREE_PORTS_WITH_COAPS, limits: { coap, dtls: limits } })
    relay = await startRelay(broker.port('coaps'), SEED, weather)
    await broker.device('t1')
    const { secret } = await broker.secret('t1')
    mqtt = await connectDevice(broker, 't1', { username: 't1', password: secret })
    mqtt.on('message', (topic, payload) => came.set(topic, [...(came.get(topic) ?? []), payload.toString('latin1')]))
    await mqtt.subscribeAsync('device/t1/up/#', { qos: 1 })
  })
  afterAll(async () => {
    await mqtt?.endAsync(true)
    await relay?.close()
    await broker?.close()
  })

  test.each([
    ['pre-shared keys', byPsk],
    ['certificates', byCertificate],
  ])(
    `${HANDSHAKES} handshakes with %s, and ${BYTES} bytes to and fro`,
    async (kind, by) => {
      const credentials = { ...(await by(broker, 't1')), limits }
      const channels = await Promise.all(
        Array.from({ length: HANDSHAKES }, () => openChannel(broker, credentials, { port: relay.port })),
      )
      for (const { client } of channels) client.retransmitAfter = RETRANSMIT
      const name = kind.replace(' ', '-')
      await Promise.all(
        channels.map(async ({ client }, at) => {
          const path = `ps/device/t1/up/${name}/${at}`
          const small = await client.request({ code: CODE.POST, path, payload: `${at}` })
          expect(codeText(small.code)).toBe('2.04')
        }),
      )
      const { client } = channels[0] as (typeof channels)[number]
      const path = `ps/device/t1/up/${name}/long`
      const put = await sendBlocks(client, { code: CODE.PUT, path }, body(name), sizeExponent)
      expect(codeText(put.code)).toBe('2.04')
      const got = await client.request({ path })
      expect((await fetchRest(client, got, { path })).equals(body(name))).toBe(true)

      const topic = (at: number | string) => `device/t1/up/${name}/${at}`
      await expect.poll(() => came.get(topic('long'))?.length).toBe(1)
      expect(came.get(topic('long'))).toEqual([body(name).toString('latin1')])
      for (const at of channels.keys()) expect(came.get(topic(at))).toEqual([`${at}`])
      for (const channel of channels) await channel.client.close()
    },
    60_000,
  )

  test('the network was as bad as that', () => {
    const { lost, repeated } = relay.counts
    expect([lost > 0, repeated > 0]).toEqual([(weather.loss ?? 0) > 0, (weather.duplicates ?? 0) > 0])
  })
})
