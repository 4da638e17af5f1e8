// What a wildcard observer is notified with: CBOR `[topic, content-format, payload]` (RFC 8949), our own extension.
import { decode } from 'cbor2'

export interface TopicMessage {
  readonly topic: string
  /** Null where the message has none. */
  readonly contentFormat: number | null
  readonly payload: Buffer
}

/** Registered for application/cbor (RFC 7252 12.3). */
export const CBOR_FORMAT = 60

/** Major types in the upper three bits of a head (RFC 8949 3.1). */
const UNSIGNED = 0x00
const BYTE_STRING = 0x40
const TEXT_STRING = 0x60
const ARRAY = 0x80
const ARRAY_OF_THREE = 0x83
const NULL = 0xf6
/** One array and what is in it; tags and deeper arrays are not ours. */
const DEPTH = 2

/**
 * In deterministic form (RFC 8949 4.2). Written by hand: notifications are made per message and observer, and a general
 * encoder takes a hundred times as long. `contentFormat` is a 16-bit number.
 */
export function encodeTopicMessage(topic: string, contentFormat: number | null, payload: Buffer): Buffer {
  const topicBytes = Buffer.byteLength(topic)
  const formatBytes = contentFormat === null ? 1 : headBytes(contentFormat)
  const size = 1 + headBytes(topicBytes) + topicBytes + formatBytes + headBytes(payload.length) + payload.length
  const bytes = Buffer.allocUnsafe(size)
  let at = bytes.writeUInt8(ARRAY_OF_THREE, 0)
  at = writeHead(TEXT_STRING, topicBytes, bytes, at)
  at += bytes.write(topic, at)
  at = contentFormat === null ? bytes.writeUInt8(NULL, at) : writeHead(UNSIGNED, contentFormat, bytes, at)
  at = writeHead(BYTE_STRING, payload.length, bytes, at)
  bytes.set(payload, at)
  return bytes
}

/** An array of what is encoded already. */
export function encodeArray(items: readonly Buffer[]): Buffer {
  const head = Buffer.allocUnsafe(headBytes(items.length))
  writeHead(ARRAY, items.length, head, 0)
  return Buffer.concat([head, ...items])
}

/** Null when it is not what `encodeTopicMessage` makes. Never throws. */
export function decodeTopicMessage(bytes: Buffer): TopicMessage | null {
  // Whatever follows, its items are few and shallow: the work is bounded by the bytes there are.
  if (bytes[0] !== ARRAY_OF_THREE) return null
  let items: unknown
  try {
    items = decode(bytes, { maxDepth: DEPTH, ignoreGlobalTags: true })
  } catch {
    return null
  }
  if (!Array.isArray(items)) return null
  const [topic, contentFormat, payload]: unknown[] = items
  if (typeof topic !== 'string' || !(payload instanceof Uint8Array)) return null
  if (contentFormat !== null && !isContentFormat(contentFormat)) return null
  return { topic, contentFormat, payload: Buffer.from(payload.buffer, payload.byteOffset, payload.length) }
}

function isContentFormat(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 0xffff
}

function headBytes(n: number): number {
  return n < 24 ? 1 : n < 0x100 ? 2 : n < 0x10000 ? 3 : 5
}

/** A head with its argument in the shortest form (RFC 8949 3); returns where to go on. */
function writeHead(major: number, n: number, bytes: Buffer, at: number): number {
  if (n < 24) return bytes.writeUInt8(major | n, at)
  if (n < 0x100) return bytes.writeUInt8(n, bytes.writeUInt8(major | 24, at))
  if (n < 0x10000) return bytes.writeUInt16BE(n, bytes.writeUInt8(major | 25, at))
  return bytes.writeUInt32BE(n, bytes.writeUInt8(major | 26, at))
}
