// Sessions over a real socket: what is kept, for how long, and for whom (MQTT 5, 3.1.2.4, 3.1.2.11.2 and 4.1).
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type MqttBroker, startMqtt } from '../wire/mqtt-broker.ts'
import type { MqttWire, Version } from '../wire/mqtt-wire.ts'

const LASTING = { clean: false, properties: { sessionExpiryInterval: 600 } }
/** The same for every version: a session that outlives its connection. */
const lasting = (version: Version) => (version === 5 ? LASTING : { clean: false })

describe('sessions', () => {
  let mqtt: MqttBroker
  let publisher: MqttWire
  beforeAll(async () => {
    mqtt = await startMqtt({ limits: { sessionExpiry: 1000 } })
    publisher = await mqtt.client('publisher')
  })
  afterAll(() => mqtt?.close())

  test.each([3, 4, 5] as const)(
    'version %i: what was missed is delivered when the client comes back',
    async version => {
      const id = `missed${version}`
      const topic = `missed/${version}`
      const first = mqtt.wire(version)
      expect((await first.connect({ clientId: id, ...lasting(version) })).sessionPresent).toBe(false)
      await first.subscribe(topic, 2)
      first.destroy()
      await first.closed()
      for (const qos of [0, 1, 2] as const) await publisher.publish(topic, `${qos}`, { qos })
      const again = mqtt.wire(version)
      const { sessionPresent } = await again.connect({ clientId: id, ...lasting(version) })
      expect(sessionPresent).toBe(version !== 3) // MQTT 3.1 has no such flag
      expect(await again.messages(2)).toEqual(['1', '2'])
      expect(await again.waiting()).toEqual([])
    },
  )

  test.each([4, 5] as const)('version %i: a clean start finds nothing', async version => {
    const id = `clean${version}`
    const first = await mqtt.client(id, lasting(version), version)
    await first.subscribe(`clean/${version}`, 1)
    first.destroy()
    await first.closed()
    await publisher.publish(`clean/${version}`, 'x', { qos: 1 })
    const again = mqtt.wire(version)
    expect((await again.connect({ clientId: id, clean: true })).sessionPresent).toBe(false)
    expect(await again.waiting()).toEqual([])
  })

  test('what was sent and not acknowledged is sent again, marked, with its identifier, in order [MQTT-4.4.0-1]', async () => {
    const first = await mqtt.client('again', LASTING)
    first.acknowledges = false
    await first.subscribe('again', 2)
    for (const [payload, qos] of [
      ['a', 1],
      ['b', 2],
      ['c', 1],
    ] as const)
      await publisher.publish('again', payload, { qos })
    const before = [await first.next('publish'), await first.next('publish'), await first.next('publish')]
    expect(before.map(({ dup }) => dup)).toEqual([false, false, false])
    first.destroy()
    const second = await mqtt.client('again', LASTING)
    const after = [await second.next('publish'), await second.next('publish'), await second.next('publish')]
    expect(after.map(({ dup, messageId, payload }) => [dup, messageId, payload.toString()])).toEqual(
      before.map(({ messageId, payload }) => [true, messageId, payload.toString()]),
    )
  })

  test('a QoS 2 exchange whose receipt came goes on with PUBREL, not with the message', async () => {
    const first = await mqtt.client('release', LASTING)
    first.acknowledges = false
    await first.subscribe('release', 2)
    await publisher.publish('release', 'x', { qos: 2 })
    const { messageId = 0 } = await first.next('publish')
    first.send({ cmd: 'pubrec', messageId })
    await first.next('pubrel')
    first.destroy()
    const second = await mqtt.client('release', LASTING)
    expect((await second.next('pubrel')).messageId).toBe(messageId)
    expect(await second.waiting()).toEqual([])
  })

  test('a second connection takes over; the first is told why [MQTT-3.1.4-3]', async () => {
    const first = await mqtt.client('twin', LASTING)
    await first.subscribe('twin', 1)
    const second = mqtt.wire()
    expect((await second.connect({ clientId: 'twin', ...LASTING })).sessionPresent).toBe(true)
    expect((await first.next('disconnect')).reasonCode).toBe(0x8e)
    await first.closed()
    await publisher.publish('twin', 'x', { qos: 1 })
    expect(await second.message()).toBe('x')
  })

  test('a storm of connections with one identifier leaves exactly one', async () => {
    const wires = Array.from({ length: 10 }, () => mqtt.wire())
    for (const wire of wires) wire.sendConnect({ clientId: 'storm', ...LASTING })
    await expect.poll(() => wires.filter(wire => wire.isClosed).length, { timeout: 20_000 }).toBe(9)
    const [left] = wires.filter(wire => !wire.isClosed)
    await left?.next('connack')
    expect(await left?.subscribe('storm', 1)).toBe(1)
  })

  test('the session ends when its interval is over', async () => {
    const first = await mqtt.client('brief', { clean: false, properties: { sessionExpiryInterval: 1 } })
    await first.subscribe('brief', 1)
    first.destroy()
    const isPresent = async () => {
      const again = mqtt.wire()
      // Interval 0 on a session that is present would end it; asking must not change the answer.
      const { sessionPresent } = await again.connect({ clientId: 'brief', clean: false })
      again.destroy()
      return sessionPresent
    }
    await first.closed()
    await expect
      .poll(() => publisher.publish('brief', 'x', { qos: 1 }).then(isPresent), { interval: 1500, timeout: 20_000 })
      .toBe(false)
  })

  test('DISCONNECT may shorten the interval, and not revive a session that was to end', async () => {
    const first = await mqtt.client('shorten', LASTING)
    await first.leave({ sessionExpiryInterval: 0 })
    const second = mqtt.wire()
    expect((await second.connect({ clientId: 'shorten', clean: false })).sessionPresent).toBe(false)
    second.send({ cmd: 'disconnect', reasonCode: 0, properties: { sessionExpiryInterval: 10 } })
    expect((await second.next('disconnect')).reasonCode).toBe(0x82)
  })

  test('a longer interval than allowed is lowered, and the client is told', async () => {
    const client = mqtt.wire()
    const { properties } = await client.connect({
      clientId: 'greedy',
      properties: { sessionExpiryInterval: 0xffffffff },
    })
    expect(properties?.sessionExpiryInterval).toBe(1000)
  })

  test('the identifiers of QoS 2 messages that came in survive the connection', async () => {
    const subscriber = await mqtt.client('in-s')
    await subscriber.subscribe('in', 2)
    const first = await mqtt.client('in', LASTING)
    first.sendPublish('in', 'x', { qos: 2, messageId: 5 })
    await first.next('pubrec')
    first.destroy()
    const second = await mqtt.client('in', LASTING)
    second.sendPublish('in', 'x', { qos: 2, messageId: 5, dup: true })
    await second.next('pubrec')
    second.send({ cmd: 'pubrel', messageId: 5 })
    await second.next('pubcomp')
    await second.publish('in', 'y', { qos: 2 })
    expect(await subscriber.messages(2)).toEqual(['x', 'y'])
  })
})
