// /ps/{level}/...: an MQTT topic as a resource.
import type { Bus } from '../bus/bus.ts'
import { refusalOf } from '../bus/bus.ts'
import type { Message } from '../bus/message.ts'
import { CODE } from '../coap-wire/codes.ts'
import { OPTION, optionsOf } from '../coap-wire/options.ts'
import type { Clock } from '../model/clock.ts'
import { Failure } from '../model/failure.ts'
import type { Meter } from '../model/meter.ts'
import { printable } from '../model/printable.ts'
import { isTopicName, parseFilter } from '../model/topic.ts'
import { sizeExponentOf } from './block2.ts'
import type { Discovery } from './discovery.ts'
import type { CoapLimits } from './limits.ts'
import { propertiesOf } from './message-mapping.ts'
import type { Observation } from './observation.ts'
import type { Observations } from './observations.ts'
import { CBOR, contentFormatIn, describingOptions, etagOf, type Form, observe, payloadOf } from './representation.ts'
import type { Request, Resource, Response } from './resource.ts'
import { askService } from './service-request.ts'
import type { CoapSession } from './session.ts'
import type { CoapSessions } from './sessions.ts'
import { TopicFetch } from './topic-fetch.ts'
import { checkQuery, type TopicOptions, topicOf, topicOptionsOf } from './topic-request.ts'

export interface TopicResourceParts {
  readonly bus: Bus
  readonly clock: Clock
  readonly meter: Meter
  readonly limits: CoapLimits
  readonly sessions: CoapSessions
  readonly observations: Observations
  readonly discovery: Discovery
}

const REGISTER = 0
const DEREGISTER = 1
const NOTHING = Buffer.alloc(0)

export class TopicResource implements Resource {
  readonly path = ['ps']
  readonly methods: ReadonlySet<number> = new Set([CODE.GET, CODE.POST, CODE.PUT, CODE.DELETE, CODE.FETCH])
  readonly bodyBytes: number
  readonly #parts: TopicResourceParts
  readonly #fetch: TopicFetch

  constructor(parts: TopicResourceParts) {
    this.#parts = parts
    this.#fetch = new TopicFetch(parts.bus, parts.limits)
    this.bodyBytes = parts.limits.bodyBytes
  }

  /** Whoever may not publish there is told before a large payload is taken from him. */
  admit(request: Request): void | Promise<void> {
    checkQuery(request, this.#parts.limits)
    const session = this.#parts.sessions.speaker(request)
    if (session instanceof Promise) return session.then(present => this.#checkPublish(request, present))
    this.#checkPublish(request, session)
  }

  handle(request: Request): Response | Promise<Response> {
    const { method, observe, peer, token } = request
    // Whoever has the token may end it, also when its session is over; and so does another use of it (RFC 7252 5.3.1).
    if (method === CODE.GET && observe !== REGISTER && !isLaterBlock(request))
      this.#parts.observations.cancel(peer, token)
    checkQuery(request, this.#parts.limits)
    const session = this.#parts.sessions.speaker(request)
    return session instanceof Promise
      ? session.then(present => this.#serve(request, present))
      : this.#serve(request, session)
  }

  #serve(request: Request, session: CoapSession): Response | Promise<Response> {
    const { method, path } = request
    if (path.length === 1) {
      if (method === CODE.GET) return this.#parts.discovery.topics(request, session)
      if (method === CODE.FETCH) return this.#fetch.answer(request, session)
      throw new Failure('method-not-allowed', 'Only GET and FETCH are served at /ps itself; a topic is below it.')
    }
    if (method === CODE.FETCH) throw new Failure('method-not-allowed', 'FETCH is served at /ps, for any topics.')
    if (method !== CODE.GET) return this.#publish(request, session)
    const topic = topicOf(path)
    return request.observe === REGISTER ? this.#observe(request, session, topic) : this.#read(request, session, topic)
  }

  // --- POST, PUT, DELETE --------------------------------------------------------------------------------------------------

  /** POST is an event, PUT the state of the topic, DELETE clears that. Answers when the bus has taken it over. */
  async #publish(request: Request, session: CoapSession): Promise<Response> {
    const { method, contentFormat } = request
    const topic = topicOf(request.path)
    const options = topicOptionsOf(request)
    const deletes = method === CODE.DELETE
    const payload = deletes ? NOTHING : request.payload
    const { qos, retain } = termsOf(request, options)
    if (!this.#preconditionsHold(request, session, topic)) return { code: CODE.PreconditionFailed }
    const properties = propertiesOf(deletes ? null : contentFormat, deletes ? null : options.expiry, payload)
    this.#parts.meter.count('latchkey_messages_received_total')
    const { principal, rights, publishesAs } = session
    const message = { topic, payload, qos, retain, ...(properties && { properties }) }
    const service = this.#parts.bus.service(topic)
    if (service !== undefined) return askService(service, message, request, session)
    await this.#parts.bus.publish(principal, message, { rights, session: publishesAs })
    return { code: deletes ? CODE.Deleted : CODE.Changed }
  }

  #checkPublish(request: Request, { rights }: CoapSession): void {
    if (request.method === CODE.FETCH) return
    const topic = topicOf(request.path)
    if (!isTopicName(topic)) throw new Failure('topic-name-invalid', `${printable(topic)} is no topic name.`)
    if (this.#parts.bus.service(topic) !== undefined) return
    const { qos, retain } = termsOf(request, topicOptionsOf(request))
    const decision = rights.decide({ action: 'publish', target: topic, qos, retain })
    if (!decision.permit) throw new Failure(refusalOf(decision))
  }

  /** RFC 7252 5.10.8. The answer tells whether there is a value, so whoever asks must be allowed to read it. */
  #preconditionsHold(request: Request, session: CoapSession, topic: string): boolean {
    const wanted = optionsOf(request, OPTION.IfMatch)
    const unwanted = optionsOf(request, OPTION.IfNoneMatch).length > 0
    if (wanted.length === 0 && !unwanted) return true
    const present = this.#retained(session, topic)
    if (unwanted) return present === undefined
    return present !== undefined && wanted.some(etag => etag.length === 0 || etag.equals(etagOf(present)))
  }

  // --- GET ----------------------------------------------------------------------------------------------------------------

  #read(request: Request, session: CoapSession, topic: string): Response {
    const { accept, observe } = request
    topicOptionsOf(request)
    const event = this.#eventAskedFor(request, session, topic)
    if (event !== null) return event
    // A filter has no value of its own, but an observation of it ends like any other.
    if (observe === DEREGISTER && !isTopicName(topic) && parseFilter(topic) !== null) return { code: CODE.Content }
    const message = this.#retained(session, topic)
    if (message === undefined) {
      if (observe === DEREGISTER) return { code: CODE.Content }
      throw new Failure('not-found', `There is no retained message at ${printable(topic)}.`)
    }
    checkAccept(accept, message)
    const etag = etagOf(message)
    const tag = { number: OPTION.ETag, value: etag }
    const secondsLeft = message.secondsLeft(this.#parts.clock.now())
    if (!isLaterBlock(request) && knows(request, etag))
      return { code: CODE.Valid, options: [tag, ...describingOptions(null, secondsLeft)] }
    if (!isLaterBlock(request)) this.#parts.observations.forgetEvent(request.peer, topic)
    const options = [tag, ...describingOptions(contentFormatIn(message, 'value'), secondsLeft)]
    return { code: CODE.Content, options, payload: payloadOf(message, 'value') }
  }

  /**
   * The event that an observer has had the first block of (RFC 7959 2.6): the one whose ETag it names, or else the last that
   * it was notified of. Null when it asks for something else; `blocks-missing` when the event is gone.
   */
  #eventAskedFor(request: Request, session: CoapSession, name: string): Response | null {
    if (!isLaterBlock(request)) return null
    const { observations, bus, clock } = this.#parts
    const place = parseFilter(name)
    const named = optionsOf(request, OPTION.ETag)
    const last = named.length > 0 ? null : observations.longEvent(request.peer, name)
    const etags = last === null ? named : [last]
    if (place === null || etags.length === 0) return null
    for (const etag of etags) {
      const event = observations.events.find(name, etag)
      if (event === null) continue
      const { message, form } = event
      checkReadable(session, place.filter, message.topic, false)
      if (request.accept !== null && contentFormatIn(message, form) !== request.accept)
        throw new Failure('not-acceptable')
      const described = describingOptions(contentFormatIn(message, form), message.secondsLeft(clock.now()))
      const options = [{ number: OPTION.ETag, value: etag }, ...described]
      return { code: CODE.Content, options, payload: payloadOf(message, form) }
    }
    if (isTopicName(name)) {
      checkReadable(session, name, name, true)
      const state = bus.retained.get(name)
      if (state !== undefined && etags.some(etag => etag.equals(etagOf(state)))) return null
    }
    throw new Failure('blocks-missing', `What was begun at ${printable(name)} is not kept any more.`)
  }

  /** Judged as a subscription and its first delivery are, before anybody learns whether there is something. */
  #retained(session: CoapSession, topic: string): Message | undefined {
    if (!isTopicName(topic))
      throw new Failure(
        'topic-name-invalid',
        `${printable(topic)} is no topic name; a filter with + or # can be observed only.`,
      )
    checkReadable(session, topic, topic, true)
    return this.#parts.bus.retained.get(topic)
  }

  // --- Observe ------------------------------------------------------------------------------------------------------------

  #observe(request: Request, session: CoapSession, name: string): Response {
    const { peer, token, accept, confirmable } = request
    const options = topicOptionsOf(request)
    const place = parseFilter(name)
    if (place === null) throw new Failure('topic-filter-invalid', `${printable(name)} is no topic filter.`)
    if (place.group !== null && options.noLocal)
      throw new Failure('invalid-input', 'nl=true is not for shared subscriptions.') // [MQTT-3.8.3-4]
    const form: Form = isTopicName(place.filter) ? 'value' : 'topic-message'
    if (form === 'topic-message' && accept !== null && accept !== CBOR) throw new Failure('not-acceptable')
    const message = form === 'value' && place.group === null ? this.#visible(session, name) : undefined
    if (message !== undefined) checkAccept(accept, message)
    const largest = sizeExponentOf(this.#parts.limits.blockSize)
    const sizeExponent = Math.min(request.block2?.sizeExponent ?? largest, largest)
    const { observation, isNew } = this.#parts.observations.register(
      { peer, token, name, form, accept, sizeExponent },
      session,
      {
        qos: options.qos ?? (confirmable ? 1 : 0),
        noLocal: options.noLocal,
      },
    )
    const withRetained = place.group === null && wantsRetained(options, isNew)
    this.#beginAfterAnswer(observation, withRetained && form === 'topic-message')
    const sequence = observe(observation.firstSequence())
    const own = options.noLocal && message?.publisher?.session === session.publishesAs // [MQTT-3.8.3-3]
    if (message === undefined || !withRetained || own) return { code: CODE.Content, options: [sequence] }
    const secondsLeft = message.secondsLeft(this.#parts.clock.now())
    const etag = etagOf(message)
    const tag = { number: OPTION.ETag, value: etag }
    if (knows(request, etag))
      // RFC 7641 3.3.1
      return { code: CODE.Valid, options: [tag, sequence, ...describingOptions(null, secondsLeft)] }
    return {
      code: CODE.Content,
      options: [tag, sequence, ...describingOptions(contentFormatIn(message, form), secondsLeft)],
      payload: payloadOf(message, form),
    }
  }

  /** The retained message, if the observer may have it: where it may only not receive this one, it can still observe. */
  #visible({ rights }: CoapSession, topic: string): Message | undefined {
    for (const action of ['subscribe', 'receive'] as const)
      if (!rights.decide({ action, target: topic, qos: 0, ...(action === 'receive' && { retain: true }) }).permit)
        return undefined
    return this.#parts.bus.retained.get(topic)
  }

  /** What this turn of the event loop answers has left before the next begins. */
  #beginAfterAnswer(observation: Observation, withRetained: boolean): void {
    setImmediate(() => this.#parts.observations.begin(observation, withRetained))
  }
}

/** Whether the client has this representation already (RFC 7252 5.10.6.2). */
const knows = (request: Request, etag: Buffer): boolean =>
  optionsOf(request, OPTION.ETag).some(known => known.equals(etag))

const isLaterBlock = ({ block2 }: Request): boolean => block2 !== null && block2.number > 0

/** Throws unless the session may subscribe to the filter and receive the topic. */
function checkReadable({ rights }: CoapSession, filter: string, topic: string, retain: boolean): void {
  const subscribe = rights.decide({ action: 'subscribe', target: filter, qos: 0 })
  if (!subscribe.permit) throw new Failure(refusalOf(subscribe))
  const receive = rights.decide({ action: 'receive', target: topic, qos: 0, retain })
  if (!receive.permit) throw new Failure(refusalOf(receive))
}

const wantsRetained = ({ retainHandling }: TopicOptions, isNew: boolean): boolean =>
  retainHandling === 0 || (retainHandling === 1 && isNew)

function checkAccept(accept: number | null, message: Message): void {
  if (accept !== null && contentFormatIn(message, 'value') !== accept) throw new Failure('not-acceptable')
}

/** How it is published. */
function termsOf({ method, confirmable }: Request, { qos, retain }: TopicOptions) {
  const isState = method === CODE.PUT || method === CODE.DELETE
  const kept = method === CODE.DELETE || (retain ?? isState)
  return { qos: qos ?? (confirmable ? 1 : 0), retain: kept } as const
}
