// CONNECT, CONNACK, keep-alive and the end of a connection over a real socket (MQTT 5, 3.1, 3.2, 3.12 and 4.13).
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type MqttBroker, startMqtt } from '../wire/mqtt-broker.ts'

const text = (value: string) => [value.length >> 8, value.length & 255, ...Buffer.from(value)]
const connect = (protocol: string, level: number, flags: number, ...rest: number[]) => {
  const body = [...text(protocol), level, flags, 0, 0, ...rest]
  return [0x10, body.length, ...body]
}

describe('connect', () => {
  let mqtt: MqttBroker
  beforeAll(async () => {
    mqtt = await startMqtt({ limits: { maxKeepAlive: 100, connectTimeout: 1, connectBytes: 2000 } })
  })
  afterAll(() => mqtt?.close())

  test.each([4, 5] as const)('version %i: an empty client id is replaced', async version => {
    const client = mqtt.wire(version)
    const connack = await client.connect({ clientId: '' })
    expect(connack.sessionPresent).toBe(false)
    if (version === 5) expect(connack.properties?.assignedClientIdentifier).toMatch(/^~/)
    expect(await client.subscribe('a')).toBe(0)
  })

  test.each([
    ['3.1.1 without a clean session [MQTT-3.1.3-8]', connect('MQTT', 4, 0, 0, 0)],
    ['3.1', connect('MQIsdp', 3, 2, 0, 0)],
  ])('an empty client id is refused to %s', async (_, bytes) => {
    const client = mqtt.wire(4)
    client.sendBytes(bytes)
    expect((await client.next('connack')).returnCode).toBe(2)
    await client.closed()
  })

  test('MQTT 3.1 may set DUP where later versions may not', async () => {
    const client = await mqtt.client('old', {}, 3)
    client.sendBytes([0x8a, 6, 0, 1, 0, 1, 97, 0])
    await client.next('suback')
    client.sendBytes([0x6a, 2, 0, 9])
    await client.next('pubcomp')
    client.sendBytes([0xaa, 5, 0, 2, 0, 1, 97])
    await client.next('unsuback')
  })

  test.each([
    [0, 100],
    [101, 100],
    [100, undefined],
    [7, undefined],
  ])('keep-alive %i: MQTT 5 clients are told %s [MQTT-3.2.2-21]', async (keepalive, told) => {
    const { properties } = await mqtt.wire().connect({ clientId: 'alive', keepalive })
    expect(properties?.serverKeepAlive).toBe(told)
  })

  test.each([4, 5] as const)(
    'version %i: whoever is silent for one and a half times its keep-alive is cut',
    async version => {
      const silent = mqtt.wire(version)
      await silent.connect({ clientId: `silent${version}`, keepalive: 1 })
      const busy = mqtt.wire(version)
      await busy.connect({ clientId: `busy${version}`, keepalive: 1 })
      const pinging = setInterval(() => busy.send({ cmd: 'pingreq' }), 200)
      if (version === 5) expect((await silent.next('disconnect')).reasonCode).toBe(0x8d)
      await silent.closed()
      clearInterval(pinging)
      expect(busy.isClosed).toBe(false)
    },
  )

  test('whoever connects and says nothing, or not all of it, is cut', async () => {
    const [mute, slow] = [mqtt.wire(), mqtt.wire()]
    slow.sendBytes([0x10, 100, 0])
    await Promise.all([mute.closed(), slow.closed()])
  })

  test('a method of enhanced authentication that is not served is refused by its name', async () => {
    const client = mqtt.wire()
    const { reasonCode } = await client.connect({
      clientId: 'a',
      properties: { authenticationMethod: 'SCRAM-SHA-1' },
    })
    expect(reasonCode).toBe(0x8c)
    await client.closed()
  })

  test.each([
    ['an unknown level', connect('MQTT', 6, 2, ...text('a')), [0x20, 2, 0, 1]],
    ['MQTT 5 under the old name', connect('MQIsdp', 5, 2, ...text('a')), [0x20, 2, 0, 1]],
  ])('%s is told so', async (_, bytes, answer) => {
    const client = mqtt.wire(4)
    client.sendBytes(bytes)
    await client.closed()
    expect(client.frames.map(frame => [...frame])).toEqual([answer])
  })

  test.each([
    ['another protocol name', connect('HTTP', 4, 2, ...text('a'))],
    ['the reserved flag [MQTT-3.1.2-3]', connect('MQTT', 4, 3, ...text('a'))],
    ['will QoS 3 [MQTT-3.1.2-12]', connect('MQTT', 4, 0x1e, ...text('a'), ...text('t'), ...text('p'))],
    ['will flags without a will [MQTT-3.1.2-11]', connect('MQTT', 4, 0x22, ...text('a'))],
    ['a password without a username, before MQTT 5', connect('MQTT', 4, 0x42, ...text('a'), ...text('p'))],
    ['a will topic with a wildcard', connect('MQTT', 4, 6, ...text('a'), ...text('t/#'), ...text('p'))],
    ['bytes behind its end', connect('MQTT', 4, 2, ...text('a'), 0)],
    ['too few bytes', connect('MQTT', 4, 2, 0, 9, 1)],
    ['a client id that is no UTF-8', connect('MQTT', 4, 2, 0, 2, 0xc3, 0x28)],
    ['a client id with U+0000', connect('MQTT', 4, 2, 0, 1, 0)],
    ['a property that belongs elsewhere', connect('MQTT', 5, 2, 3, 0x23, 0, 1, ...text('a'))],
    ['a property twice', connect('MQTT', 5, 2, 6, 0x21, 0, 1, 0x21, 0, 1, ...text('a'))],
    ['receive maximum 0', connect('MQTT', 5, 2, 3, 0x21, 0, 0, ...text('a'))],
    ['authentication data without a method', connect('MQTT', 5, 2, 4, 0x16, 0, 1, 0, ...text('a'))],
    ['another packet first [MQTT-3.1.0-1]', [0xc0, 0]],
    ['a packet larger than a stranger may send', [0x10, 0xd1, 0x0f]],
    ['a length without end', [0x10, 0xff, 0xff, 0xff, 0xff]],
  ])('CONNECT with %s: closed without a word', async (_, bytes) => {
    const client = mqtt.wire(4)
    client.sendBytes(bytes)
    await client.closed()
    expect(client.frames).toEqual([])
  })

  test('a second CONNECT ends the connection [MQTT-3.1.0-2]', async () => {
    const client = await mqtt.client('second')
    client.sendConnect({ clientId: 'second' })
    expect((await client.next('disconnect')).reasonCode).toBe(0x82)
    await client.closed()
  })

  test('packets behind CONNECT in one segment wait for CONNACK', async () => {
    const client = mqtt.wire()
    const hello = client.encode({
      cmd: 'connect',
      protocolId: 'MQTT',
      protocolVersion: 5,
      clean: true,
      keepalive: 0,
      clientId: 'eager',
    })
    const subscribe = client.encode({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'eager', qos: 0 }] })
    const publish = client.encode({ cmd: 'publish', topic: 'eager', payload: 'x', qos: 0, retain: false, dup: false })
    client.sendBytes(Buffer.concat([hello, subscribe, publish]))
    expect(await client.message()).toBe('x')
    expect(client.packets.map(({ cmd }) => cmd)).toEqual(['connack', 'suback'])
  })

  test('a broker that stops says so', async () => {
    const other = await startMqtt()
    const client = await other.client('last')
    const older = await other.client('last-3', {}, 4)
    await other.broker.latchkey.close()
    expect((await client.next('disconnect')).reasonCode).toBe(0x8b)
    await client.closed()
    await older.closed()
    await other.close()
  })
})

describe('after CONNECT', () => {
  let mqtt: MqttBroker
  beforeAll(async () => {
    mqtt = await startMqtt()
  })
  afterAll(() => mqtt?.close())

  const both = [4, 5] as const
  test.each([
    ['ill-formed UTF-8 in a topic [MQTT-1.5.4-1]', both, [0x30, 5, 0, 2, 0xc3, 0x28, 0], 0x81],
    ['a surrogate in a topic', both, [0x30, 6, 0, 3, 0xed, 0xa0, 0x80, 0], 0x81],
    ['U+0000 in a topic [MQTT-1.5.4-2]', both, [0x30, 4, 0, 1, 0, 0], 0x81],
    ['a wildcard in a topic name [MQTT-3.3.2-2]', both, [0x30, 4, 0, 1, 0x23, 0], 0x90],
    ['an empty topic [MQTT-4.7.3-1]', both, [0x30, 3, 0, 0, 0], 0x90],
    ['QoS 3 [MQTT-3.3.1-4]', both, [0x36, 6, 0, 1, 97, 0, 1, 0], 0x81],
    ['DUP with QoS 0 [MQTT-3.3.1-2]', both, [0x38, 4, 0, 1, 97, 0], 0x81],
    ['packet identifier 0 [MQTT-2.2.1-3]', both, [0x32, 6, 0, 1, 97, 0, 0, 0], 0x81],
    ['a topic longer than the packet', both, [0x30, 4, 0, 9, 97, 0], 0x81],
    ['reserved flags of SUBSCRIBE [MQTT-3.8.1-1]', both, [0x80, 6, 0, 1, 0, 1, 97, 0], 0x81],
    ['reserved flags of PUBREL [MQTT-3.6.1-1]', both, [0x60, 2, 0, 1], 0x81],
    ['PUBACK with identifier 0', both, [0x40, 2, 0, 0], 0x81],
    ['PINGREQ with a body', both, [0xc0, 1, 0], 0x81],
    ['a packet for clients alone', both, [0x20, 2, 0, 0], 0x82],
    ['packet type 0', both, [0, 0], 0x82],
    ['a filter a+/b [MQTT-4.7.1-2]', [4], [0x82, 9, 0, 1, 0, 4, 97, 43, 47, 98, 0], 0],
    ['a filter ++', [4], [0x82, 7, 0, 1, 0, 2, 43, 43, 0], 0],
    ['a filter #/a [MQTT-4.7.1-1]', [5], [0x82, 9, 0, 1, 0, 0, 3, 35, 47, 97, 0], 0x81],
    ['a share without a name [MQTT-4.8.2-1]', [5], [0x82, 15, 0, 1, 0, 0, 9, ...Buffer.from('$share//a'), 0], 0x8f],
    ['no-local on a share [MQTT-3.8.3-4]', [5], [0x82, 16, 0, 1, 0, 0, 10, ...Buffer.from('$share/g/a'), 4], 0x82],
    ['SUBSCRIBE without a filter [MQTT-3.8.3-2]', [5], [0x82, 3, 0, 1, 0], 0x81],
    ['UNSUBSCRIBE without a filter [MQTT-3.10.3-2]', [4], [0xa2, 2, 0, 1], 0],
    ['subscription QoS 3', both, [0x82, 6, 0, 1, 0, 1, 97, 3], 0x81],
    ['reserved subscription options [MQTT-3.8.3-5]', [5], [0x82, 7, 0, 1, 0, 0, 1, 97, 0xc0], 0x81],
    ['retain handling 3', [5], [0x82, 7, 0, 1, 0, 0, 1, 97, 0x30], 0x82],
    ['subscription identifier 0', [5], [0x82, 9, 0, 1, 2, 0x0b, 0, 0, 1, 97, 0], 0x82],
    ['a subscription identifier in PUBLISH [MQTT-3.3.4-6]', [5], [0x30, 6, 0, 1, 97, 2, 0x0b, 1], 0x82],
    ['a response topic with a wildcard [MQTT-3.3.2-14]', [5], [0x30, 8, 0, 1, 97, 4, 0x08, 0, 1, 35], 0x82],
    ['an unknown property', [5], [0x30, 6, 0, 1, 97, 2, 0x7f, 0], 0x81],
    ['a property longer than the packet', [5], [0x30, 5, 0, 1, 97, 200, 1], 0x81],
    ['AUTH that nobody asked for', [5], [0xf0, 0], 0x82],
  ] as const)('%s ends the connection', async (_, versions, bytes, reasonCode) => {
    for (const version of versions) {
      const client = await mqtt.client('bad', {}, version)
      client.sendBytes(bytes)
      if (version === 5) expect((await client.next('disconnect')).reasonCode).toBe(reasonCode)
      await client.closed()
    }
  })

  test('what came before the fault in the same segment counts', async () => {
    const reader = await mqtt.client('reader')
    await reader.subscribe('before', 1)
    const client = await mqtt.client('faulty')
    const publish = client.encode({ cmd: 'publish', topic: 'before', payload: 'x', qos: 0, retain: false, dup: false })
    client.sendBytes(Buffer.concat([publish, Buffer.from([0xf0, 0])]))
    await client.closed()
    expect(await reader.message()).toBe('x')
  })
})
