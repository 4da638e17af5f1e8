// What says that it is text is text, or is refused (MQTT 5, 3.3.2.3.2 and 3.1.3.2.3).
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type MqttBroker, startMqtt } from '../wire/mqtt-broker.ts'
import type { MqttWire } from '../wire/mqtt-wire.ts'

const NO_TEXT = Buffer.from([0xc3, 0x28])

describe('payload format indicator', () => {
  let mqtt: MqttBroker
  let publisher: MqttWire
  let reader: MqttWire
  beforeAll(async () => {
    mqtt = await startMqtt()
    publisher = await mqtt.client('publisher')
    reader = await mqtt.client('reader')
    await reader.subscribe('t/#', 2)
  })
  afterAll(() => mqtt?.close())

  const publish = (topic: string, payload: Buffer, qos: 0 | 1 | 2, isText?: boolean, retain = false) => {
    const properties = isText === undefined ? {} : { payloadFormatIndicator: isText }
    return publisher.publish(topic, payload, { qos, retain, properties })
  }

  test('bytes that are no text go nowhere when they say that they are', async () => {
    for (const qos of [1, 2] as const) expect(await publish('t/x', NO_TEXT, qos, true, true)).toBe(0x99)
    await publish('t/x', NO_TEXT, 0, true, true)
    expect(await publish('t/x', Buffer.from('ü'), 1, true)).toBe(0)
    expect(await reader.message()).toBe('ü')
    expect(await reader.waiting()).toEqual([])
    const late = await mqtt.client('late')
    await late.subscribe('t/#')
    expect(await late.waiting()).toEqual([])
  })

  test.each([false, undefined])('with the indicator %s they are bytes like any', async isText => {
    for (const qos of [0, 1, 2] as const) {
      expect(await publish('t/x', NO_TEXT, qos, isText)).toBe(0)
      const { payload, properties } = await reader.next('publish')
      expect([payload, properties?.payloadFormatIndicator]).toEqual([NO_TEXT, isText])
    }
  })

  test('a will is refused with CONNACK', async () => {
    const will = { topic: 't/will', payload: NO_TEXT, qos: 1 as const, retain: false }
    const refused = mqtt.wire()
    const properties = { payloadFormatIndicator: true }
    expect((await refused.connect({ clientId: 'w', will: { ...will, properties } })).reasonCode).toBe(0x99)
    await refused.closed()
    expect((await mqtt.wire().connect({ clientId: 'w', will })).reasonCode).toBe(0)
    expect(await reader.waiting()).toEqual([])
  })
})
