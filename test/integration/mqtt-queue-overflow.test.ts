// Queues that are full: what publishers of every protocol are told, and what becomes of whoever does not read.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { FREE_PORTS_WITH_COAP } from '../fixtures/broker.ts'
import { CoapDevice, told } from '../fixtures/coap-device.ts'
import { type MqttBroker, ShiftedClock, startMqtt, TESTER } from '../wire/mqtt-broker.ts'
import type { MqttWire } from '../wire/mqtt-wire.ts'

const DURABLE = { properties: { sessionExpiryInterval: 3600 } }
const FULL = 0x97
const BOUND = 20

describe('a durable session whose queue is full', () => {
  const clock = new ShiftedClock()
  let mqtt: MqttBroker
  let publisher: MqttWire
  let other: MqttWire
  beforeAll(async () => {
    const policy = `${TESTER}assign:\n  - { type: thermostat, roles: [tester] }\n`
    const limits = { maximumQueued: BOUND, queuePatience: 1800 }
    mqtt = await startMqtt({ listeners: FREE_PORTS_WITH_COAP, limits }, { policy, clock })
    publisher = await mqtt.client('publisher')
    other = await mqtt.client('other', DURABLE)
    await other.subscribe('#', 2)
  })
  afterAll(() => mqtt?.close())

  /** Somebody who has subscribed, went away, and has as much waiting as it may. */
  async function fill(topic: string): Promise<void> {
    const away = await mqtt.client(`away from ${topic}`, DURABLE)
    await away.subscribe(topic, 2)
    await away.leave()
    for (let i = 0; i < BOUND; i++) expect(await publisher.publish(topic, `${i}`, { qos: 1 })).toBeLessThan(0x80)
    expect(await other.messages(BOUND)).toHaveLength(BOUND)
  }
  const comeBack = (topic: string) => mqtt.client(`away from ${topic}`, { clean: false, ...DURABLE })

  test('refuses QoS 1 and 2 before they are acknowledged, and nobody gets the message twice', async () => {
    await fill('refused')
    expect(await publisher.publish('refused', 'one', { qos: 1 })).toBe(FULL)
    expect(await publisher.publish('refused', 'two', { qos: 2, messageId: 77 })).toBe(FULL)
    expect(await publisher.publish('elsewhere', 'served', { qos: 1, messageId: 77 })).toBe(0x00)
    await publisher.publish('refused', 'unreliable')
    expect(await other.messages(2)).toEqual(['served', 'unreliable'])
    const back = await comeBack('refused')
    expect(await back.messages(BOUND)).toEqual(Array.from({ length: BOUND }, (_, i) => `${i}`))
    await back.settle()
    expect(await publisher.publish('refused', 'one', { qos: 1 })).toBe(0x00)
    expect(await publisher.publish('refused', 'two', { qos: 2 })).toBe(0x00)
    expect(await back.messages(2)).toEqual(['one', 'two'])
    expect(await other.messages(2)).toEqual(['one', 'two'])
    expect(await other.waiting()).toEqual([])
  })

  test('before MQTT 5 the connection is closed: an acknowledgement would be a promise [MQTT-4.8.0-2]', async () => {
    await fill('older')
    for (const qos of [1, 2] as const) {
      const older = await mqtt.client('older-publisher', {}, 4)
      older.sendPublish('older', 'x', { qos })
      await older.closed()
      expect(older.packets).toEqual([])
    }
    const older = await mqtt.client('older-publisher', {}, 4)
    older.sendPublish('older', 'unreliable')
    expect(await other.messages(1)).toEqual(['unreliable'])
  })

  test('refuses over CoAP with 4.29 and over HTTP with 429', async () => {
    await fill('all')
    await mqtt.broker.device('t1')
    const { secret } = await mqtt.broker.secret('t1')
    const coap = await CoapDevice.login(mqtt.broker, 't1', secret)
    expect(told(await coap.post('all', 'x'))).toContain('4.29')
    await coap.close()
    const message = { topic: 'all', payload: 'x', qos: 1 }
    const key = await mqtt.broker.secret('t1', 'api')
    const { status, body } = await mqtt.broker.call('POST', '/v1/messages', message, key.secret)
    expect([status, body]).toMatchObject([429, { code: 'queue-full' }])
    expect(await other.waiting()).toEqual([])
  })

  test('does not silence publishers for longer than it has patience', async () => {
    await fill('patience')
    expect(await publisher.publish('patience', 'x', { qos: 1 })).toBe(FULL)
    clock.shift += 1801 * 1000
    expect(await publisher.publish('patience', 'heard', { qos: 1 })).toBe(0x00)
    expect(await publisher.publish('patience', 'heard', { qos: 2 })).toBe(0x00)
    expect(await other.messages(2)).toEqual(['heard', 'heard'])
    const back = await comeBack('patience')
    expect(await back.messages(BOUND)).toHaveLength(BOUND)
    expect(await back.waiting()).toEqual([])
  })
})

describe('whoever does not read', () => {
  let mqtt: MqttBroker
  beforeAll(async () => {
    const limits = { maximumQueued: 50, outQueueBytes: 65_536 }
    mqtt = await startMqtt({ limits, queueOverflow: 'disconnect' })
  })
  afterAll(() => mqtt?.close())

  const ended = async () => {
    const { body } = await mqtt.broker.call('GET', '/metrics')
    return Number(/^latchkey_mqtt_ended_total\{failure="queue-full"\} (\d+)$/m.exec(String(body))?.[1] ?? 0)
  }

  test.each([1, 2] as const)(
    'keeps no session: disconnected with 0x97, and others miss nothing (QoS %i)',
    async qos => {
      const before = await ended()
      const publisher = await mqtt.client('publisher')
      const slow = await mqtt.client('slow', { properties: { receiveMaximum: 10 } })
      slow.acknowledges = false
      const other = await mqtt.client('other')
      await slow.subscribe('busy', 2)
      await other.subscribe('busy', 2)
      for (let i = 0; i < 100; i++) expect(await publisher.publish('busy', `${i}`, { qos })).toBe(0x00)
      expect((await slow.next('disconnect')).reasonCode).toBe(FULL)
      await slow.closed()
      expect(await other.messages(100)).toEqual(Array.from({ length: 100 }, (_, i) => `${i}`))
      expect(await slow.messages(10)).toEqual(Array.from({ length: 10 }, (_, i) => `${i}`))
      expect(await ended()).toBe(before + 1)
      const again = await mqtt.wire().connect({ clientId: 'slow', clean: false })
      expect(again.sessionPresent).toBe(false)
    },
  )

  test('a durable session is disconnected and kept, where the operator chose so', async () => {
    const publisher = await mqtt.client('publisher')
    const slow = await mqtt.client('slow', { properties: { ...DURABLE.properties, receiveMaximum: 10 } })
    slow.acknowledges = false
    await slow.subscribe('kept', 1)
    for (let i = 0; i < 60; i++) expect(await publisher.publish('kept', `${i}`, { qos: 1 })).toBe(0x00)
    expect((await slow.next('disconnect')).reasonCode).toBe(FULL)
    const back = await mqtt.client('slow', { clean: false, ...DURABLE })
    expect(await back.messages(50)).toEqual(Array.from({ length: 50 }, (_, i) => `${i}`))
    expect(await back.waiting()).toEqual([])
  })

  test('not a single byte: it is cut off, and others are served all the while', async () => {
    const publisher = await mqtt.client('publisher')
    const stalled = await mqtt.client('stalled', {}, 4)
    const other = await mqtt.client('other')
    await stalled.subscribe('busy', 1)
    await other.subscribe('busy', 1)
    stalled.stream.pause()
    const before = await ended()
    for (let i = 0; i < 1500; i++) {
      expect(await publisher.publish('busy', `${i} ${'x'.repeat(15_000)}`, { qos: 1 })).toBeLessThan(0x80)
      expect(Number.parseInt(await other.message(), 10)).toBe(i)
    }
    stalled.stream.resume()
    await stalled.closed()
    expect(stalled.packets.length).toBeLessThan(1500)
    expect(await ended()).toBe(before + 1)
  })
})
