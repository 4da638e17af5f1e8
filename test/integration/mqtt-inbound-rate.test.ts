// Clients that send faster than they may: they wait, and nothing of theirs is lost.
import { afterEach, expect, test } from 'vitest'
import { type MqttBroker, ShiftedClock, startMqtt } from '../wire/mqtt-broker.ts'

let mqtt: MqttBroker
afterEach(() => mqtt?.close())

const pauses = async () => {
  const { body } = await mqtt.broker.call('GET', '/metrics')
  return Number(/^latchkey_mqtt_throttled_total\{reason="messages"\} (\d+)$/m.exec(String(body))?.[1] ?? 0)
}

test.each([0, 1, 2] as const)('QoS %i: all messages arrive in order, and each is acknowledged', async qos => {
  mqtt = await startMqtt({ limits: { messageRate: 500, messageBurst: 10 } })
  const reader = await mqtt.client('reader')
  await reader.subscribe('a', qos)
  const gateway = await mqtt.client('gateway')
  const sent = Array.from({ length: 100 }, (_, i) => `${i}`)
  const exchanges = sent.map(payload => gateway.publish('a', payload, { qos }))
  expect(await Promise.all(exchanges)).toEqual(sent.map(() => 0))
  expect(await reader.messages(sent.length)).toEqual(sent)
  await gateway.settle()
  expect(await pauses()).toBeGreaterThan(0)
})

test('the keep-alive of somebody who is not read does not run out', async () => {
  const clock = new ShiftedClock()
  mqtt = await startMqtt({ limits: { messageRate: 1, messageBurst: 1, sweepInterval: 10 } }, { clock })
  const fast = await mqtt.client('fast', { keepalive: 10 })
  for (let i = 0; i < 100; i++) fast.sendPublish('a', `${i}`)
  while ((await pauses()) === 0) expect(fast.isClosed).toBe(false)
  const silent = await mqtt.client('silent', { keepalive: 10 })
  clock.shift += 16_000
  expect((await silent.next('disconnect')).reasonCode).toBe(0x8d)
  expect(fast.isClosed).toBe(false)
})

test('whoever waits is told when the broker ends', async () => {
  mqtt = await startMqtt({ limits: { messageRate: 1, messageBurst: 1 } })
  const fast = await mqtt.client('fast')
  for (let i = 0; i < 100; i++) fast.sendPublish('a', `${i}`)
  while ((await pauses()) === 0) expect(fast.isClosed).toBe(false)
  await mqtt.broker.latchkey.close()
  expect((await fast.next('disconnect')).reasonCode).toBe(0x8b)
})
