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
  /** GET gives the same, and it is longer than a block: the first one is enough (RFC 7959 2.6). */
  readonly isState: boolean
}

/** Observe, of a number that may be longer than it (RFC 7641 2). */
export const observe = (sequence: number): CoapOption => uint(OPTION.Observe, sequence % 0x1000000)

/** Makes notices; the last one is kept, since the observers of a message come one after the other. */
export class Notices {
  readonly #blockBytes: number
  #sequence = 0
  #last: (Notice & { message: Message; form: Form; secondsLeft: number | undefined }) | null = null

  /** `blockBytes`: the longest payload that leaves in one piece where GET can give the rest. */
  constructor(blockBytes: number) {
    this.#blockBytes = blockBytes
  }

  /**
   * Sequence numbers follow the clock in milliseconds, so that they also grow over a restart; at most 65 536 in a second
   * keep to the window of RFC 7641 3.4 and 4.4.
   */
  nextSequence(now: number): number {
    this.#sequence = Math.max(this.#sequence + 1, now)
    return this.#sequence
  }

  /** `after`: the number that the observer has had last. */
  of(message: Message, form: Form, now: number, after: number): Notice {
    const secondsLeft = message.secondsLeft(now)
    let notice = this.#last
    if (notice?.message !== message || notice.form !== form || notice.secondsLeft !== secondsLeft) {
      const sequence = this.nextSequence(now)
      const isState = form === 'value' && message.retain && message.payload.length > this.#blockBytes
      const options = [
        ...(isState ? [{ number: OPTION.ETag, value: etagOf(message) }] : []),
        observe(sequence),
        ...describingOptions(contentFormatIn(message, form), secondsLeft),
      ]
      notice = { sequence, options, payload: payloadOf(message, form), isState, message, form, secondsLeft }
      this.#last = notice
    }
    if (notice.sequence > after) return notice
    const sequence = this.nextSequence(now)
    const options = notice.options.map(option => (option.number === OPTION.Observe ? observe(sequence) : option))
    return { ...notice, sequence, options }
  }
}
