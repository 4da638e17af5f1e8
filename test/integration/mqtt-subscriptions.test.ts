// SUBSCRIBE and UNSUBSCRIBE over a real socket (MQTT 5, 3.8 to 3.11, 4.7 and 4.8).
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type MqttBroker, startMqtt } from '../wire/mqtt-broker.ts'
import type { MqttWire } from '../wire/mqtt-wire.ts'

describe('subscriptions', () => {
  let mqtt: MqttBroker
  let publisher: MqttWire
  beforeAll(async () => {
    mqtt = await startMqtt({ limits: { subscriptions: 5 } })
    publisher = await mqtt.client('publisher')
  })
  afterAll(() => mqtt?.close())

  test.each([
    ['w/+/b', ['w/a/b', 'w//b'], ['w/a', 'w/a/b/c', 'x/a/b']],
    ['w/#', ['w', 'w/', 'w/a', 'w/a/b'], ['x', 'wa']],
    ['+/+', ['w/a', '/a', 'w/'], ['w', 'w/a/b']],
    ['w/$a/#', ['w/$a', 'w/$a/$b'], ['w/a']],
  ])('%s matches what it must and nothing else', async (filter, matching, others) => {
    const client = await mqtt.client('wild')
    await client.subscribe(filter, 0)
    for (const topic of [...others, ...matching]) await publisher.publish(topic, topic, { qos: 1 })
    expect(await client.messages(matching.length)).toEqual(matching)
    expect(await client.waiting()).toEqual([])
    client.destroy()
  })

  test('each copy of one message bears the identifier of its own subscription [MQTT-3.3.4-3]', async () => {
    const identifiers = [7, 7, 9, undefined]
    const clients = await Promise.all(identifiers.map((_, i) => mqtt.client(`identified-${i}`)))
    const old = await mqtt.client('identified-old', {}, 4)
    for (const [i, identifier] of identifiers.entries())
      await clients[i]?.subscribe('i/x', 0, identifier === undefined ? {} : { identifier })
    await old.subscribe('i/x', 0)
    for (const text of ['one', 'two']) {
      await publisher.publish('i/x', text, { properties: { contentType: 'a/b' } })
      for (const [i, subscriptionIdentifier] of identifiers.entries()) {
        const { payload, properties } = (await clients[i]?.next('publish')) ?? {}
        expect(payload?.toString()).toBe(text)
        expect(properties?.contentType).toBe('a/b')
        expect(properties?.subscriptionIdentifier).toEqual(subscriptionIdentifier)
      }
      expect((await old.next('publish')).payload.toString()).toBe(text)
    }
    for (const client of [...clients, old]) client.destroy()
  })

  test('overlapping: one copy with the highest QoS and every identifier [MQTT-3.3.4-2] [MQTT-3.3.4-4]', async () => {
    const client = await mqtt.client('overlap')
    await client.subscribe('o/#', 0, { identifier: 3 })
    await client.subscribe('o/+', 2, { identifier: 268_435_455 })
    await client.subscribe('o/x', 1)
    await publisher.publish('o/x', 'x', { qos: 2 })
    const { qos, properties } = await client.next('publish')
    expect(qos).toBe(2)
    expect([properties?.subscriptionIdentifier].flat().sort()).toEqual([268_435_455, 3].sort())
    expect(await client.waiting()).toEqual([])
  })

  test('no-local: never one’s own messages, and everybody else’s [MQTT-3.8.3-3]', async () => {
    const client = await mqtt.client('local')
    await client.subscribe('l/#', 1, { nl: true })
    for (const [topic, qos] of [
      ['l/0', 0],
      ['l/1', 1],
      ['l/2', 2],
    ] as const)
      await client.publish(topic, 'own', { qos })
    await publisher.publish('l/x', 'other', { qos: 1 })
    expect(await client.message()).toBe('other')
    expect(await client.waiting()).toEqual([])
  })

  test('retain-as-published keeps the flag, otherwise it is cleared [MQTT-3.3.1-12] [MQTT-3.3.1-13]', async () => {
    const client = await mqtt.client('rap')
    await client.subscribe('rap/kept', 0, { rap: true })
    await client.subscribe('rap/cleared', 0)
    for (const topic of ['rap/kept', 'rap/cleared']) await publisher.publish(topic, 'x', { qos: 1, retain: true })
    expect((await client.next('publish')).retain).toBe(true)
    expect((await client.next('publish')).retain).toBe(false)
  })

  test('retain handling: always, only when new, never (MQTT 5, 3.8.3.1)', async () => {
    await publisher.publish('rh/x', 'kept', { qos: 1, retain: true })
    const client = await mqtt.client('rh')
    for (const [rh, expected] of [
      [2, 0],
      [1, 0],
      [0, 1],
      [0, 1],
    ] as const) {
      await client.subscribe('rh/x', 1, { rh })
      expect(await client.waiting()).toHaveLength(expected)
      if (expected > 0) expect((await client.next('publish')).retain).toBe(true)
    }
    await client.unsubscribe('rh/x')
    await client.subscribe('rh/x', 1, { rh: 1 })
    expect(await client.message()).toBe('kept')
  })

  test('a shared subscription divides the messages among its members and gets no retained ones', async () => {
    await publisher.publish('sh/x', 'retained', { qos: 1, retain: true })
    const members = await Promise.all(['sh1', 'sh2'].map(id => mqtt.client(id)))
    const outsider = await mqtt.client('sh3')
    for (const member of members) expect(await member.subscribe('$share/group/sh/#', 1)).toBe(1)
    await outsider.subscribe('$share/other/sh/#', 1)
    for (let i = 0; i < 10; i++) await publisher.publish('sh/x', `${i}`, { qos: (i % 2) as 0 | 1 })
    expect(await outsider.messages(10)).toHaveLength(10)
    const got = await Promise.all(members.map(member => member.waiting()))
    expect(got.map(packets => packets.length)).toEqual([5, 5])
    members[0]?.destroy()
    await members[1]?.settle()
    await expect.poll(() => members[0]?.isClosed).toBe(true)
    for (let i = 10; i < 14; i++) await publisher.publish('sh/x', `${i}`, { qos: 1 })
    expect((await members[1]?.waiting())?.map(({ payload }) => payload.toString()).slice(-4)).toEqual([
      '10',
      '11',
      '12',
      '13',
    ])
  })

  test('unsubscribe tells what existed, and stops the messages', async () => {
    const client = await mqtt.client('un')
    await client.subscribeAll([
      { topic: 'un/a', qos: 1 },
      { topic: '$share/g/un/b', qos: 1 },
    ])
    expect(await client.unsubscribe('un/a', 'un/never', '$share/g/un/b')).toEqual([0, 0x11, 0])
    for (const topic of ['un/a', 'un/b']) await publisher.publish(topic, 'x', { qos: 1 })
    expect(await client.waiting()).toEqual([])
    expect(await client.unsubscribe('un/a')).toEqual([0x11])
  })

  test('a restored subscription is known to unsubscribe', async () => {
    const persistent = { clean: false, properties: { sessionExpiryInterval: 60 } }
    const client = await mqtt.client('restored', persistent)
    await client.subscribe('restored/a', 1)
    client.destroy()
    const again = await mqtt.client('restored', persistent)
    expect(await again.unsubscribe('restored/a', 'restored/b')).toEqual([0, 0x11])
  })

  test('the same filter twice in one packet has two answers; the last one counts', async () => {
    const client = await mqtt.client('twice')
    const subscriptions = [0, 2, 1].map(qos => ({ topic: 'twice', qos: qos as 0 | 1 | 2 }))
    expect(await client.subscribeAll(subscriptions)).toEqual([0, 2, 1])
    await publisher.publish('twice', 'x', { qos: 2 })
    expect((await client.next('publish')).qos).toBe(1)
    expect(await client.waiting()).toEqual([])
    expect(await client.unsubscribe('twice')).toEqual([0])
  })

  test.each([3, 4, 5] as const)(
    'version %i: more subscriptions than the limit are refused one by one',
    async version => {
      const client = await mqtt.client(`limit${version}`, {}, version)
      const subscriptions = Array.from({ length: 7 }, (_, i) => ({ topic: `limit/${i}`, qos: 0 as const }))
      const refused = version === 5 ? 0x97 : 0x80
      expect(await client.subscribeAll(subscriptions)).toEqual([0, 0, 0, 0, 0, refused, refused])
      expect(await client.subscribe('limit/0', 1)).toBe(1)
    },
  )
})
