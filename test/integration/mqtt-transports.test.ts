// One gate behind every transport: TLS with a certificate or a pre-shared key, WebSocket, WebSocket over TLS.
import { connect as connectTls } from 'node:tls'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createWebSocketStream, WebSocket } from 'ws'
import { startBroker, type TestBroker } from '../fixtures/broker.ts'
import { MqttWire, type Version } from '../wire/mqtt-wire.ts'

describe('transports', () => {
  let broker: TestBroker
  let certificate: Awaited<ReturnType<TestBroker['certificate']>>
  let psk: Awaited<ReturnType<TestBroker['psk']>>
  let secret: string
  beforeAll(async () => {
    broker = await startBroker()
    for (const id of ['by-certificate', 'by-psk', 'by-secret']) await broker.device(id)
    certificate = await broker.certificate('by-certificate')
    psk = await broker.psk('by-psk')
    secret = (await broker.secret('by-secret')).secret
  })
  afterAll(() => broker?.close())

  const tls = (options: object) =>
    connectTls({
      host: '127.0.0.1',
      servername: 'localhost',
      port: broker.port('mqtts'),
      ca: broker.ca,
      ALPNProtocols: ['mqtt'],
      ...options,
    })
  const webSocket = (name: 'ws' | 'wss') => {
    const url = `${name}://localhost:${broker.port(name)}/mqtt`
    return createWebSocketStream(new WebSocket(url, 'mqtt', { ca: broker.ca }))
  }
  const bySecret = () => ({ clientId: 'by-secret', username: 'by-secret', password: Buffer.from(secret) })
  const ways: [string, () => MqttWire['stream'], () => { clientId: string }][] = [
    [
      'mqtts with a certificate',
      () => tls({ cert: certificate.certificate + certificate.chain, key: certificate.privateKey }),
      () => ({ clientId: 'by-certificate' }),
    ],
    [
      'mqtts with a pre-shared key',
      () =>
        tls({
          pskCallback: () => ({ identity: psk.identity, psk: Buffer.from(psk.key, 'hex') }),
          ciphers: 'TLS_AES_128_GCM_SHA256:PSK+HIGH',
          ca: undefined,
          checkServerIdentity: () => undefined,
        }),
      () => ({ clientId: 'by-psk' }),
    ],
    ['mqtts with a secret', () => tls({}), bySecret],
    ['ws with a secret', () => webSocket('ws'), bySecret],
    ['wss with a secret', () => webSocket('wss'), bySecret],
  ]

  test.each(ways)('%s: messages pass both ways, small, large and in bursts', async (_, open, options) => {
    for (const version of [4, 5] as Version[]) {
      const wire = new MqttWire(open(), version)
      const { clientId } = options()
      const connack = await wire.connect(options())
      expect(version === 5 ? connack.reasonCode : connack.returnCode).toBe(0)
      const topic = `device/${clientId}/x`
      expect(await wire.subscribe(topic, 2)).toBe(2)
      for (const qos of [0, 1, 2] as const) expect(await wire.publish(topic, `${qos}`, { qos })).toBe(0)
      expect(await wire.messages(3)).toEqual(['0', '1', '2'])
      await wire.publish(topic, Buffer.alloc(500_000, 'x'), { qos: 1 })
      expect((await wire.message()).length).toBe(500_000)
      for (let i = 0; i < 500; i++) wire.sendPublish(topic, `${i}`)
      expect(await wire.messages(500)).toEqual(Array.from({ length: 500 }, (_each, i) => `${i}`))
      await wire.leave()
    }
  })

  test.each(ways)('%s: a revocation ends it with its reason', async (name, open, options) => {
    const { clientId } = options()
    const wire = new MqttWire(open())
    await wire.connect(options())
    await wire.subscribe(`device/${clientId}/x`, 1)
    await broker.api('POST', `/v1/devices/${clientId}/suspend`)
    expect((await wire.next('disconnect')).reasonCode, name).toBe(0x87)
    await wire.closed()
    await broker.api('POST', `/v1/devices/${clientId}/resume`)
  })
})
