// Both halves of the MQTT codec against a foreign one, mqtt-packet: what it writes we read, what we write it reads, for every
// packet type and version. UNSUBACK, PINGRESP and a SUBACK without reasons are the session engine's, which has mqtt-packet
// write them. (Its user properties are one object, so here each name occurs once.)
import fc from 'fast-check'
import { generate, type Packet } from 'mqtt-packet'
import { describe, expect, test } from 'vitest'
import { decodePacket } from '../../src/mqtt/decode.ts'
import {
  encodeAcknowledgement,
  encodeAuth,
  encodeConnack,
  encodeDisconnect,
  encodeForwarded,
  encodeProperties,
  encodePublish,
  encodeSuback,
} from '../../src/mqtt/encode.ts'
import type { ClientPacket, Properties } from '../../src/mqtt/packets.ts'
import { foreignPacket } from '../fixtures/foreign-packet.ts'
import { ANSWERS, type Version } from '../fuzz/legal-answers.ts'

const SEED = 20_261_123
const RUNS = 1_000

/** What U+0000 may not stand in [MQTT-1.5.4-2]. */
const text = fc.string({ unit: 'grapheme', maxLength: 20 }).filter(some => !some.includes('\0'))
const name = fc
  .array(fc.constantFrom('a', 'ü', '😀', '/', '$', ' '), { minLength: 1, maxLength: 8 })
  .map(parts => parts.join(''))
const bytes = fc.uint8Array({ maxLength: 300 }).map(some => Buffer.from(some))
const qos = fc.constantFrom(0 as const, 1 as const, 2 as const)
const uint16 = fc.integer({ min: 1, max: 0xffff })
const uint32 = fc.integer({ min: 0, max: 0xffffffff })
const version = fc.constantFrom<Version>(3, 4, 5)
const userProperties = fc
  .array(fc.tuple(text, text), { minLength: 1, maxLength: 4 })
  .map(pairs => [...new Map(pairs)].filter(([key]) => !/^(\d+|__proto__)$/.test(key))) // it orders numbers first
  .filter(pairs => pairs.length > 0)

const ACKNOWLEDGEMENTS = { 4: 'puback', 5: 'pubrec', 6: 'pubrel', 7: 'pubcomp' } as const

/** Any of these, or none. */
const some = <T extends object>(fields: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<Partial<T>> =>
  fc.record(fields, { requiredKeys: [] }) as fc.Arbitrary<Partial<T>>

const message = {
  payloadFormatIndicator: fc.boolean(),
  messageExpiryInterval: uint32,
  contentType: text,
  responseTopic: name,
  correlationData: bytes,
  userProperties,
}

/** As mqtt-packet takes them. */
const theirs = ({ userProperties: pairs, ...others }: Properties) => ({
  ...others,
  ...(pairs && { userProperties: Object.fromEntries(pairs) }),
})

function bodyOf(written: Buffer): number {
  let at = 1
  while ((written[at] ?? 0) > 127) at++
  return at + 1
}

function reads(packet: Packet, of: Version, expected: ClientPacket): void {
  const written = generate(packet, { protocolVersion: of })
  const known = packet.cmd === 'connect' ? null : of
  expect(decodePacket(written, 0, bodyOf(written), written.length, known)).toEqual(expected)
}

const check = <T extends [unknown, ...unknown[]]>(made: fc.IPropertyWithHooks<T>) =>
  fc.assert(made, { seed: SEED, numRuns: RUNS })

describe('what mqtt-packet writes is read', () => {
  test('CONNECT', () => {
    const fields = fc.record({
      clientId: name,
      clean: fc.boolean(),
      keepalive: fc.integer({ min: 0, max: 0xffff }),
      login: fc.option(fc.record({ username: name, password: fc.option(bytes) })),
      will: fc.option(fc.record({ topic: name, payload: bytes, qos, retain: fc.boolean() })),
    })
    const ofWill = some<Properties>({ ...message, willDelayInterval: uint32 })
    const ofConnect = some<Properties>({
      sessionExpiryInterval: uint32,
      receiveMaximum: uint16,
      maximumPacketSize: fc.integer({ min: 1, max: 0xffffffff }),
      topicAliasMaximum: fc.integer({ min: 0, max: 0xffff }),
      requestProblemInformation: fc.boolean(),
      requestResponseInformation: fc.boolean(),
      userProperties,
    })
    const method = fc.option(fc.record({ authenticationMethod: text, authenticationData: bytes }))
    check(
      fc.property(version, fields, ofConnect, ofWill, method, (of, { login, will, ...others }, own, willOwn, shown) => {
        const properties = of === 5 ? { ...own, ...shown } : {}
        const willProperties = of === 5 ? willOwn : {}
        const password = login?.password ?? null
        const packet: Packet = {
          cmd: 'connect',
          protocolId: of === 3 ? 'MQIsdp' : 'MQTT',
          protocolVersion: of,
          ...others,
          ...(login && { username: login.username }),
          ...(password && { password }),
          ...(will && { will: { ...will, ...(of === 5 && { properties: theirs(willProperties) }) } }),
          ...(of === 5 && { properties: theirs(properties) }),
        }
        const { clientId, clean, keepalive: keepAlive } = others
        reads(packet, of, {
          ...{ type: 'connect', version: of, clientId, clean, keepAlive, password, properties },
          username: login?.username ?? null,
          will: will && { ...will, properties: willProperties },
        })
      }),
    )
  })

  test('PUBLISH', () => {
    const fields = fc.record({ topic: name, payload: bytes, retain: fc.boolean() })
    const own = some<Properties>({ ...message, topicAlias: uint16 })
    check(
      fc.property(version, fields, qos, fc.boolean(), uint16, own, (of, rest, level, again, messageId, properties) => {
        const dup = again && level > 0
        const identified = level > 0 ? { messageId } : {}
        const more = of === 5 ? { properties: theirs(properties) } : {}
        reads({ cmd: 'publish', ...rest, qos: level, dup, ...identified, ...more }, of, {
          ...{ type: 'publish', ...rest, qos: level, dup, packetId: level > 0 ? messageId : 0 },
          properties: of === 5 ? properties : undefined,
        })
      }),
    )
  })

  test('PUBACK, PUBREC, PUBREL, PUBCOMP', () => {
    const kind = fc.constantFrom(...([4, 5, 6, 7] as const))
    const own = some<Properties>({ reasonString: text, userProperties })
    check(
      fc.property(version, kind, uint16, fc.nat(), own, (of, type, messageId, pick, properties) => {
        const cmd = ACKNOWLEDGEMENTS[type]
        const mqtt5 = ANSWERS.get(type)?.mqtt5 ?? []
        const reason = of === 5 ? (mqtt5[pick % mqtt5.length] ?? 0) : 0
        const more = of === 5 ? { reasonCode: reason, properties: theirs(properties) } : {}
        reads({ cmd, messageId, ...more }, of, { type: cmd, packetId: messageId, reason })
      }),
    )
  })

  test('SUBSCRIBE, UNSUBSCRIBE', () => {
    const asked = fc.record({
      name,
      qos,
      noLocal: fc.boolean(),
      retainAsPublished: fc.boolean(),
      retainHandling: fc.constantFrom(0 as const, 1 as const, 2 as const),
    })
    const own = some<Properties>({ subscriptionIdentifier: fc.integer({ min: 1, max: 268_435_455 }), userProperties })
    check(
      fc.property(
        version,
        uint16,
        fc.array(asked, { minLength: 1, maxLength: 5 }),
        own,
        (of, packetId, list, given) => {
          const properties = of === 5 ? given : {}
          const { subscriptionIdentifier: _, ...others } = properties
          const plain = { noLocal: false, retainAsPublished: false, retainHandling: 0 } as const
          const subscriptions = list.map(each => (of === 5 ? each : { ...each, ...plain }))
          const packet = subscriptions.map(each => ({
            ...{
              topic: each.name,
              qos: each.qos,
              nl: each.noLocal,
              rap: each.retainAsPublished,
              rh: each.retainHandling,
            },
          }))
          const more = of === 5 ? { properties: theirs(properties) } : {}
          reads({ cmd: 'subscribe', messageId: packetId, subscriptions: packet, ...more }, of, {
            ...{ type: 'subscribe', packetId, subscriptions, properties },
          })
          const names = list.map(each => each.name)
          const less = of === 5 ? { properties: theirs(others) } : {}
          reads({ cmd: 'unsubscribe', messageId: packetId, unsubscriptions: names, ...less }, of, {
            type: 'unsubscribe',
            packetId,
            names,
          })
        },
      ),
    )
  })

  test('PINGREQ, DISCONNECT, AUTH', () => {
    const left = some<Properties>({ sessionExpiryInterval: uint32, reasonString: text, userProperties })
    const shown = fc.record({ authenticationMethod: text, authenticationData: bytes })
    const codes = {
      disconnect: fc.constantFrom(0, 4, 0x80, 0x81, 0x82, 0x97, 0x99),
      auth: fc.constantFrom(0, 0x18, 0x19),
    }
    check(
      fc.property(version, codes.disconnect, left, codes.auth, shown, (of, why, given, step, properties) => {
        reads({ cmd: 'pingreq' }, of, { type: 'pingreq' })
        const more = of === 5 ? { reasonCode: why, properties: theirs(given) } : {}
        reads({ cmd: 'disconnect', ...more }, of, {
          type: 'disconnect',
          reason: of === 5 ? why : 0,
          properties: of === 5 ? given : {},
        })
        if (of === 5)
          reads({ cmd: 'auth', reasonCode: step, properties }, of, { type: 'auth', reason: step, properties })
      }),
    )
  })
})

describe('what is written, mqtt-packet reads', () => {
  test('CONNACK', () => {
    const own = some({
      sessionExpiryInterval: uint32,
      receiveMaximum: uint16,
      maximumPacketSize: uint32,
      assignedClientIdentifier: text,
      topicAliasMaximum: fc.integer({ min: 0, max: 0xffff }),
      serverKeepAlive: fc.integer({ min: 0, max: 0xffff }),
      responseInformation: text,
      authenticationMethod: text,
      authenticationData: bytes,
    })
    check(
      fc.property(version, fc.boolean(), fc.nat(), own, (of, sessionPresent, pick, properties) => {
        const codes = (of === 5 ? ANSWERS.get(2)?.mqtt5 : ANSWERS.get(2)?.mqtt3) ?? []
        const code = codes[pick % codes.length] ?? 0
        const packet = foreignPacket(encodeConnack(of, code, sessionPresent, properties), of)
        expect(packet).toMatchObject({ cmd: 'connack', sessionPresent: sessionPresent && of !== 3 })
        expect(packet).toMatchObject(of === 5 ? { reasonCode: code, properties } : { returnCode: code })
      }),
    )
  })

  test('PUBLISH', () => {
    const fields = fc.record({
      topic: name,
      payload: bytes,
      retain: fc.boolean(),
      qos,
      dup: fc.boolean(),
      packetId: uint16,
    })
    const more = fc.record({
      expiry: fc.option(uint32, { nil: undefined }),
      identifiers: fc.array(fc.integer({ min: 1, max: 268_435_455 }), { maxLength: 1 }),
      alias: fc.integer({ min: 0, max: 0xffff }),
    })
    const { messageExpiryInterval: _, ...others } = message
    check(
      fc.property(
        version,
        fields,
        some<Properties>(others),
        more,
        (of, written, properties, { expiry, identifiers, alias }) => {
          const encoded = encodeProperties(encodeForwarded(properties), { expiry, identifiers, alias })
          const packet = foreignPacket(encodePublish({ version: of, ...written, properties: encoded }), of)
          const { packetId, ...plain } = written
          expect(packet).toMatchObject({ cmd: 'publish', ...plain, ...(written.qos > 0 && { messageId: packetId }) })
          if (of === 5)
            expect('properties' in packet ? { ...packet.properties } : {}).toEqual({
              ...theirs(properties),
              ...(properties.userProperties && {
                userProperties: expect.objectContaining(Object.fromEntries(properties.userProperties)),
              }),
              ...(expiry !== undefined && { messageExpiryInterval: expiry }),
              ...(alias > 0 && { topicAlias: alias }),
              ...(identifiers.length > 0 && { subscriptionIdentifier: identifiers[0] }),
            })
        },
      ),
    )
  })

  test('PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK', () => {
    const kind = fc.constantFrom(...([4, 5, 6, 7] as const))
    check(
      fc.property(
        version,
        kind,
        uint16,
        fc.nat(),
        fc.option(text, { nil: undefined }),
        (of, type, messageId, pick, reasonString) => {
          const cmd = ACKNOWLEDGEMENTS[type]
          const mqtt5 = ANSWERS.get(type)?.mqtt5 ?? []
          const reasonCode = mqtt5[pick % mqtt5.length] ?? 0
          const told = reasonString === undefined ? {} : { properties: { reasonString } }
          const packet = foreignPacket(encodeAcknowledgement(cmd, messageId, of, reasonCode, reasonString), of)
          expect(packet).toMatchObject({ cmd, messageId, ...(of === 5 && { reasonCode, ...told }) })
          const granted = (ANSWERS.get(9)?.mqtt5 ?? []).slice(pick % 8)
          const why = { reasonString: reasonString ?? '' }
          expect(foreignPacket(encodeSuback(messageId, granted, why.reasonString), 5)).toMatchObject({
            cmd: 'suback',
            messageId,
            granted,
            properties: why,
          })
        },
      ),
    )
  })

  test('DISCONNECT, AUTH', () => {
    const steps = fc.constantFrom(0, 0x18)
    check(
      fc.property(
        fc.nat(),
        fc.option(text, { nil: undefined }),
        steps,
        text,
        fc.option(bytes),
        (pick, reasonString, step, method, data) => {
          const codes = ANSWERS.get(14)?.mqtt5 ?? []
          const reasonCode = codes[pick % codes.length] ?? 0
          const told = reasonString === undefined ? {} : { properties: { reasonString } }
          expect(foreignPacket(encodeDisconnect(reasonCode, reasonString), 5)).toMatchObject({
            cmd: 'disconnect',
            reasonCode,
            ...told,
          })
          const properties = { authenticationMethod: method, ...(data && { authenticationData: data }) }
          expect(foreignPacket(encodeAuth(step, method, data), 5)).toMatchObject({
            cmd: 'auth',
            reasonCode: step,
            properties,
          })
        },
      ),
    )
  })
})
