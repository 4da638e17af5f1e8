// The statistics under `$SYS`, over MQTT and CoAP.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { decodeTopicMessage } from '../../src/coap-wire/topic-message.ts'
import { FREE_PORTS_WITH_COAP, POLICY, startBroker, type TestBroker } from '../fixtures/broker.ts'
import { CoapDevice, told } from '../fixtures/coap-device.ts'
import { MqttWire } from '../wire/mqtt-wire.ts'

const MONITORED = POLICY.replace('assign:', '  monitor: { permit: [{ id: sys, subscribe: "$SYS/#" }] }\nassign:')

const TOPICS = [
  'bytes/received',
  'bytes/sent',
  'clients/connected',
  'clients/disconnected',
  'clients/total',
  'messages/received',
  'messages/sent',
  'publish/messages/received',
  'publish/messages/sent',
  'retained messages/count',
  'shared_subscriptions/count',
  'subscriptions/count',
  'uptime',
  'version',
].map(name => `$SYS/broker/${name}`)

describe('$SYS', () => {
  let broker: TestBroker
  let secret: string
  beforeAll(async () => {
    const configuration = { listeners: FREE_PORTS_WITH_COAP, limits: { sysInterval: 1 } }
    broker = await startBroker(configuration, { policy: MONITORED })
    await broker.device('m1', { roles: ['monitor'] })
    secret = (await broker.secret('m1')).secret
  })
  afterAll(() => broker?.close())

  async function connect(): Promise<MqttWire> {
    const wire = MqttWire.tcp(broker.port('mqtt'))
    await wire.connect({ clientId: 'm1', username: 'm1', password: Buffer.from(secret) })
    return wire
  }

  test('all values come with RETAIN to a new subscriber, and the numbers are right', async () => {
    const wire = await connect()
    await wire.publish('device/m1/kept', 'x', { qos: 1, retain: true })
    expect(await wire.subscribe('$SYS/broker/#', 2)).toBe(2)
    const values = new Map<string, string>()
    for (const { topic, payload, retain, qos } of await wire.waiting()) {
      expect([retain, qos], topic).toEqual([true, 0])
      values.set(topic.slice('$SYS/broker/'.length), payload.toString())
    }
    expect([...values.keys()].map(name => `$SYS/broker/${name}`).sort()).toEqual(TOPICS)
    expect(values.get('version')).toMatch(/^latchkey version \d+\.\d+\.\d+$/)
    expect(values.get('uptime')).toMatch(/^\d+ seconds$/)
    expect(Object.fromEntries(values)).toMatchObject({
      'clients/connected': '1',
      'clients/disconnected': '0',
      'clients/total': '1',
      'messages/received': '3',
      'publish/messages/received': '1',
      'retained messages/count': '1',
      'subscriptions/count': '1',
      'shared_subscriptions/count': '0',
    })
    const sent = wire.frames.slice(0, 2).reduce((bytes, frame) => bytes + frame.length, 0) // CONNACK, PUBACK
    expect(Number(values.get('bytes/sent'))).toBeGreaterThanOrEqual(sent)
    const answers = ['connack', 'puback', 'suback'].length
    expect(Number(values.get('messages/sent'))).toBe(answers + [...values.keys()].indexOf('messages/sent'))
    expect(Number(values.get('bytes/received'))).toBeGreaterThan(60)
    wire.destroy()
  })

  test('what changes is told again at every interval, without RETAIN', async () => {
    const wire = await connect()
    await wire.subscribe('$SYS/broker/uptime')
    const first = await wire.next('publish')
    const second = await wire.next('publish')
    const third = await wire.next('publish')
    expect([first.retain, second.retain, third.retain]).toEqual([true, false, false])
    expect(Number.parseInt(third.payload.toString(), 10)).toBeGreaterThan(Number.parseInt(`${second.payload}`, 10))
    wire.destroy()
  })

  test('a CoAP client reads and observes them', async () => {
    const coap = await CoapDevice.login(broker, 'm1', secret)
    expect(told(await coap.get('$SYS/broker/version'))).toMatch(/^2\.05 latchkey version/)
    const observation = await coap.observe('$SYS/broker/uptime')
    expect(told(observation.first)).toMatch(/^2\.05 \d+ seconds$/)
    expect(told(await observation.next())).toMatch(/^2\.05 \d+ seconds$/)
    await observation.cancel()
    const all = await coap.observe('$SYS/broker/+')
    const topics = [await all.next(), await all.next()].map(({ payload }) => decodeTopicMessage(payload)?.topic)
    expect(topics.sort()).toEqual(['$SYS/broker/uptime', '$SYS/broker/version'])
    await all.cancel()
    expect(told(await coap.put('$SYS/broker/version', 'mine'))).toBe('4.03')
    await coap.close()
  })

  test('HTTP refuses whom no permit names', async () => {
    const reply = await broker.call('GET', '/v1/messages?topic=%24SYS%2Fbroker%2Fversion')
    expect(reply.status).toBe(403)
  })
})
