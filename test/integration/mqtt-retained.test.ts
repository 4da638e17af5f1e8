// Retained messages over a real socket (MQTT 5, 3.3.1.3).
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type MqttBroker, startMqtt } from '../wire/mqtt-broker.ts'
import type { MqttWire } from '../wire/mqtt-wire.ts'

describe.each([4, 5] as const)('retained messages, version %i', version => {
  let mqtt: MqttBroker
  let publisher: MqttWire
  beforeAll(async () => {
    mqtt = await startMqtt({ limits: { retainedMessages: 1000 } })
    publisher = await mqtt.client('publisher', {}, version)
  })
  afterAll(() => mqtt?.close())

  test('the last one is given to a new subscription, at the lower QoS, with RETAIN', async () => {
    for (const payload of ['old', 'new']) await publisher.publish('r/a', payload, { qos: 2, retain: true })
    await publisher.publish('r/b', 'zero', { qos: 0, retain: true })
    await publisher.settle()
    const client = await mqtt.client('reader', {}, version)
    await client.subscribe('r/#', 1)
    const packets = [await client.next('publish'), await client.next('publish')]
    const view = packets.map(({ topic, payload, qos, retain }) => [topic, payload.toString(), qos, retain])
    expect(view.sort()).toEqual([
      ['r/a', 'new', 1, true],
      ['r/b', 'zero', 0, true],
    ])
  })

  test('an empty payload clears it and is still delivered', async () => {
    const live = await mqtt.client('live', {}, version)
    await live.subscribe('c/a', 1)
    await publisher.publish('c/a', 'x', { qos: 1, retain: true })
    await publisher.publish('c/a', '', { qos: 1, retain: true })
    expect(await live.messages(2)).toEqual(['x', ''])
    const late = await mqtt.client('late', {}, version)
    await late.subscribe('c/a', 1)
    expect(await late.waiting()).toEqual([])
  })

  test('many of them reach a reader in full, though more than its out-queue holds', async () => {
    const payload = Buffer.alloc(8_000, 'x')
    for (let i = 0; i < 400; i++) publisher.sendPublish(`many/${i}`, payload, { retain: true })
    await publisher.settle()
    const client = await mqtt.client('many', {}, version)
    await client.subscribe('many/#', 0)
    expect((await client.messages(400)).length).toBe(400)
  })

  test('there is a limit, and MQTT 5 says so', async () => {
    for (let i = 0; i < 1000; i++) publisher.sendPublish(`fill/${i}`, 'x', { retain: true })
    await publisher.settle()
    expect(await publisher.publish('fill/more', 'x', { qos: 1, retain: true })).toBe(version === 5 ? 0x97 : 0)
    const client = await mqtt.client('filled', {}, version)
    await client.subscribe('fill/more', 1)
    expect(await client.waiting()).toEqual([])
  })
})
