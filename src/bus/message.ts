import type { IncomingMessage, MessageProperties } from '../model/message.ts'
import type { PrincipalKind } from '../model/principal.ts'

/** Who sent a message; kept with what is retained or queued. */
export interface Publisher {
  readonly kind: PrincipalKind
  /** Of the subject. */
  readonly id: string
  /** Session it came through, for no-local; null where there is none. */
  readonly session: string | null
}

/** Receivers on one lane understand the same bytes, so that these are made once and shared. */
export interface Lane {
  readonly name: string
}

export interface MessageFields extends Omit<IncomingMessage, 'properties'> {
  readonly properties?: MessageProperties | undefined
  /** Milliseconds since the epoch; null when the message does not expire. */
  readonly expiresAt: number | null
  readonly publisher: Publisher | null
}

const EMPTY = Buffer.alloc(0)

function sizeOf({ contentType, responseTopic, correlationData, userProperties }: MessageProperties): number {
  let size = (contentType?.length ?? 0) + (responseTopic?.length ?? 0) + (correlationData?.length ?? 0)
  for (const [name, value] of userProperties ?? []) size += name.length + value.length + PAIR
  return size
}

/** Bytes of a user property beside its text: many small ones would weigh nothing else. */
const PAIR = 32

/** An application message on its way through the broker. */
export class Message {
  readonly topic: string
  readonly qos: 0 | 1 | 2
  readonly retain: boolean
  /** Without the expiry interval: `expiresAt` stands for it. */
  readonly properties: MessageProperties | undefined
  readonly expiresAt: number | null
  readonly publisher: Publisher | null
  #payload: Buffer
  #forms: Map<Lane, Buffer> | null = null

  constructor(fields: MessageFields) {
    this.topic = fields.topic
    this.qos = fields.qos
    this.retain = fields.retain
    this.properties = fields.properties
    this.expiresAt = fields.expiresAt
    this.publisher = fields.publisher
    this.#payload = fields.payload.length === 0 ? EMPTY : fields.payload
  }

  /** A message that arrives now: its lifetime runs from here, also while it waits [MQTT-3.3.2-6]. */
  static arriving(incoming: IncomingMessage, publisher: Publisher | null, now: number): Message {
    const { topic, payload, qos, retain, properties } = incoming
    // Fields one by one: to spread an object for each message takes longer than all the rest of this.
    if (properties?.messageExpiryInterval === undefined)
      return new Message({ topic, payload, qos, retain, properties, expiresAt: null, publisher })
    const { messageExpiryInterval, ...others } = properties
    const expiresAt = now + messageExpiryInterval * 1000
    return new Message({ topic, payload, qos, retain, properties: others, expiresAt, publisher })
  }

  get payload(): Buffer {
    return this.#payload
  }

  /** Bytes that it takes in a queue, roughly. */
  get size(): number {
    const { topic, properties } = this
    return topic.length + this.#payload.length + (properties === undefined ? 0 : sizeOf(properties))
  }

  hasExpired(now: number): boolean {
    return this.expiresAt !== null && this.expiresAt <= now
  }

  /** Seconds of life left; undefined when it does not expire. */
  secondsLeft(now: number): number | undefined {
    return this.expiresAt === null ? undefined : Math.max(0, Math.ceil((this.expiresAt - now) / 1000))
  }

  /** The bytes that all receivers on one lane share; `encode` runs for the first of them. */
  shared(lane: Lane, encode: (message: Message) => Buffer): Buffer {
    this.#forms ??= new Map()
    let form = this.#forms.get(lane)
    if (form === undefined) {
      form = encode(this)
      this.#forms.set(lane, form)
    }
    return form
  }

  /** Detaches the payload from the read buffer it lies in, before the message is kept for long. */
  keep(): this {
    if (this.#payload.length < this.#payload.buffer.byteLength) {
      const own = Buffer.allocUnsafeSlow(this.#payload.length)
      this.#payload.copy(own)
      this.#payload = own
    }
    return this
  }

  /** A copy to be kept for long: with a payload of its own and without shared forms. */
  detached(): Message {
    const { topic, payload, qos, retain, properties, expiresAt, publisher } = this
    return new Message({ topic, payload, qos, retain, properties, expiresAt, publisher }).keep()
  }
}
