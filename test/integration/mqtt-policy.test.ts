// The policy on the wire: publish, subscribe and every delivery are decided, and a change counts at once.
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { POLICY, startBroker, type TestBroker } from '../fixtures/broker.ts'
import { MqttWire, type Version } from '../wire/mqtt-wire.ts'

/** As the policy of the other tests, without the right to listen in the room. */
const DEAF = POLICY.split('\n')
  .filter(line => !line.includes('id: listen'))
  .join('\n')
const LASTING = { clean: false, properties: { sessionExpiryInterval: 600 } }

describe('policy', () => {
  let broker: TestBroker
  const secrets = new Map<string, string>()
  const wires: MqttWire[] = []
  beforeAll(async () => {
    broker = await startBroker()
    for (const id of ['t1', 't2']) {
      await broker.device(id)
      secrets.set(id, (await broker.secret(id)).secret)
    }
  })
  afterEach(async () => {
    for (const wire of wires.splice(0)) wire.destroy()
    await put(POLICY)
    await broker.api('PATCH', '/v1/devices/t1', { attributes: { room: 'kitchen' } })
  })
  afterAll(() => broker?.close())

  const put = (text: string) => broker.api('PUT', '/v1/policies', { files: [{ path: 'policy.yaml', text }] })
  const connect = async (id: string, options = {}, version: Version = 5) => {
    const wire = MqttWire.tcp(broker.port('mqtt'), version)
    wires.push(wire)
    const credentials = { username: id, password: Buffer.from(secrets.get(id) ?? '') }
    await wire.connect({ clientId: id, ...credentials, ...options })
    return wire
  }

  test('a publish that is denied goes nowhere: MQTT 5 says so, MQTT 3 acknowledges', async () => {
    const listener = await connect('t2')
    await listener.subscribe('home/kitchen/+', 2)
    for (const version of [4, 5] as const) {
      const device = await connect('t1', {}, version)
      for (const qos of [1, 2] as const) {
        const code = await device.publish('home/kitchen/humidity', 'x', { qos })
        expect(code).toBe(version === 5 ? 0x87 : 0)
      }
      await device.publish('home/kitchen/humidity', 'x')
      await device.publish('home/kitchen/lock', 'x')
      await device.publish('$SYS/x', 'x')
      expect(await device.publish('home/kitchen/temperature', `${version}`, { qos: 1 })).toBe(0)
      expect(await listener.message()).toBe(`${version}`)
    }
    expect(await listener.waiting()).toEqual([])
  })

  test('QoS 2: what has begun is finished, what waits behind it is decided anew', async () => {
    const listener = await connect('t2', { properties: { receiveMaximum: 1 } })
    listener.acknowledges = false
    await listener.subscribe('home/kitchen/+', 2)
    const device = await connect('t1')
    for (const messageId of [5, 6]) {
      device.sendPublish('home/kitchen/temperature', `${messageId}`, { qos: 2, messageId })
      expect((await device.next('pubrec')).reasonCode ?? 0).toBe(0)
    }
    const { payload, messageId = 0 } = await listener.next('publish')
    expect(payload.toString()).toBe('5')
    await put(DEAF)
    await broker.api('PATCH', '/v1/devices/t1', { attributes: { room: 'attic' } })
    listener.send({ cmd: 'pubrec', messageId })
    await listener.next('pubrel')
    listener.send({ cmd: 'pubcomp', messageId })
    for (const messageId of [5, 6]) {
      device.send({ cmd: 'pubrel', messageId })
      expect((await device.next('pubcomp')).messageId).toBe(messageId)
    }
    expect(await device.publish('home/kitchen/temperature', 'late', { qos: 2, messageId: 5 })).toBe(0x87)
    expect(await listener.waiting()).toEqual([])
  })

  test.each([
    ['one who says nothing of it', {}, 'policy-denied'],
    ['one who asks for it', { requestProblemInformation: true }, 'policy-denied'],
    ['one who does not want it [MQTT-3.1.2-29]', { requestProblemInformation: false }, undefined],
  ])('a refusal tells its code of the catalogue and no more: to %s', async (_, properties, reasonString) => {
    const device = await connect('t1', { properties })
    for (const qos of [1, 2] as const) {
      device.sendPublish('home/attic/temperature', 'x', { qos })
      const { reasonCode, properties: told } = await device.next(qos === 1 ? 'puback' : 'pubrec')
      expect([reasonCode, told?.reasonString, told?.userProperties]).toEqual([0x87, reasonString, undefined])
    }
    expect(await device.publish('home/kitchen/temperature', 'x', { qos: 1 })).toBe(0)
    const topics = ['home/kitchen/+', '#', 'home/attic/+']
    device.send({ cmd: 'subscribe', messageId: 9, subscriptions: topics.map(topic => ({ topic, qos: 1 })) })
    const { messageId, granted, properties: told } = await device.next('suback')
    expect([messageId, granted]).toEqual([9, [1, 0x87, 0x87]])
    expect([told?.reasonString, told?.userProperties]).toEqual([reasonString, undefined])
  })

  test('refused and granted publishes keep their order in acknowledgements', async () => {
    const device = await connect('t1')
    const topics = ['home/kitchen/temperature', 'home/attic/temperature', 'home/kitchen/temperature']
    const sent = topics.map(topic => device.sendPublish(topic, 'x', { qos: 1 }))
    const answers: [number | undefined, number | undefined][] = []
    for (const _ of sent) {
      const { messageId, reasonCode } = await device.next('puback')
      answers.push([messageId, reasonCode])
    }
    expect(answers).toEqual(sent.map((id, i) => [id, i === 1 ? 0x87 : 0]))
  })

  test('filters are granted one by one', async () => {
    const filters = [
      'home/kitchen/+',
      'home/kitchen/#',
      'home/+/temperature',
      '#',
      '$SYS/#',
      '$share/g/home/kitchen/+',
      'device/t1/#',
      'device/t2/x',
    ]
    const subscriptions = filters.map(topic => ({ topic, qos: 1 as const }))
    for (const [version, no] of [
      [4, 0x80],
      [5, 0x87],
    ] as const) {
      const device = await connect('t1', {}, version)
      expect(await device.subscribeAll(subscriptions)).toEqual([1, no, no, no, no, 1, 1, no])
    }
  })

  test('a change stops delivery in mid-session and restores it', async () => {
    const [reporter, listener] = [await connect('t1'), await connect('t2')]
    await listener.subscribe('home/kitchen/+', 1)
    const report = async (payload: string) => {
      for (const qos of [0, 1] as const) await reporter.publish('home/kitchen/temperature', `${payload}${qos}`, { qos })
    }
    await report('a')
    expect(await listener.messages(2)).toEqual(['a0', 'a1'])
    await put(DEAF)
    await report('b')
    expect(await listener.waiting()).toEqual([])
    expect(await listener.subscribe('device/t2/x')).toBe(0)
    await put(POLICY)
    await report('c')
    expect(await listener.messages(2)).toEqual(['c0', 'c1'])
  })

  test('another room in the registry moves what a device may do, at once', async () => {
    const [device, listener] = [await connect('t1'), await connect('t2')]
    await listener.subscribe('home/kitchen/+', 1)
    expect(await device.subscribe('home/kitchen/+', 1)).toBe(1)
    expect(await device.publish('home/kitchen/temperature', 'in', { qos: 1 })).toBe(0)
    await broker.api('PATCH', '/v1/devices/t1', { attributes: { room: 'attic' } })
    expect(await device.publish('home/kitchen/temperature', 'out', { qos: 1 })).toBe(0x87)
    expect(await listener.messages(1)).toEqual(['in'])
    expect(await listener.waiting()).toEqual([])
    device.packets.length = 0
    await listener.publish('home/kitchen/temperature', 'not for the attic', { qos: 1 })
    expect(await device.waiting()).toEqual([])
  })

  test('what waited offline is decided again when it leaves', async () => {
    const first = await connect('t2', LASTING)
    await first.subscribe('home/kitchen/+', 1)
    first.destroy()
    await first.closed()
    const reporter = await connect('t1')
    await reporter.publish('home/kitchen/temperature', 'x', { qos: 1 })
    await put(DEAF)
    await reporter.publish('home/kitchen/temperature', 'y', { qos: 1 })
    const second = await connect('t2', LASTING)
    expect(await second.waiting()).toEqual([])
    await put(POLICY)
    await reporter.publish('home/kitchen/temperature', 'z', { qos: 1 })
    expect(await second.message()).toBe('z')
  })

  test('a message in flight that is denied meanwhile is not repeated; its exchange ends cleanly', async () => {
    const first = await connect('t2', LASTING)
    first.acknowledges = false
    await first.subscribe('home/kitchen/+', 2)
    const reporter = await connect('t1')
    for (const qos of [1, 2] as const) await reporter.publish('home/kitchen/temperature', `${qos}`, { qos })
    const held = [await first.next('publish'), await first.next('publish')]
    first.destroy()
    await first.closed()
    await put(DEAF)
    const second = await connect('t2', LASTING)
    expect((await second.next('pubrel')).messageId).toBe(held[1]?.messageId)
    expect(await second.waiting()).toEqual([])
  })

  test('a will is decided at CONNECT', async () => {
    const will = { topic: 'home/attic/temperature', payload: Buffer.from('x'), qos: 0 as const, retain: false }
    const wire = MqttWire.tcp(broker.port('mqtt'))
    wires.push(wire)
    const credentials = { username: 't1', password: Buffer.from(secrets.get('t1') ?? '') }
    expect((await wire.connect({ clientId: 't1', ...credentials, will })).reasonCode).toBe(0x87)
    await wire.closed()
  })

  test('retained messages go only to who may have them', async () => {
    const reporter = await connect('t1')
    await reporter.publish('home/kitchen/temperature', '21', { qos: 1, retain: true })
    const listener = await connect('t2')
    await put(
      `${POLICY.replace('    forbid:', '    forbid:\n      - { id: deaf, receive: "home/kitchen/temperature" }')}`,
    )
    await listener.subscribe('home/kitchen/+', 1)
    expect(await listener.waiting()).toEqual([])
  })
})
