// FETCH on /ps (RFC 8132 2): the retained messages of several topics in one answer.
import type { Bus } from '../bus/bus.ts'
import type { Message } from '../bus/message.ts'
import { CODE } from '../coap-wire/codes.ts'
import { OPTION } from '../coap-wire/options.ts'
import { isTopicListFormat, readTopicList, type TopicListFormat, writeTopicMessages } from '../coap-wire/topic-list.ts'
import { Failure } from '../model/failure.ts'
import { printable } from '../model/printable.ts'
import { isTopicFilter, isTopicName } from '../model/topic.ts'
import type { CoapLimits } from './limits.ts'
import { contentFormatOfMessage } from './message-mapping.ts'
import { uint } from './representation.ts'
import type { Request, Response } from './resource.ts'
import type { CoapSession } from './session.ts'

/** Others have their turn in between. */
const EXAMINED_IN_A_TURN = 200

const turn = () => new Promise<void>(resolve => setImmediate(resolve))

export class TopicFetch {
  readonly #bus: Bus
  readonly #limits: CoapLimits

  constructor(bus: Bus, limits: CoapLimits) {
    this.#bus = bus
    this.#limits = limits
  }

  /**
   * What the caller may read of what it asks for, in the order of the topics; the rest is left out, whether it is there or
   * not. Throws `content-format-unsupported`, `invalid-input` for what cannot be read, `unprocessable` for what asks for
   * something else or for too much, `not-acceptable`, or `session-unknown` when the session ends meanwhile.
   */
  async answer(request: Request, session: CoapSession): Promise<Response> {
    const { accept, contentFormat, options } = request
    if (options.some(({ number }) => number === OPTION.IfMatch || number === OPTION.IfNoneMatch))
      throw new Failure('option-unknown', 'A list has no preconditions: leave If-Match and If-None-Match out.')
    if (!isTopicListFormat(contentFormat))
      throw new Failure('content-format-unsupported', 'FETCH takes a list of topics as JSON (50) or CBOR (60).')
    const answerFormat = accept ?? contentFormat
    if (!isTopicListFormat(answerFormat)) throw new Failure('not-acceptable')
    const found = await this.#find(this.#namesIn(request, contentFormat), session)
    if (session.isEnded) throw new Failure('session-unknown')
    const messages = found.map(({ topic, payload, properties }) => ({
      topic,
      contentFormat: contentFormatOfMessage(properties),
      payload,
    }))
    const payload = writeTopicMessages(messages, answerFormat)
    return { code: CODE.Content, options: [uint(OPTION.ContentFormat, answerFormat)], payload }
  }

  #namesIn({ payload }: Request, format: TopicListFormat): readonly string[] {
    const names = readTopicList(payload, format)
    if (names === null) throw new Failure('invalid-input', `The payload is not in Content-Format ${format}.`)
    if (names === 'wrong') throw new Failure('unprocessable', 'FETCH takes a topic, a filter, or a list of them.')
    const { listedTopics } = this.#limits
    if (names.length > listedTopics)
      throw new Failure('unprocessable', `${names.length} names; limits.coap.listedTopics are ${listedTopics}.`)
    const wrong = names.find(name => !isTopicFilter(name))
    if (wrong !== undefined) throw new Failure('unprocessable', `${printable(wrong)} is neither a topic nor a filter.`)
    return names
  }

  async #find(names: readonly string[], session: CoapSession): Promise<Message[]> {
    const { listedTopics, examinedTopics, bodyBytes } = this.#limits
    const found = new Map<string, Message>()
    let examined = 0
    let bytes = 0
    for (const name of names)
      for (const message of this.#retained(name)) {
        if (message === null) {
          await turn()
          continue
        }
        if (++examined % EXAMINED_IN_A_TURN === 0) await turn()
        if (examined > examinedTopics) throw tooMuch('examinedTopics', examinedTopics)
        if (found.has(message.topic) || !mayRead(session, message.topic)) continue
        found.set(message.topic, message)
        bytes += message.size
        if (found.size > listedTopics) throw tooMuch('listedTopics', listedTopics)
        if (bytes > bodyBytes) throw tooMuch('bodyBytes', bodyBytes)
      }
    return [...found.values()].sort((one, other) => (one.topic < other.topic ? -1 : 1))
  }

  *#retained(name: string): Generator<Message | null> {
    if (!isTopicName(name)) yield* this.#bus.retained.match(name)
    else {
      const message = this.#bus.retained.get(name)
      if (message !== undefined) yield message
    }
  }
}

/** As a GET of the topic would be judged, but nobody is on record for what a filter merely touches. */
const mayRead = ({ rights }: CoapSession, topic: string): boolean =>
  rights.glance({ action: 'subscribe', target: topic, qos: 0 }).permit &&
  rights.glance({ action: 'receive', target: topic, qos: 0, retain: true }).permit

const tooMuch = (limit: string, most: number): Failure =>
  new Failure('unprocessable', `The answer would be longer than limits.coap.${limit} (${most}) permit: ask for a part.`)
