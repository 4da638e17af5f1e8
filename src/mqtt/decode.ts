// Bytes to packets: every packet a client may send, checked whole before anybody acts on it.
import { Failure } from '../model/failure.ts'
import { isTopicName } from '../model/topic.ts'
import { ByteReader, malformed } from './byte-reader.ts'
import {
  type AcknowledgementPacket,
  type AuthPacket,
  type ClientPacket,
  type ConnectPacket,
  type DisconnectPacket,
  type ProtocolVersion,
  type PublishPacket,
  type Qos,
  type SubscribePacket,
  type SubscriptionRequest,
  TYPE,
  type UnsubscribePacket,
  type WillPacket,
} from './packets.ts'
import { readProperties, violation } from './property-table.ts'

/**
 * Parses one packet: `at` is its first byte, `body` follows the Remaining Length, `end` is the byte after it.
 * `version` is null before CONNECT. Throws `malformed-packet`, `protocol-error` or `protocol-version`.
 */
export function decodePacket(
  bytes: Buffer,
  at: number,
  body: number,
  end: number,
  version: ProtocolVersion | null,
): ClientPacket {
  const header = bytes[at] ?? 0
  const type = header >> 4
  const reader = new ByteReader(bytes, body, end)
  if (version === null) {
    if (type !== TYPE.connect) throw violation('CONNECT comes first') // [MQTT-3.1.0-1]
    checkFlags(header, 0)
    return decodeConnect(reader)
  }
  switch (type) {
    case TYPE.publish:
      return decodePublish(reader, header & 15, version)
    case TYPE.puback:
    case TYPE.pubrec:
    case TYPE.pubcomp:
      checkFlags(header, 0)
      return decodeAcknowledgement(reader, type, version)
    case TYPE.pubrel:
      checkFlags(header, 2, version)
      return decodeAcknowledgement(reader, type, version)
    case TYPE.subscribe:
      checkFlags(header, 2, version)
      return decodeSubscribe(reader, version)
    case TYPE.unsubscribe:
      checkFlags(header, 2, version)
      return decodeUnsubscribe(reader, version)
    case TYPE.pingreq:
      checkFlags(header, 0)
      reader.end()
      return { type: 'pingreq' }
    case TYPE.disconnect:
      checkFlags(header, 0)
      return decodeDisconnect(reader, version)
    case TYPE.auth:
      checkFlags(header, 0)
      return decodeAuth(reader, version)
    case TYPE.connect:
      throw violation('second CONNECT') // [MQTT-3.1.0-2]
    default:
      throw violation(`packet type ${type} from a client`)
  }
}

/** [MQTT-2.1.3-1]. MQTT 3.1 clients set DUP when they repeat PUBREL, SUBSCRIBE or UNSUBSCRIBE. */
function checkFlags(header: number, expected: number, version: ProtocolVersion | null = null): void {
  const flags = version === 3 ? header & 0b0111 : header & 15
  if (flags !== expected) throw malformed('reserved flags')
}

// --- CONNECT (MQTT 5, 3.1) ---------------------------------------------------------------------------------------------

const VERSIONS: ReadonlyMap<string, readonly number[]> = new Map([
  ['MQIsdp', [3]],
  ['MQTT', [4, 5]],
])

function decodeConnect(reader: ByteReader): ConnectPacket {
  const versions = VERSIONS.get(reader.text())
  if (versions === undefined) throw malformed('protocol name')
  const version = reader.byte()
  if (!versions.includes(version)) {
    throw new Failure(
      'protocol-version',
      `The client speaks MQTT protocol level ${version}; Latchkey speaks 3.1, 3.1.1 and 5.`,
    )
  }
  const flags = readConnectFlags(reader.byte(), version as ProtocolVersion)
  const keepAlive = reader.uint16()
  const properties = version === 5 ? readProperties(reader, 'connect') : {}
  if (properties.authenticationData !== undefined && properties.authenticationMethod === undefined)
    throw violation('authentication data without a method') // (MQTT 5, 3.1.2.11.10)
  const clientId = reader.text()
  const will = flags.will === null ? null : readWill(reader, flags.will, version === 5)
  const username = flags.username ? reader.text() : null
  const password = flags.password ? reader.binary() : null
  reader.end()
  return {
    type: 'connect',
    version: version as ProtocolVersion,
    clean: flags.clean,
    keepAlive,
    clientId,
    username,
    password,
    will,
    properties,
  }
}

interface ConnectFlags {
  readonly username: boolean
  readonly password: boolean
  readonly clean: boolean
  readonly will: Pick<WillPacket, 'qos' | 'retain'> | null
}

function readConnectFlags(flags: number, version: ProtocolVersion): ConnectFlags {
  if (flags & 1) throw malformed('reserved connect flag') // [MQTT-3.1.2-3]
  const username = (flags & 0x80) !== 0
  const password = (flags & 0x40) !== 0
  if (password && !username && version !== 5) throw malformed('password without username') // MQTT 3.1.1 [MQTT-3.1.2-22]
  const qos = (flags >> 3) & 3
  const retain = (flags & 0x20) !== 0
  const hasWill = (flags & 4) !== 0
  if (qos === 3) throw malformed('will QoS 3') // [MQTT-3.1.2-12]
  if (!hasWill && (qos > 0 || retain)) throw malformed('will flags without a will') // [MQTT-3.1.2-11], [MQTT-3.1.2-13]
  return { username, password, clean: (flags & 2) !== 0, will: hasWill ? { qos: qos as Qos, retain } : null }
}

function readWill(reader: ByteReader, flags: Pick<WillPacket, 'qos' | 'retain'>, v5: boolean): WillPacket {
  const properties = v5 ? readProperties(reader, 'will') : {}
  const topic = reader.text()
  const payload = reader.binary()
  if (!isTopicName(topic)) throw malformed('will topic')
  checkResponseTopic(properties.responseTopic)
  return { ...flags, topic, payload, properties }
}

/** [MQTT-3.3.2-14] no wildcards. */
function checkResponseTopic(topic: string | undefined): void {
  if (topic !== undefined && !isTopicName(topic)) throw violation('response topic')
}

// --- PUBLISH and its acknowledgements (MQTT 5, 3.3 to 3.7) ---------------------------------------------------------------

function decodePublish(reader: ByteReader, flags: number, version: ProtocolVersion): PublishPacket {
  const qos = (flags >> 1) & 3
  const dup = (flags & 8) !== 0
  if (qos === 3) throw malformed('QoS 3') // [MQTT-3.3.1-4]
  if (dup && qos === 0) throw malformed('DUP with QoS 0') // [MQTT-3.3.1-2]
  const topic = reader.text()
  const packetId = qos > 0 ? readPacketId(reader) : 0
  const properties = version === 5 ? readProperties(reader, 'publish') : undefined
  checkResponseTopic(properties?.responseTopic)
  const retain = (flags & 1) !== 0
  return { type: 'publish', topic, payload: reader.rest(), qos: qos as Qos, retain, dup, packetId, properties }
}

function readPacketId(reader: ByteReader): number {
  const packetId = reader.uint16()
  if (packetId === 0) throw malformed('packet identifier 0') // [MQTT-2.2.1-3]
  return packetId
}

const ACKNOWLEDGEMENTS = { 4: 'puback', 5: 'pubrec', 6: 'pubrel', 7: 'pubcomp' } as const

function decodeAcknowledgement(
  reader: ByteReader,
  type: keyof typeof ACKNOWLEDGEMENTS,
  version: ProtocolVersion,
): AcknowledgementPacket {
  const packetId = readPacketId(reader)
  const reason = version === 5 && !reader.isAtEnd ? reader.byte() : 0
  if (version === 5 && !reader.isAtEnd) readProperties(reader, 'acknowledgement')
  reader.end()
  return { type: ACKNOWLEDGEMENTS[type], packetId, reason }
}

// --- SUBSCRIBE, UNSUBSCRIBE (MQTT 5, 3.8 and 3.10) -------------------------------------------------------------------------

function decodeSubscribe(reader: ByteReader, version: ProtocolVersion): SubscribePacket {
  const packetId = readPacketId(reader)
  const properties = version === 5 ? readProperties(reader, 'subscribe') : {}
  const subscriptions: SubscriptionRequest[] = []
  do
    subscriptions.push(readSubscription(reader, version)) // at least one [MQTT-3.8.3-2]
  while (!reader.isAtEnd)
  return { type: 'subscribe', packetId, subscriptions, properties }
}

function readSubscription(reader: ByteReader, version: ProtocolVersion): SubscriptionRequest {
  const name = reader.text()
  const options = reader.byte()
  const qos = options & 3
  const retainHandling = (options >> 4) & 3
  if (qos === 3 || options & (version === 5 ? 0xc0 : 0xfc)) throw malformed('subscription options') // [MQTT-3.8.3-5]
  if (retainHandling === 3) throw violation('retain handling 3') // (MQTT 5, 3.8.3.1)
  return {
    name,
    qos: qos as Qos,
    noLocal: (options & 4) !== 0,
    retainAsPublished: (options & 8) !== 0,
    retainHandling: retainHandling as 0 | 1 | 2,
  }
}

function decodeUnsubscribe(reader: ByteReader, version: ProtocolVersion): UnsubscribePacket {
  const packetId = readPacketId(reader)
  if (version === 5) readProperties(reader, 'unsubscribe')
  const names: string[] = []
  do
    names.push(reader.text()) // at least one [MQTT-3.10.3-2]
  while (!reader.isAtEnd)
  return { type: 'unsubscribe', packetId, names }
}

// --- DISCONNECT, AUTH (MQTT 5, 3.14 and 3.15) ----------------------------------------------------------------------------------

function decodeDisconnect(reader: ByteReader, version: ProtocolVersion): DisconnectPacket {
  if (version !== 5) reader.end()
  const reason = reader.isAtEnd ? 0 : reader.byte()
  const properties = reader.isAtEnd ? {} : readProperties(reader, 'disconnect')
  reader.end()
  return { type: 'disconnect', reason, properties }
}

function decodeAuth(reader: ByteReader, version: ProtocolVersion): AuthPacket {
  if (version !== 5) throw violation('AUTH before MQTT 5')
  const reason = reader.isAtEnd ? 0 : reader.byte()
  const properties = reader.isAtEnd ? {} : readProperties(reader, 'auth')
  reader.end()
  return { type: 'auth', reason, properties }
}
