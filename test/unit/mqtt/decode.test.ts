import { assert, integer, property, uint8Array } from 'fast-check'
import { generate, type Packet } from 'mqtt-packet'
import { describe, expect, test } from 'vitest'
import { decodePacket } from '../../../src/mqtt/decode.ts'
import type { ProtocolVersion } from '../../../src/mqtt/packets.ts'

/** Where the body of a packet begins. */
function bodyOf(bytes: Buffer): number {
  let at = 1
  while ((bytes[at] ?? 0) > 127) at++
  return at + 1
}

const decode = (bytes: Buffer, version: ProtocolVersion | null) =>
  decodePacket(bytes, 0, bodyOf(bytes), bytes.length, version)
/** What a foreign encoder makes of a packet, read by ours. */
const foreign = (packet: Packet, version: 3 | 4 | 5) =>
  decode(generate(packet, { protocolVersion: version }), packet.cmd === 'connect' ? null : version)

describe('what a foreign encoder writes is read', () => {
  test.each([3, 4, 5] as const)('CONNECT, version %i', version => {
    const protocol = { protocolId: version === 3 ? 'MQIsdp' : 'MQTT', protocolVersion: version } as const
    const will = { topic: 'w', payload: Buffer.from('gone'), qos: 2, retain: true } as const
    const properties = {
      sessionExpiryInterval: 7,
      receiveMaximum: 8,
      maximumPacketSize: 9,
      topicAliasMaximum: 10,
      requestProblemInformation: false,
      requestResponseInformation: true,
      authenticationMethod: 'm',
      authenticationData: Buffer.from([1]),
      userProperties: { a: ['1', '2'] },
    }
    const willProperties = {
      willDelayInterval: 5,
      payloadFormatIndicator: true,
      messageExpiryInterval: 6,
      contentType: 'c',
      responseTopic: 'r',
      correlationData: Buffer.from([2]),
    }
    const five = version === 5
    const packet = foreign(
      {
        cmd: 'connect',
        ...protocol,
        clientId: 'ü',
        clean: true,
        keepalive: 60,
        username: 'u',
        password: Buffer.from([0, 255]),
        will: { ...will, ...(five && { properties: willProperties }) },
        ...(five && { properties }),
      },
      version,
    )
    expect(packet).toEqual({
      type: 'connect',
      version,
      clean: true,
      keepAlive: 60,
      clientId: 'ü',
      username: 'u',
      password: Buffer.from([0, 255]),
      will: { ...will, properties: five ? willProperties : {} },
      properties: five
        ? {
            ...properties,
            userProperties: [
              ['a', '1'],
              ['a', '2'],
            ],
          }
        : {},
    })
  })

  test.each([4, 5] as const)('PUBLISH and the acknowledgements, version %i', version => {
    const five = version === 5
    const properties = { payloadFormatIndicator: true, messageExpiryInterval: 1, topicAlias: 2, contentType: 'c' }
    const publish = {
      cmd: 'publish',
      topic: 'a/b',
      payload: Buffer.from('x'),
      qos: 1,
      retain: true,
      dup: true,
      messageId: 65_535,
      ...(five && { properties }),
    } as const
    expect(foreign(publish, version)).toEqual({
      type: 'publish',
      topic: 'a/b',
      payload: Buffer.from('x'),
      qos: 1,
      retain: true,
      dup: true,
      packetId: 65_535,
      properties: five ? properties : undefined,
    })
    for (const cmd of ['puback', 'pubrec', 'pubrel', 'pubcomp'] as const) {
      expect(foreign({ cmd, messageId: 9 }, version)).toEqual({ type: cmd, packetId: 9, reason: 0 })
      if (!five || cmd === 'pubrel' || cmd === 'pubcomp') continue
      const refused = {
        cmd,
        messageId: 9,
        reasonCode: 0x87,
        properties: { reasonString: 'no', userProperties: { a: 'b' } },
      }
      expect(foreign(refused, 5)).toEqual({ type: cmd, packetId: 9, reason: 0x87 })
    }
  })

  test('SUBSCRIBE, UNSUBSCRIBE, DISCONNECT, AUTH, PINGREQ', () => {
    const subscriptions = [
      { topic: '$share/g/#', qos: 2, nl: false, rap: true, rh: 2 },
      { topic: '+', qos: 0, nl: true, rap: false, rh: 0 },
    ] as const
    expect(
      foreign(
        {
          cmd: 'subscribe',
          messageId: 1,
          subscriptions: [...subscriptions],
          properties: { subscriptionIdentifier: 268_435_455 },
        },
        5,
      ),
    ).toEqual({
      type: 'subscribe',
      packetId: 1,
      subscriptions: [
        { name: '$share/g/#', qos: 2, noLocal: false, retainAsPublished: true, retainHandling: 2 },
        { name: '+', qos: 0, noLocal: true, retainAsPublished: false, retainHandling: 0 },
      ],
      properties: { subscriptionIdentifier: 268_435_455 },
    })
    expect(foreign({ cmd: 'unsubscribe', messageId: 2, unsubscriptions: ['a', 'b'] }, 4)).toEqual({
      type: 'unsubscribe',
      packetId: 2,
      names: ['a', 'b'],
    })
    expect(foreign({ cmd: 'disconnect', reasonCode: 4, properties: { sessionExpiryInterval: 3 } }, 5)).toEqual({
      type: 'disconnect',
      reason: 4,
      properties: { sessionExpiryInterval: 3 },
    })
    expect(decode(Buffer.from([0xe0, 0]), 5)).toEqual({ type: 'disconnect', reason: 0, properties: {} })
    expect(foreign({ cmd: 'auth', reasonCode: 0x18, properties: { authenticationMethod: 'm' } }, 5)).toEqual({
      type: 'auth',
      reason: 0x18,
      properties: { authenticationMethod: 'm' },
    })
    expect(foreign({ cmd: 'pingreq' }, 4)).toEqual({ type: 'pingreq' })
  })

  test('user properties keep their order, and no name is special', () => {
    const text = (value: string) => [0, value.length, ...Buffer.from(value)]
    const pairs = [
      ['b', '1'],
      ['__proto__', '2'],
      ['b', '3'],
      ['constructor', '4'],
    ] as const
    const properties = pairs.flatMap(([name, value]) => [0x26, ...text(name), ...text(value)])
    const body = [...text('t'), properties.length, ...properties]
    const packet = decode(Buffer.from([0x30, body.length, ...body]), 5)
    expect(packet).toMatchObject({ properties: { userProperties: pairs } })
    expect(Object.getPrototypeOf({})).toBe(Object.prototype)
  })
})

describe('what is not valid is refused', () => {
  test.each([
    ['a packet before CONNECT', null, [0xc0, 0], 'protocol-error'],
    ['an unknown protocol level', null, [0x10, 7, 0, 4, 77, 81, 84, 84, 9], 'protocol-version'],
    ['a length that is not in its shortest form', 5, [0x30, 6, 0, 1, 97, 0x80, 0x00, 0], 'malformed-packet'],
    ['AUTH before MQTT 5', 4, [0xf0, 0], 'protocol-error'],
    ['DISCONNECT with a body before MQTT 5', 4, [0xe0, 1, 0], 'malformed-packet'],
    ['a reason code before MQTT 5', 4, [0x40, 3, 0, 1, 0], 'malformed-packet'],
    ['a boolean property that is neither', 5, [0x30, 6, 0, 1, 97, 2, 0x01, 2], 'malformed-packet'],
    ['properties that end within one', 5, [0x30, 7, 0, 1, 97, 2, 0x02, 0, 0], 'malformed-packet'],
  ] as const)('%s', (_, version, bytes, code) => {
    expect(() => decode(Buffer.from(bytes), version)).toThrow(expect.objectContaining({ code }))
  })

  test('any bytes at all: a packet or a failure of the catalogue, and never a look beyond the end', () => {
    assert(
      property(uint8Array({ minLength: 1, maxLength: 60 }), integer({ min: 3, max: 6 }), (some, n) => {
        const version = n === 6 ? null : (n as ProtocolVersion)
        const header = some[0] ?? 0
        const bytes = Buffer.concat([
          Buffer.from([header, some.length - 1]),
          Buffer.from(some.subarray(1)),
          Buffer.alloc(8, 0xff),
        ])
        try {
          decodePacket(bytes, 0, 2, some.length + 1, version)
        } catch (error) {
          expect(['malformed-packet', 'protocol-error', 'protocol-version']).toContain(
            (error as { code?: string }).code,
          )
        }
      }),
      { numRuns: 5000 },
    )
  })

  test('every packet cut short at any byte', () => {
    const packets: Packet[] = [
      {
        cmd: 'publish',
        topic: 'a/b',
        payload: '',
        qos: 2,
        retain: false,
        dup: false,
        messageId: 1,
        properties: { contentType: 'c', userProperties: { a: 'b' } },
      },
      { cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'a', qos: 1 }] },
      { cmd: 'unsubscribe', messageId: 1, unsubscriptions: ['a'] },
      { cmd: 'auth', reasonCode: 0x18, properties: { authenticationMethod: 'm' } },
    ]
    for (const packet of packets) {
      const whole = generate(packet, { protocolVersion: 5 })
      const body = bodyOf(whole)
      // What ends where its optional tail begins is a shorter packet, not a broken one.
      const isWhole = (end: number) => packet.cmd === 'auth' && (end === body || end === body + 1)
      for (let end = body; end < whole.length; end++) {
        if (isWhole(end)) continue
        expect(() => decodePacket(whole, 0, body, end, 5), `${packet.cmd} cut at ${end}`).toThrow(/malformed/)
      }
    }
  })
})
