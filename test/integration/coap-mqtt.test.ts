// CoAP and MQTT on one bus: what one side publishes the other receives, under one policy.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { OPTION } from '../../src/coap-wire/options.ts'
import { decodeTopicMessage } from '../../src/coap-wire/topic-message.ts'
import { FREE_PORTS_WITH_COAP, startBroker, type TestBroker } from '../fixtures/broker.ts'
import { CoapDevice, numberIn, told } from '../fixtures/coap-device.ts'
import { MqttWire } from '../wire/mqtt-wire.ts'

describe('CoAP and MQTT', () => {
  let broker: TestBroker
  let coap: CoapDevice
  let mqtt: MqttWire
  beforeAll(async () => {
    broker = await startBroker({ listeners: FREE_PORTS_WITH_COAP })
    for (const id of ['t1', 't2']) await broker.device(id)
    const { secret } = await broker.secret('t1')
    coap = await CoapDevice.login(broker, 't1', secret)
    mqtt = MqttWire.tcp(broker.port('mqtt'))
    await mqtt.connect({ clientId: 't1', username: 't1', password: Buffer.from(secret) })
  })
  afterAll(async () => {
    mqtt?.destroy()
    await coap?.close()
    await broker?.close()
  })

  test('a CoAP publish reaches MQTT with QoS, content type and lifetime', async () => {
    await mqtt.subscribe('device/t1/up/#', 2)
    await coap.post('device/t1/up/a', '{"c":21}', { contentFormat: 50, query: ['expiry=60'] })
    const got = await mqtt.next('publish')
    expect([got.topic, got.payload.toString(), got.qos, got.retain]).toEqual(['device/t1/up/a', '{"c":21}', 1, false])
    expect(got.properties).toMatchObject({ contentType: 'application/json' })
    expect(got.properties?.messageExpiryInterval).toBeGreaterThan(50)
    await coap.post('device/t1/up/b', 'text', { contentFormat: 0, query: ['qos=2'] })
    const text = await mqtt.next('publish')
    expect([text.qos, text.properties]).toEqual([
      2,
      { contentType: 'text/plain;charset=utf-8', payloadFormatIndicator: true },
    ])
    await coap.post('device/t1/up/c', 'x', { contentFormat: 65_000, query: ['qos=0'] })
    const unnamed = await mqtt.next('publish')
    expect([unnamed.qos, unnamed.properties?.userProperties]).toEqual([0, { 'coap-ct': '65000' }])
  })

  test('what CoAP puts, MQTT finds retained; what it deletes, MQTT finds no more', async () => {
    await coap.put('device/t1/kept', 'on')
    await mqtt.subscribe('device/t1/kept', 1)
    const got = await mqtt.next('publish')
    expect([got.payload.toString(), got.retain]).toEqual(['on', true])
    await coap.delete('device/t1/kept')
    expect((await mqtt.next('publish')).payload).toHaveLength(0)
    await mqtt.unsubscribe('device/t1/kept')
    await mqtt.subscribe('device/t1/kept', 1)
    expect(await mqtt.waiting()).toEqual([])
  })

  test('an MQTT publish reaches a CoAP observer with content format and lifetime', async () => {
    const observation = await coap.observe('device/t1/down')
    const properties = { contentType: 'Application/JSON', messageExpiryInterval: 60 }
    await mqtt.publish('device/t1/down', '{"c":21}', { qos: 1, properties })
    const got = await observation.next()
    expect([told(got), numberIn(got, OPTION.ContentFormat)]).toEqual(['2.05 {"c":21}', 50])
    expect(numberIn(got, OPTION.MaxAge)).toBeGreaterThan(50)
    await mqtt.publish('device/t1/down', 'text', { qos: 0, properties: { payloadFormatIndicator: true } })
    expect(numberIn(await observation.next(), OPTION.ContentFormat)).toBe(0)
    await mqtt.publish('device/t1/down', 'x', { qos: 2, properties: { userProperties: { 'coap-ct': '65000' } } })
    expect(numberIn(await observation.next(), OPTION.ContentFormat)).toBe(65_000)
    await mqtt.publish('device/t1/down', 'x', { qos: 1, properties: { contentType: 'application/x-mine' } })
    expect(numberIn(await observation.next(), OPTION.ContentFormat)).toBeNull()
    await observation.cancel()
  })

  test('what MQTT retains, CoAP reads until it expires', async () => {
    const options = { qos: 1, retain: true } as const
    await mqtt.publish('device/t1/brief', 'x', { ...options, properties: { messageExpiryInterval: 1 } })
    await mqtt.publish('device/t1/long', 'y', options)
    const got = await coap.get('device/t1/brief')
    expect([told(got), numberIn(got, OPTION.MaxAge)]).toEqual(['2.05 x', 1])
    expect(numberIn(await coap.get('device/t1/long'), OPTION.MaxAge)).toBeNull()
    await expect.poll(async () => told(await coap.get('device/t1/brief'))).toBe('4.04')
    await mqtt.publish('device/t1/long', '', options)
    expect(told(await coap.get('device/t1/long'))).toBe('4.04')
  })

  test('a filter of CoAP is that of MQTT', async () => {
    const observation = await coap.observe('home/kitchen/+')
    await mqtt.publish('home/kitchen/temperature', '21', { qos: 1 })
    expect(decodeTopicMessage((await observation.next()).payload)?.topic).toBe('home/kitchen/temperature')
    await observation.cancel()
  })

  test('the policy is one for both: what CoAP may not publish, MQTT never sees', async () => {
    await mqtt.subscribe('home/kitchen/+', 1)
    expect(told(await coap.post('home/kitchen/lock', 'open'))).toBe('4.03')
    expect(told(await coap.post('home/hall/temperature', '1'))).toBe('4.03')
    expect(told(await coap.post('home/kitchen/temperature', '22'))).toBe('2.04')
    expect(await mqtt.message()).toBe('22')
    expect(await mqtt.waiting()).toEqual([])
    await mqtt.unsubscribe('home/kitchen/+')
  })

  test('an MQTT session that is away finds what CoAP published meanwhile', async () => {
    const { secret } = await broker.secret('t2')
    const connect = async () => {
      const wire = MqttWire.tcp(broker.port('mqtt'))
      const properties = { sessionExpiryInterval: 600 }
      await wire.connect({ clientId: 't2', username: 't2', password: Buffer.from(secret), clean: false, properties })
      return wire
    }
    const first = await connect()
    await first.subscribe('home/kitchen/+', 1)
    await first.leave()
    expect(told(await coap.post('home/kitchen/temperature', 'while away'))).toBe('2.04')
    const second = await connect()
    expect(await second.message()).toBe('while away')
    await second.leave()
  })

  test('a shared subscription has members of both', async () => {
    await mqtt.subscribe('$share/g/device/t1/jobs', 0)
    const observation = await coap.observe('$share/g/device/t1/jobs', { query: ['qos=0'] })
    for (let i = 0; i < 4; i++) await coap.post('device/t1/jobs', `${i}`, { query: ['qos=0'] })
    const got = [...(await mqtt.messages(2)), told(await observation.next()), told(await observation.next())]
    expect(got.map(text => text.replace('2.05 ', '')).sort()).toEqual(['0', '1', '2', '3'])
    await observation.cancel()
  })
})
