// Packets to bytes: PUBLISH and acknowledgements, which are the traffic, and the few others that are not the engine's.
import type { MessageProperties } from '../model/message.ts'
import { type ProtocolVersion, TYPE } from './packets.ts'

export const EMPTY = Buffer.alloc(0)

/** Bytes of a Variable Byte Integer (MQTT 5, 1.5.5). */
export const variableLength = (value: number): number =>
  value < 128 ? 1 : value < 16_384 ? 2 : value < 2_097_152 ? 3 : 4

/** Writes a Variable Byte Integer, returns the next offset. */
export function writeVariable(buffer: Buffer, value: number, at: number): number {
  let rest = value
  let next = at
  do {
    const digit = rest & 127
    rest >>>= 7
    buffer[next++] = rest > 0 ? digit | 128 : digit
  } while (rest > 0)
  return next
}

export interface PublishFrame {
  readonly version: ProtocolVersion
  readonly topic: string
  readonly payload: Buffer
  readonly qos: 0 | 1 | 2
  readonly retain: boolean
  readonly dup: boolean
  /** 0 for QoS 0. */
  readonly packetId: number
  /** Encoded, without their length; ignored before MQTT 5. */
  readonly properties: Buffer
}

/** Bytes of a payload from which on it is not copied for each receiver: it follows the head of its PUBLISH as it is. */
const LARGE_PAYLOAD = 1024

export const isLarge = (payloadBytes: number): boolean => payloadBytes >= LARGE_PAYLOAD

/** What follows `encodePublishHead`: the payload when it is large, else nothing. */
export const tailOf = (payload: Buffer): Buffer => (isLarge(payload.length) ? payload : EMPTY)

export const encodePublish = (frame: PublishFrame): Buffer => encodeFrame(frame, frame.payload)

/** Without the payload, when that is large: it has to follow. */
export const encodePublishHead = (frame: PublishFrame): Buffer =>
  encodeFrame(frame, isLarge(frame.payload.length) ? EMPTY : frame.payload)

function encodeFrame(frame: PublishFrame, copied: Buffer): Buffer {
  const { version, topic, payload, qos, properties } = frame
  const topicBytes = Buffer.byteLength(topic)
  const propertyBytes = version === 5 ? variableLength(properties.length) + properties.length : 0
  const remaining = 2 + topicBytes + (qos > 0 ? 2 : 0) + propertyBytes + payload.length
  const bytes = Buffer.allocUnsafe(1 + variableLength(remaining) + remaining - payload.length + copied.length)
  bytes[0] = (TYPE.publish << 4) | (frame.dup ? 8 : 0) | (qos << 1) | (frame.retain ? 1 : 0)
  let at = writeVariable(bytes, remaining, 1)
  at = bytes.writeUInt16BE(topicBytes, at)
  at += bytes.write(topic, at)
  if (qos > 0) at = bytes.writeUInt16BE(frame.packetId, at)
  if (version === 5) {
    at = writeVariable(bytes, properties.length, at)
    at += properties.copy(bytes, at)
  }
  copied.copy(bytes, at)
  return bytes
}

export type AcknowledgementType = 'puback' | 'pubrec' | 'pubrel' | 'pubcomp'

/** Reason code and string exist in MQTT 5 alone; the code may be left out when it is 0 (MQTT 5, 3.4.2.1). */
export function encodeAcknowledgement(
  type: AcknowledgementType,
  packetId: number,
  version: ProtocolVersion,
  reason = 0,
  reasonString?: string,
): Buffer {
  const header = (TYPE[type] << 4) | (type === 'pubrel' ? 2 : 0)
  if (version === 5 && reasonString !== undefined)
    return packet(header, Buffer.from([packetId >> 8, packetId & 255, reason]), encodeReasonString(reasonString))
  return version === 5 && reason !== 0
    ? Buffer.from([header, 3, packetId >> 8, packetId & 255, reason])
    : identifierAlone(header, packetId)
}

function identifierAlone(header: number, packetId: number): Buffer {
  const bytes = Buffer.allocUnsafe(4)
  bytes[0] = header
  bytes[1] = 2
  bytes[2] = packetId >> 8
  bytes[3] = packetId & 255
  return bytes
}

// --- properties -----------------------------------------------------------------------------------------------------------

/** What a message carries on to its receivers unaltered (MQTT 5, 3.3.2.3), user properties in order [MQTT-3.3.2-18]. */
export function encodeForwarded(properties: MessageProperties | undefined): Buffer {
  if (properties === undefined) return EMPTY
  const { payloadFormatIndicator, contentType, responseTopic, correlationData, userProperties } = properties
  return Buffer.concat([
    ...(payloadFormatIndicator === undefined ? [] : [Buffer.from([0x01, payloadFormatIndicator ? 1 : 0])]),
    ...(contentType === undefined ? [] : [Buffer.from([0x03]), text(contentType)]),
    ...(responseTopic === undefined ? [] : [Buffer.from([0x08]), text(responseTopic)]),
    ...(correlationData === undefined ? [] : [Buffer.from([0x09]), binary(correlationData)]),
    ...(userProperties ?? []).flatMap(([name, value]) => [Buffer.from([0x26]), text(name), text(value)]),
  ])
}

/** What differs from delivery to delivery. */
export interface DeliveryProperties {
  /** Seconds left; undefined when the message does not expire. */
  readonly expiry: number | undefined
  readonly identifiers: readonly number[]
  /** Topic alias; 0 for none. */
  readonly alias: number
}

export function encodeProperties(forwarded: Buffer, { expiry, identifiers, alias }: DeliveryProperties): Buffer {
  if (expiry === undefined && identifiers.length === 0 && alias === 0) return forwarded
  return Buffer.concat([
    forwarded,
    ...(expiry === undefined ? [] : [Buffer.from([0x02]), uint32(expiry)]),
    ...(alias === 0 ? [] : [Buffer.from([0x23, alias >> 8, alias & 255])]),
    ...identifiers.flatMap(identifier => [Buffer.from([0x0b]), variable(identifier)]),
  ])
}

const binary = (bytes: Buffer): Buffer => Buffer.concat([uint16(bytes.length), bytes])
const text = (value: string): Buffer => binary(Buffer.from(value))

function uint16(value: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16BE(value)
  return bytes
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

function variable(value: number): Buffer {
  const bytes = Buffer.alloc(variableLength(value))
  writeVariable(bytes, value, 0)
  return bytes
}

// --- CONNACK, DISCONNECT, AUTH --------------------------------------------------------------------------------------------

/** What the server tells about itself in CONNACK (MQTT 5, 3.2.2.3); undefined leaves the property out. */
export interface ConnackProperties {
  readonly sessionExpiryInterval?: number | undefined
  readonly receiveMaximum?: number | undefined
  readonly maximumPacketSize?: number | undefined
  readonly assignedClientIdentifier?: string | undefined
  readonly topicAliasMaximum?: number | undefined
  readonly serverKeepAlive?: number | undefined
  readonly responseInformation?: string | undefined
  readonly authenticationMethod?: string | undefined
  readonly authenticationData?: Buffer | undefined
}

/** `code`: a reason code in MQTT 5, a return code before it. */
export function encodeConnack(
  version: ProtocolVersion,
  code: number,
  sessionPresent: boolean,
  properties: ConnackProperties = {},
): Buffer {
  const head = [sessionPresent && version !== 3 ? 1 : 0, code] // MQTT 3.1 has no such flag
  if (version !== 5) return Buffer.from([TYPE.connack << 4, 2, ...head])
  return packet(TYPE.connack << 4, Buffer.from(head), encodeConnackProperties(properties))
}

function encodeConnackProperties(properties: ConnackProperties): Buffer {
  const parts: Buffer[] = []
  const add = <T>(identifier: number, value: T | undefined, encode: (value: T) => Buffer) => {
    if (value !== undefined) parts.push(Buffer.from([identifier]), encode(value))
  }
  add(0x11, properties.sessionExpiryInterval, uint32)
  add(0x12, properties.assignedClientIdentifier, text)
  add(0x13, properties.serverKeepAlive, uint16)
  add(0x15, properties.authenticationMethod, text)
  add(0x16, properties.authenticationData, binary)
  add(0x1a, properties.responseInformation, text)
  add(0x21, properties.receiveMaximum, uint16)
  add(0x22, properties.topicAliasMaximum, uint16)
  add(0x27, properties.maximumPacketSize, uint32)
  return Buffer.concat(parts)
}

/** MQTT 5 alone. */
export function encodeSuback(packetId: number, codes: readonly number[], reasonString: string): Buffer {
  return packet(TYPE.suback << 4, uint16(packetId), encodeReasonString(reasonString), Buffer.from(codes))
}

/** MQTT 5 alone. */
export function encodeDisconnect(reason: number, reasonString?: string): Buffer {
  const properties = reasonString === undefined ? EMPTY : encodeReasonString(reasonString)
  return packet(TYPE.disconnect << 4, Buffer.from([reason]), properties)
}

const encodeReasonString = (reason: string): Buffer => Buffer.concat([Buffer.from([0x1f]), text(reason)])

/** MQTT 5 alone. */
export function encodeAuth(reason: number, method: string, data: Buffer | null): Buffer {
  const properties = [Buffer.from([0x15]), text(method), ...(data === null ? [] : [Buffer.from([0x16]), binary(data)])]
  return packet(TYPE.auth << 4, Buffer.from([reason]), Buffer.concat(properties))
}

function packet(header: number, head: Buffer, properties: Buffer, payload = EMPTY): Buffer {
  const body = Buffer.concat([head, variable(properties.length), properties, payload])
  return Buffer.concat([Buffer.from([header]), variable(body.length), body])
}
