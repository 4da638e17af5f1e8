// PUBLISH at every QoS, both versions, over a real socket (MQTT 5, 3.3 and 4.3).
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type MqttBroker, startMqtt } from '../wire/mqtt-broker.ts'

describe('publish', () => {
  let mqtt: MqttBroker
  beforeAll(async () => {
    mqtt = await startMqtt()
  })
  afterAll(() => mqtt?.close())

  test.each([3, 4, 5] as const)('version %i: each QoS reaches a subscriber at the lower of both', async version => {
    const subscriber = await mqtt.client(`s${version}`, {}, version)
    const publisher = await mqtt.client(`p${version}`, {}, version)
    for (const granted of [0, 1, 2] as const) {
      expect(await subscriber.subscribe(`v${version}/${granted}/#`, granted)).toBe(granted)
      for (const qos of [0, 1, 2] as const) {
        expect(await publisher.publish(`v${version}/${granted}/x`, `${qos}`, { qos })).toBe(0)
        const packet = await subscriber.next('publish')
        expect([packet.payload.toString(), packet.qos, packet.retain, packet.dup]).toEqual([
          `${qos}`,
          Math.min(qos, granted),
          false,
          false,
        ])
      }
    }
  })
})
