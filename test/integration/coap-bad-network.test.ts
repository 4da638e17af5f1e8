// Transfers in blocks over a network that loses, repeats and reorders: every one comes through, and nothing happens twice.
import { createHash } from 'node:crypto'
import type { MqttClient } from 'mqtt'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CODE, codeText } from '../../src/coap-wire/codes.ts'
import { FREE_PORTS_WITH_COAP, startBroker, type TestBroker } from '../fixtures/broker.ts'
import { connectDevice } from '../fixtures/clients.ts'
import { CoapDevice } from '../fixtures/coap-device.ts'
import type { Weather } from '../fixtures/datagram-network.ts'
import { startRelay, type UdpRelay } from '../fixtures/udp-relay.ts'
import { fetchRest, sendBlocks } from '../wire/coap-blocks.ts'
import { CoapClient } from '../wire/coap-wire.ts'

const SEED = Number(process.env.LATCHKEY_TEST_SEED ?? 20_261_123)
const CLIENTS = 4
const BYTES = 20_000
/** Milliseconds: short, so that the tests are. */
const RETRANSMIT = 60

const WEATHERS: readonly { name: string; weather: Weather }[] = [
  { name: 'a loss of 20 %', weather: { loss: 0.2 } },
  { name: '50 % duplicates', weather: { duplicates: 0.5 } },
  { name: 'another order', weather: { delay: 15, duplicates: 0.2 } },
  { name: 'all of them', weather: { loss: 0.15, duplicates: 0.4, delay: 10 } },
]

const body = (name: string): Buffer => {
  const parts = Array.from({ length: BYTES / 32 }, (_, i) => createHash('sha256').update(`${name} ${i}`).digest())
  return Buffer.concat(parts)
}

describe.each(WEATHERS)(`with $name, seed ${SEED}`, ({ weather }) => {
  let broker: TestBroker
  let relay: UdpRelay
  let secret = ''
  let mqtt: MqttClient
  const came = new Map<string, Buffer[]>()
  const devices: CoapDevice[] = []

  beforeAll(async () => {
    broker = await startBroker({
      listeners: FREE_PORTS_WITH_COAP,
      limits: { coap: { ackTimeout: RETRANSMIT, maxRetransmit: 20, processingDelay: 20, sessionsPerOwner: 50 } },
    })
    relay = await startRelay(broker.port('coap'), SEED, weather)
    await broker.device('t1')
    secret = (await broker.secret('t1')).secret
    mqtt = await connectDevice(broker, 't1', { username: 't1', password: secret })
    mqtt.on('message', (topic, payload) => came.set(topic, [...(came.get(topic) ?? []), payload]))
    await mqtt.subscribeAsync('device/t1/up/#', { qos: 1 })
    const client = await CoapClient.open(relay.port)
    client.retransmitAfter = RETRANSMIT
    devices.push(await CoapDevice.login(broker, 't1', secret, client))
  })
  afterAll(async () => {
    await mqtt?.endAsync(true)
    for (const device of devices) await device.close()
    await relay?.close()
    await broker?.close()
  })

  test(`${CLIENTS} devices send, read and observe ${BYTES} bytes each`, async () => {
    const [first] = devices
    if (first === undefined) throw new Error('nobody is logged in')
    const { session } = first
    await Promise.all(
      Array.from({ length: CLIENTS }, async (_, at) => {
        const client = await CoapClient.open(relay.port)
        client.retransmitAfter = RETRANSMIT
        try {
          const path = (name: string) => ({ path: `ps/device/t1/${name}/${at}`, query: session })
          for (const code of [CODE.POST, CODE.PUT]) {
            const answer = await sendBlocks(client, { ...path('up'), code }, body(`up ${at} ${code}`))
            expect(codeText(answer.code)).toBe('2.04')
          }
          const got = await client.request(path('up'))
          expect((await fetchRest(client, got, path('up'))).equals(body(`up ${at} ${CODE.PUT}`))).toBe(true)
          const observation = await client.observe({ ...path('down'), code: CODE.GET })
          await mqtt.publishAsync(`device/t1/down/${at}`, body(`down ${at}`), { qos: 1 })
          // The answer to the registration may come twice.
          const notified = await observation.next(({ payload }) => payload.length > 0)
          expect((await fetchRest(client, notified, path('down'))).equals(body(`down ${at}`))).toBe(true)
        } finally {
          await client.close()
        }
      }),
    )
    const sent = Array.from({ length: CLIENTS }, (_, at) => [2, 3].map(code => body(`up ${at} ${code}`)))
    await expect.poll(() => [...came.values()].flat().length).toBe(2 * CLIENTS)
    for (const [at, bodies] of sent.entries()) expect(came.get(`device/t1/up/${at}`)).toEqual(bodies)
    const { lost, repeated } = relay.counts
    expect([lost > 0, repeated > 0]).toEqual([(weather.loss ?? 0) > 0, (weather.duplicates ?? 0) > 0])
  }, 60_000)
})
