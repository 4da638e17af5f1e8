import { array, assert, boolean, constantFrom, integer, property, record, string, tuple, uint8Array } from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  encodeAcknowledgement,
  encodeAuth,
  encodeConnack,
  encodeDisconnect,
  encodeForwarded,
  encodeProperties,
  encodePublish,
} from '../../../src/mqtt/encode.ts'
import { goodbye } from '../../../src/mqtt/goodbye.ts'
import { foreignPacket } from '../../fixtures/foreign-packet.ts'

const text = string({ unit: 'grapheme', maxLength: 30 })
const bytes = uint8Array({ maxLength: 200 }).map(some => Buffer.from(some))

describe('what is written is read by a foreign parser', () => {
  test('PUBLISH', () => {
    const message = record({
      topic: text,
      payload: uint8Array({ maxLength: 20_000 }).map(some => Buffer.from(some)),
      qos: constantFrom(0 as const, 1 as const, 2 as const),
      retain: boolean(),
      dup: boolean(),
      packetId: integer({ min: 1, max: 65_535 }),
      version: constantFrom(3 as const, 4 as const, 5 as const),
    })
    const extras = record({
      contentType: text,
      responseTopic: text,
      correlationData: bytes,
      payloadFormatIndicator: boolean(),
      // mqtt-packet keeps one object for all user properties: names that occur once can be compared.
      userProperties: array(tuple(text, text), { maxLength: 4 }).map(pairs => [...new Map(pairs)]),
      expiry: integer({ min: 0, max: 0xffffffff }),
      identifiers: array(integer({ min: 1, max: 268_435_455 }), { maxLength: 3 }),
      alias: integer({ min: 0, max: 65_535 }),
    })
    assert(
      property(message, extras, (fields, { expiry, identifiers, alias, ...properties }) => {
        const encoded = encodeProperties(encodeForwarded(properties), { expiry, identifiers, alias })
        const packet = foreignPacket(encodePublish({ ...fields, properties: encoded }), fields.version)
        const { topic, payload, qos, retain, dup, packetId, version } = fields
        expect(packet).toMatchObject({ cmd: 'publish', topic, qos, retain, dup })
        expect(payload.equals(packet.cmd === 'publish' ? Buffer.from(packet.payload) : Buffer.alloc(0))).toBe(true)
        if (qos > 0) expect(packet.messageId).toBe(packetId)
        if (version !== 5 || packet.cmd !== 'publish') return
        const { contentType, responseTopic, correlationData, payloadFormatIndicator } = properties
        expect(packet.properties).toMatchObject({
          contentType,
          responseTopic,
          payloadFormatIndicator,
          messageExpiryInterval: expiry,
        })
        expect(Buffer.from(packet.properties?.correlationData ?? [])).toEqual(correlationData)
        expect(packet.properties?.topicAlias).toBe(alias === 0 ? undefined : alias)
        const [one] = identifiers
        expect(packet.properties?.subscriptionIdentifier).toEqual(identifiers.length > 1 ? identifiers : one)
        const pairs = Object.entries(packet.properties?.userProperties ?? {})
        expect(new Map(pairs)).toEqual(new Map(properties.userProperties))
      }),
      { numRuns: 300 },
    )
  })

  test.each([127, 128, 16_383, 16_384, 2_097_151, 2_097_152])(
    'a packet of %i bytes has the right length',
    remaining => {
      const payload = Buffer.alloc(remaining - 3)
      const frame = {
        version: 4,
        topic: 't',
        payload,
        qos: 0,
        retain: false,
        dup: false,
        packetId: 0,
        properties: Buffer.alloc(0),
      } as const
      expect(foreignPacket(encodePublish(frame), 4)).toMatchObject({ length: remaining })
    },
  )

  test('acknowledgements', () => {
    for (const type of ['puback', 'pubrec', 'pubrel', 'pubcomp'] as const) {
      expect(foreignPacket(encodeAcknowledgement(type, 515, 4, 0x92), 4)).toMatchObject({ cmd: type, messageId: 515 })
      expect(foreignPacket(encodeAcknowledgement(type, 515, 5), 5)).toMatchObject({
        cmd: type,
        messageId: 515,
        reasonCode: 0,
      })
    }
    expect(foreignPacket(encodeAcknowledgement('puback', 1, 5, 0x97), 5)).toMatchObject({ reasonCode: 0x97 })
    expect(foreignPacket(encodeAcknowledgement('pubrel', 1, 5, 0x92), 5)).toMatchObject({ reasonCode: 0x92 })
    expect(foreignPacket(encodeAcknowledgement('pubrec', 515, 5, 0x87, 'why'), 5)).toMatchObject({
      messageId: 515,
      reasonCode: 0x87,
      properties: { reasonString: 'why' },
    })
  })

  test('CONNACK, DISCONNECT, AUTH', () => {
    expect(foreignPacket(encodeConnack(4, 0, true), 4)).toMatchObject({
      cmd: 'connack',
      returnCode: 0,
      sessionPresent: true,
    })
    expect(foreignPacket(encodeConnack(3, 5, true), 3)).toMatchObject({ returnCode: 5, sessionPresent: false })
    const properties = {
      sessionExpiryInterval: 1,
      receiveMaximum: 2,
      maximumPacketSize: 3,
      assignedClientIdentifier: 'ü',
      topicAliasMaximum: 4,
      serverKeepAlive: 5,
      responseInformation: 'r',
      authenticationMethod: 'm',
      authenticationData: Buffer.from([6]),
    }
    expect(foreignPacket(encodeConnack(5, 0, false, properties), 5)).toMatchObject({
      reasonCode: 0,
      sessionPresent: false,
      properties,
    })
    expect(foreignPacket(encodeDisconnect(0x8e), 5)).toMatchObject({ cmd: 'disconnect', reasonCode: 0x8e })
    expect(foreignPacket(encodeAuth(0x18, 'm', Buffer.from([1])), 5)).toMatchObject({
      cmd: 'auth',
      reasonCode: 0x18,
      properties: { authenticationMethod: 'm', authenticationData: Buffer.from([1]) },
    })
  })
})

describe('the last packet', () => {
  test.each([
    ['credential-revoked', 5, true, { cmd: 'disconnect', reasonCode: 0x87 }],
    ['taken-over', 5, true, { cmd: 'disconnect', reasonCode: 0x8e }],
    ['bad-secret', 5, false, { cmd: 'connack', reasonCode: 0x87 }],
    ['client-id-not-yours', 5, false, { cmd: 'connack', reasonCode: 0x85 }],
    ['authentication-method', 5, false, { cmd: 'connack', reasonCode: 0x8c }],
    ['taken-over', 5, false, { cmd: 'connack', reasonCode: 0x80 }],
    ['client-id-not-yours', 5, true, { cmd: 'disconnect', reasonCode: 0x80 }],
    ['bad-secret', 4, false, { cmd: 'connack', returnCode: 5 }],
    ['client-id-not-yours', 3, false, { cmd: 'connack', returnCode: 2 }],
    ['quota-exceeded', 4, false, { cmd: 'connack', returnCode: 3 }],
  ] as const)('%s, version %i, connected: %s', (failure, version, isConnected, expected) => {
    const terms = { version, maximumPacketSize: Number.POSITIVE_INFINITY, wantsReasons: false }
    expect(foreignPacket(goodbye(failure, terms, isConnected) ?? Buffer.alloc(0), version)).toMatchObject(expected)
  })

  test.each([
    ['queue-full', true, true, 100, 'queue-full'],
    ['malformed-packet', true, true, 100, 'malformed-packet'],
    ['queue-full', false, true, 100, undefined],
    ['queue-full', true, true, 16, undefined],
    ['queue-full', true, false, 100, undefined],
    ['credential-revoked', true, true, 100, undefined],
    ['store-failed', true, true, 100, undefined],
  ] as const)(
    '%s, reasons wanted: %s, connected: %s, room for %i: %s',
    (failure, wantsReasons, isConnected, maximumPacketSize, told) => {
      const frame = goodbye(failure, { version: 5, maximumPacketSize, wantsReasons }, isConnected)
      const packet = foreignPacket(frame ?? Buffer.alloc(0), 5)
      expect((packet as { properties?: { reasonString?: string } }).properties?.reasonString).toBe(told)
    },
  )

  test('there is none where not even four bytes fit', () => {
    expect(goodbye('queue-full', { version: 5, maximumPacketSize: 3, wantsReasons: true }, true)).toBeNull()
  })

  test('there is none for MQTT 3 after CONNACK, nor before a valid CONNECT', () => {
    const terms = { version: 4, maximumPacketSize: Number.POSITIVE_INFINITY, wantsReasons: false } as const
    expect(goodbye('credential-revoked', terms, true)).toBeNull()
    expect(goodbye('malformed-packet', null, false)).toBeNull()
    expect(goodbye('protocol-version', null, false)).toEqual(Buffer.from([0x20, 2, 0, 1]))
  })
})
