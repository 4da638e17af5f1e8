// Wills over a real socket (MQTT 5, 3.1.2.5 and 3.1.3.2).
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type MqttBroker, startMqtt } from '../wire/mqtt-broker.ts'
import type { MqttWire } from '../wire/mqtt-wire.ts'

const will = (topic: string, more = {}) => ({
  topic,
  payload: Buffer.from('gone'),
  qos: 1 as const,
  retain: false,
  ...more,
})

describe('wills', () => {
  let mqtt: MqttBroker
  let watcher: MqttWire
  beforeAll(async () => {
    mqtt = await startMqtt()
    watcher = await mqtt.client('watcher')
    await watcher.subscribe('will/#', 2)
  })
  afterAll(() => mqtt?.close())

  test.each([3, 4, 5] as const)('version %i: sent when the connection breaks, not after a goodbye', async version => {
    const leaver = await mqtt.client(`leaver${version}`, { will: will('will/leaver') }, version)
    await leaver.leave()
    const lost = await mqtt.client(`lost${version}`, { will: will('will/lost', { qos: 2 }) }, version)
    lost.destroy()
    const packet = await watcher.next('publish')
    expect([packet.topic, packet.payload.toString(), packet.qos]).toEqual(['will/lost', 'gone', 2])
    expect(await watcher.waiting()).toEqual([])
  })

  test('sent after DISCONNECT with reason 4 or an error, with its properties and without its delay', async () => {
    for (const reasonCode of [0x04, 0x80]) {
      const properties = {
        willDelayInterval: 0,
        contentType: 'text/plain',
        messageExpiryInterval: 60,
        userProperties: { a: 'b' },
      }
      const client = await mqtt.client('with-will', { will: will('will/asked', { properties }) })
      client.send({ cmd: 'disconnect', reasonCode })
      const packet = await watcher.next('publish')
      expect(packet.properties).toMatchObject({ contentType: 'text/plain', userProperties: { a: 'b' } })
      expect(packet.properties).not.toHaveProperty('willDelayInterval')
      expect(packet.properties?.messageExpiryInterval).toBeLessThanOrEqual(60)
    }
  })

  test('a protocol error is no goodbye', async () => {
    const client = await mqtt.client('rude', { will: will('will/rude') })
    client.sendBytes([0xf0, 0])
    expect((await watcher.next('publish')).topic).toBe('will/rude')
  })

  test('retained, when it is to be', async () => {
    const client = await mqtt.client('status', { will: will('will/status', { retain: true }) })
    client.destroy()
    await watcher.next('publish')
    const late = await mqtt.client('late')
    await late.subscribe('will/status', 1)
    expect(await late.message()).toBe('gone')
  })

  test('waits for its delay and is dropped when the client is back before [MQTT-3.1.3-9]', async () => {
    const delayed = (seconds: number) => ({
      clean: false,
      properties: { sessionExpiryInterval: 600 },
      will: will('will/delayed', { properties: { willDelayInterval: seconds } }),
    })
    const first = await mqtt.client('delayed', delayed(300))
    first.destroy()
    await first.closed()
    const second = await mqtt.client('delayed', delayed(1))
    expect(await watcher.waiting()).toEqual([])
    second.destroy()
    expect((await watcher.next('publish')).topic).toBe('will/delayed')
  })

  test('sent when the session ends before its delay', async () => {
    const options = {
      properties: { sessionExpiryInterval: 1 },
      will: will('will/ended', { properties: { willDelayInterval: 300 } }),
    }
    const client = await mqtt.client('ended', options)
    client.destroy()
    expect((await watcher.next('publish')).topic).toBe('will/ended')
  })

  test('sent when another connection takes over a will without delay', async () => {
    await mqtt.client('taken', { will: will('will/taken') })
    await mqtt.client('taken')
    expect((await watcher.next('publish')).topic).toBe('will/taken')
  })

  test('taken over while delayed: dropped when the session goes on, sent when it ends [MQTT-3.1.3-9]', async () => {
    const delayed = (topic: string) => ({
      clean: false,
      properties: { sessionExpiryInterval: 600 },
      will: will(topic, { properties: { willDelayInterval: 300 } }),
    })
    await mqtt.client('heir', delayed('will/kept'))
    await mqtt.client('heir', delayed('will/ended-by-clean-start'))
    expect(await watcher.waiting()).toEqual([])
    await mqtt.client('heir', { clean: true })
    expect((await watcher.next('publish')).topic).toBe('will/ended-by-clean-start')
    expect(await watcher.waiting()).toEqual([])
  })
})
