// How a message lies in the store: a small binary form of our own, so that every property survives, in order.
import { Failure } from '../model/failure.ts'
import type { MessageProperties } from '../model/message.ts'
import type { PrincipalKind } from '../model/principal.ts'
import { Message, type Publisher } from './message.ts'

const VERSION = 1
/** Bytes around topic and payload of a message without properties, roughly. */
const OVERHEAD = 96
const KINDS: readonly PrincipalKind[] = ['device', 'service', 'operator', 'anonymous']

// first byte after the version
const QOS = 0b0000_0011
const RETAIN = 0b0000_0100
const HAS_EXPIRY = 0b0000_1000
const HAS_PUBLISHER = 0b0001_0000
const HAS_SESSION = 0b0010_0000

const PROPERTY = {
  payloadFormatIndicator: 1,
  messageExpiryInterval: 2,
  contentType: 3,
  responseTopic: 4,
  correlationData: 5,
  userProperty: 6,
} as const

/** What a queue entry adds to its message. */
export interface StoredDelivery {
  readonly qos: 1 | 2
  readonly retain: boolean
  readonly identifiers: readonly number[]
}

export function encodeMessage(message: Message): Buffer {
  const writer = new Writer(message.size + OVERHEAD)
  writeMessage(writer, message)
  return writer.finish()
}

/** Throws `store-failed` when the bytes are not a stored message. */
export function decodeMessage(bytes: Buffer): Message {
  const reader = new Reader(bytes)
  const message = readMessage(reader)
  reader.end()
  return message
}

export function encodeEntry(message: Message, { qos, retain, identifiers }: StoredDelivery): Buffer {
  const writer = new Writer(message.size + OVERHEAD)
  writer.byte(qos | (retain ? RETAIN : 0))
  writer.number(identifiers.length)
  for (const identifier of identifiers) writer.number(identifier)
  writeMessage(writer, message)
  return writer.finish()
}

/** Throws `store-failed` when the bytes are not a stored queue entry. */
export function decodeEntry(bytes: Buffer): StoredDelivery & { readonly message: Message } {
  const reader = new Reader(bytes)
  const flags = reader.byte()
  const identifiers = Array.from({ length: reader.count() }, () => reader.number())
  const message = readMessage(reader)
  reader.end()
  return { qos: (flags & QOS) === 2 ? 2 : 1, retain: (flags & RETAIN) !== 0, identifiers, message }
}

function writeMessage(
  writer: Writer,
  { topic, payload, qos, retain, properties, expiresAt, publisher }: Message,
): void {
  const session = publisher?.session ?? null
  writer.byte(VERSION)
  writer.byte(
    qos |
      (retain ? RETAIN : 0) |
      (expiresAt === null ? 0 : HAS_EXPIRY) |
      (publisher === null ? 0 : HAS_PUBLISHER) |
      (session === null ? 0 : HAS_SESSION),
  )
  writer.text(topic)
  writer.binary(payload)
  if (expiresAt !== null) writer.number(expiresAt)
  if (publisher !== null) {
    writer.byte(KINDS.indexOf(publisher.kind))
    writer.text(publisher.id)
    if (session !== null) writer.text(session)
  }
  writeProperties(writer, properties ?? {})
}

function readMessage(reader: Reader): Message {
  const version = reader.byte()
  if (version !== VERSION) throw damaged(`format ${version}`)
  const flags = reader.byte()
  const qos = flags & QOS
  if (qos > 2) throw damaged(`QoS ${qos}`)
  const topic = reader.text()
  const payload = reader.binary()
  const expiresAt = flags & HAS_EXPIRY ? reader.number() : null
  const publisher = flags & HAS_PUBLISHER ? readPublisher(reader, (flags & HAS_SESSION) !== 0) : null
  const properties = readProperties(reader)
  return new Message({
    topic,
    payload,
    qos: qos as 0 | 1 | 2,
    retain: (flags & RETAIN) !== 0,
    ...(properties && { properties }),
    expiresAt,
    publisher,
  })
}

function readPublisher(reader: Reader, hasSession: boolean): Publisher {
  const kind = KINDS[reader.byte()]
  if (kind === undefined) throw damaged('publisher')
  return { kind, id: reader.text(), session: hasSession ? reader.text() : null }
}

function writeProperties(writer: Writer, properties: MessageProperties): void {
  const { payloadFormatIndicator, messageExpiryInterval, contentType, responseTopic, correlationData } = properties
  if (payloadFormatIndicator !== undefined) {
    writer.byte(PROPERTY.payloadFormatIndicator)
    writer.byte(payloadFormatIndicator ? 1 : 0)
  }
  if (messageExpiryInterval !== undefined) {
    writer.byte(PROPERTY.messageExpiryInterval)
    writer.number(messageExpiryInterval)
  }
  if (contentType !== undefined) {
    writer.byte(PROPERTY.contentType)
    writer.text(contentType)
  }
  if (responseTopic !== undefined) {
    writer.byte(PROPERTY.responseTopic)
    writer.text(responseTopic)
  }
  if (correlationData !== undefined) {
    writer.byte(PROPERTY.correlationData)
    writer.binary(correlationData)
  }
  for (const [name, value] of properties.userProperties ?? []) {
    writer.byte(PROPERTY.userProperty)
    writer.text(name)
    writer.text(value)
  }
  writer.byte(0)
}

function readProperties(reader: Reader): MessageProperties | undefined {
  const found: { -readonly [K in keyof MessageProperties]: MessageProperties[K] } = {}
  const userProperties: [string, string][] = []
  let any = false
  for (let tag = reader.byte(); tag !== 0; tag = reader.byte()) {
    any = true
    if (tag === PROPERTY.payloadFormatIndicator) found.payloadFormatIndicator = reader.byte() !== 0
    else if (tag === PROPERTY.messageExpiryInterval) found.messageExpiryInterval = reader.number()
    else if (tag === PROPERTY.contentType) found.contentType = reader.text()
    else if (tag === PROPERTY.responseTopic) found.responseTopic = reader.text()
    else if (tag === PROPERTY.correlationData) found.correlationData = reader.binary()
    else if (tag === PROPERTY.userProperty) userProperties.push([reader.text(), reader.text()])
    else throw damaged(`property ${tag}`)
  }
  if (userProperties.length > 0) found.userProperties = userProperties
  return any ? found : undefined
}

const damaged = (what: string) =>
  new Failure('store-failed', `A stored message cannot be read (${what}); restore the data directory from a backup.`)

/** Lengths and numbers are variable byte integers (base 128, lowest first) of up to 2^53. */
class Writer {
  #bytes: Buffer
  #at = 0

  constructor(expected: number) {
    this.#bytes = Buffer.allocUnsafe(expected)
  }

  byte(value: number): void {
    this.#reserve(1)
    this.#bytes[this.#at++] = value
  }

  number(value: number): void {
    this.#reserve(8)
    let rest = value
    while (rest > 127) {
      this.#bytes[this.#at++] = (rest % 128) | 128
      rest = Math.floor(rest / 128)
    }
    this.#bytes[this.#at++] = rest
  }

  text(value: string): void {
    const length = Buffer.byteLength(value)
    this.number(length)
    this.#reserve(length)
    this.#at += this.#bytes.write(value, this.#at)
  }

  binary(value: Buffer): void {
    this.number(value.length)
    this.#reserve(value.length)
    this.#at += value.copy(this.#bytes, this.#at)
  }

  finish(): Buffer {
    return this.#bytes.subarray(0, this.#at)
  }

  #reserve(count: number): void {
    if (this.#at + count <= this.#bytes.length) return
    const larger = Buffer.allocUnsafe(2 * (this.#bytes.length + count))
    this.#bytes.copy(larger, 0, 0, this.#at)
    this.#bytes = larger
  }
}

class Reader {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  byte(): number {
    const value = this.#bytes[this.#at++]
    if (value === undefined) throw damaged('too short')
    return value
  }

  number(): number {
    let value = 0
    for (let factor = 1; factor <= 2 ** 49; factor *= 128) {
      const digit = this.byte()
      value += (digit & 127) * factor
      if (digit < 128) return value
    }
    throw damaged('number')
  }

  /** A number of things that take at least one byte each. */
  count(): number {
    const count = this.number()
    if (count > this.#bytes.length - this.#at) throw damaged('length')
    return count
  }

  text(): string {
    return this.#slice().toString('utf8')
  }

  binary(): Buffer {
    return Buffer.from(this.#slice())
  }

  end(): void {
    if (this.#at !== this.#bytes.length) throw damaged('too long')
  }

  #slice(): Buffer {
    const length = this.count()
    this.#at += length
    return this.#bytes.subarray(this.#at - length, this.#at)
  }
}
