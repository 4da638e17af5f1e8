// Somebody who may subscribe lets a durable queue run full, so that everybody else's messages to that topic are refused.
// Enforced: a full queue refuses for so long and no longer. Not enforced: its patience is endless.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type MqttBroker, ShiftedClock, startMqtt } from '../wire/mqtt-broker.ts'

const DURABLE = { properties: { sessionExpiryInterval: 86_400 } }
const BOUND = 10
const PATIENCE = 60
const ENDLESS = 1_000_000_000
const FULL = 0x97

describe.each([
  ['against the broker as it is', PATIENCE],
  ['with endless patience', ENDLESS],
])('%s', (_, queuePatience) => {
  const enforced = queuePatience === PATIENCE
  const clock = new ShiftedClock()
  let mqtt: MqttBroker
  beforeAll(async () => {
    mqtt = await startMqtt({ limits: { maximumQueued: BOUND, queuePatience } }, { clock })
  })
  afterAll(() => mqtt?.close())

  const fill = async (topic: string) => {
    const publisher = await mqtt.client('publisher')
    for (let i = 0; i < BOUND; i++) expect(await publisher.publish(topic, `${i}`, { qos: 1 })).toBeLessThan(0x80)
    return publisher
  }

  test(`by going away: ${enforced ? 'repelled' : 'succeeds'}`, async () => {
    const attacker = await mqtt.client('attacker', DURABLE)
    await attacker.subscribe('alarm', 1)
    await attacker.leave()
    const publisher = await fill('alarm')
    expect(await publisher.publish('alarm', 'fire', { qos: 1 })).toBe(FULL)
    clock.shift += PATIENCE * 1000
    expect((await publisher.publish('alarm', 'fire', { qos: 1 })) === FULL).toBe(!enforced)
  })

  test(`by taking one message now and then: ${enforced ? 'repelled' : 'succeeds'}`, async () => {
    const attacker = await mqtt.client('miser', DURABLE)
    attacker.acknowledges = false
    await attacker.subscribe('heat', 1)
    const publisher = await fill('heat')
    let refused = 0
    for (let i = 0; i < 3; i++) {
      if ((await publisher.publish('heat', 'high', { qos: 1 })) === FULL) refused++
      clock.shift += PATIENCE * 1000
      const { messageId = 0 } = await attacker.next('publish')
      attacker.send({ cmd: 'puback', messageId })
      await attacker.settle()
      expect(await publisher.publish('heat', 'next', { qos: 1 })).toBeLessThan(0x80) // full again
    }
    expect(refused === 3).toBe(!enforced)
  })
})
