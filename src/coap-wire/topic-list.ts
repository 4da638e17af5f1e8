// Several topics at once (RFC 8132 2): what FETCH on /ps asks for, and what it is answered. Our own formats, in CBOR and JSON.
import { decode } from 'cbor2'
import { CBOR_FORMAT, encodeArray, encodeTopicMessage, type TopicMessage } from './topic-message.ts'

/** Registered for application/json (RFC 7252 12.3). */
export const JSON_FORMAT = 50

export type TopicListFormat = typeof JSON_FORMAT | typeof CBOR_FORMAT

export const isTopicListFormat = (format: number | null): format is TopicListFormat =>
  format === JSON_FORMAT || format === CBOR_FORMAT

/** One array of strings; tags and deeper arrays are not ours. */
const DEPTH = 2

/** One topic or filter, or a list of them. Null when the bytes are not in that format; `wrong` when they say something else. */
export function readTopicList(bytes: Buffer, format: TopicListFormat): readonly string[] | 'wrong' | null {
  const read = format === CBOR_FORMAT ? fromCbor(bytes) : fromJson(bytes)
  if (read === null) return null
  const names: readonly unknown[] = Array.isArray(read.value) ? read.value : [read.value]
  const texts = names.filter(name => typeof name === 'string')
  return texts.length === names.length ? texts : 'wrong'
}

/**
 * CBOR: a list of `[topic, content-format, payload]`, as observers of filters get them. JSON: a list of objects with `topic`,
 * `contentFormat` (left out where there is none) and `payload`, or `base64` where that is no UTF-8.
 */
export function writeTopicMessages(messages: readonly TopicMessage[], format: TopicListFormat): Buffer {
  if (format === CBOR_FORMAT)
    return encodeArray(
      messages.map(({ topic, contentFormat, payload }) => encodeTopicMessage(topic, contentFormat, payload)),
    )
  return Buffer.from(JSON.stringify(messages.map(asJson)))
}

function asJson({ topic, contentFormat, payload }: TopicMessage): object {
  const text = payload.toString()
  const content = Buffer.from(text).equals(payload) ? { payload: text } : { base64: payload.toString('base64') }
  return { topic, ...(contentFormat !== null && { contentFormat }), ...content }
}

function fromCbor(bytes: Buffer): { value: unknown } | null {
  try {
    return { value: decode(bytes, { maxDepth: DEPTH, ignoreGlobalTags: true }) }
  } catch {
    return null
  }
}

function fromJson(bytes: Buffer): { value: unknown } | null {
  try {
    return { value: JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as unknown }
  } catch {
    return null
  }
}
