// A message as CoAP shows it: the value of a topic, or `[topic, content-format, payload]` where a filter has wildcards.
import { createHash } from 'node:crypto'
import type { Lane, Message } from '../bus/message.ts'
import type { CoapOption } from '../coap-wire/message.ts'
import { OPTION, uintValue } from '../coap-wire/options.ts'
import { encodeTopicMessage } from '../coap-wire/topic-message.ts'
import { contentFormatOfMessage } from './message-mapping.ts'

export type Form = 'value' | 'topic-message'

/** Registered for application/cbor (RFC 7252 12.3). */
export const CBOR = 60

const TOPIC_MESSAGES: Lane = { name: 'CoAP topic message' }
const ETAGS: Lane = { name: 'CoAP ETag' }
const TOPIC_MESSAGE_ETAGS: Lane = { name: 'CoAP ETag of a topic message' }
const ETAG_BYTES = 8

/** Made once for all who ask or observe, as long as the message is kept. */
export const payloadOf = (message: Message, form: Form): Buffer =>
  form === 'value'
    ? message.payload
    : message.shared(TOPIC_MESSAGES, ({ topic, payload, properties }) =>
        encodeTopicMessage(topic, contentFormatOfMessage(properties), payload),
      )

export const contentFormatIn = (message: Message, form: Form): number | null =>
  form === 'value' ? contentFormatOfMessage(message.properties) : CBOR

/** Another one for another payload or Content-Format (RFC 7252 5.10.6). */
export const etagOf = (message: Message): Buffer =>
  message.shared(ETAGS, ({ payload, properties }) =>
    createHash('sha256')
      .update(`${contentFormatOfMessage(properties)} `)
      .update(payload)
      .digest()
      .subarray(0, ETAG_BYTES),
  )

/** The same of a form. */
export const etagIn = (message: Message, form: Form): Buffer =>
  form === 'value' ? etagOf(message) : message.shared(TOPIC_MESSAGE_ETAGS, made => shortHash(payloadOf(made, form)))

const shortHash = (bytes: Buffer): Buffer => createHash('sha256').update(bytes).digest().subarray(0, ETAG_BYTES)

export const uint = (number: number, value: number): CoapOption => ({ number, value: uintValue(value) })

const LONGEST_MAX_AGE = 0xffffffff

/**
 * Content-Format, and as Max-Age what is left of the message's life. One that does not expire leaves Max-Age out, which
 * means 60 s (RFC 7252 5.10.5).
 */
export function describingOptions(contentFormat: number | null, secondsLeft: number | undefined): CoapOption[] {
  const options: CoapOption[] = []
  if (contentFormat !== null) options.push(uint(OPTION.ContentFormat, contentFormat))
  if (secondsLeft !== undefined) options.push(uint(OPTION.MaxAge, Math.min(secondsLeft, LONGEST_MAX_AGE)))
  return options
}

/** What is the same for all observers of a message. */
export interface Notice {
  /** Grows with every message; 24 bits of it are sent. */
  readonly sequence: number
  readonly options: readonly CoapOption[]
  readonly payload: Buffer
  /** It is longer than a block, so that the first one leaves, and GET gives the rest under its ETag (RFC 7959 2.6). */
  readonly isLong: boolean
}

/** Observe, of a number that may be longer than it (RFC 7641 2). */
export const observe = (sequence: number): CoapOption => uint(OPTION.Observe, sequence % 0x1000000)

interface Made extends Notice {
  readonly message: Message
  readonly form: Form
  readonly secondsLeft: number | undefined
  readonly blockBytes: number
}

/** Makes notices; the last one is kept, since the observers of a message come one after the other. */
export class Notices {
  #sequence = 0
  #last: Made | null = null

  /**
   * Sequence numbers follow the clock in milliseconds, so that they also grow over a restart; at most 65 536 in a second
   * keep to the window of RFC 7641 3.4 and 4.4.
   */
  nextSequence(now: number): number {
    this.#sequence = Math.max(this.#sequence + 1, now)
    return this.#sequence
  }

  /** `after`: the number that the observer has had last. `blockBytes`: the longest payload that leaves in one piece. */
  of(message: Message, form: Form, now: number, after: number, blockBytes: number): Notice {
    const secondsLeft = message.secondsLeft(now)
    let notice = this.#last
    const isSame = notice?.message === message && notice.form === form && notice.blockBytes === blockBytes
    if (notice === null || !isSame || notice.secondsLeft !== secondsLeft) {
      const sequence = this.nextSequence(now)
      const isLong = payloadOf(message, form).length > blockBytes
      const options = [
        ...(isLong ? [{ number: OPTION.ETag, value: etagIn(message.keep(), form) }] : []),
        observe(sequence),
        ...describingOptions(contentFormatIn(message, form), secondsLeft),
      ]
      notice = { sequence, options, payload: payloadOf(message, form), isLong, message, form, secondsLeft, blockBytes }
      this.#last = notice
    }
    if (notice.sequence > after) return notice
    const sequence = this.nextSequence(now)
    const options = notice.options.map(option => (option.number === OPTION.Observe ? observe(sequence) : option))
    return { ...notice, sequence, options }
  }
}
