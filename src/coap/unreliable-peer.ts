// One peer over an endpoint that loses, repeats and reorders: message types and ids, duplicates, acknowledgements
// (RFC 7252 4). What requests mean is the dispatcher's.
import { CODE } from '../coap-wire/codes.ts'
import { isMalformed, type Malformed } from '../coap-wire/decode.ts'
import { encode } from '../coap-wire/encode.ts'
import { type CoapMessage, type CoapOption, type MessageType, TYPE } from '../coap-wire/message.ts'
import { printable } from '../model/printable.ts'
import { termsFor } from './block-terms.ts'
import { type Asker, REJECTED } from './dispatcher.ts'
import type { Endpoint } from './endpoint.ts'
import type { MessageContext } from './message-context.ts'
import { Outbox, type OutboxLine } from './outbox.ts'
import type { Lane, Listed } from './peers.ts'
import { type Exchange, RecentExchanges } from './recent-exchanges.ts'
import { EMPTY_BYTES, emptyMessage, isRequestMessage, rejectionOf } from './rejection.ts'
import type { Notification, Response } from './resource.ts'
import { TokenBucket } from './token-bucket.ts'

/** RFC 9000 8.1 has the same bound: whoever may not be there is sent less than thrice what came from there. */
export const AMPLIFICATION = 3

const NOTHING: Buffer = Buffer.alloc(0)
const NO_OPTIONS: readonly CoapOption[] = []

/** Milliseconds within which notifications do not count as use anew: hardly ever does less decide who makes room. */
const USED_LATELY = 1000

/** Belongs to an endpoint whose datagrams it is handed; `Peers` decides how long it is remembered. */
export class UnreliablePeer implements Asker, Listed, OutboxLine {
  readonly endpoint: Endpoint
  /** Address and port, as Echo values are bound to them. */
  readonly name: string
  /** Size exponent of the longest block that its channel takes. */
  readonly largestBlock: number
  proved: boolean

  usedAt: number
  lane: Lane | null = null
  newer: Listed | null = null
  older: Listed | null = null

  readonly #context: MessageContext
  readonly #bucket: TokenBucket
  readonly #recent: RecentExchanges
  readonly #forgotten: (() => void) | null
  /** Most peers only ask. */
  #outbox: Outbox | null = null
  #goneListeners: (() => void)[] | null = null
  #isGone = false
  #messageId: number
  /** Bytes, until the address is proved. */
  #bytesIn = 0
  #bytesOut = 0

  /** When nobody remembers the peer any more, `forgotten` is called and the endpoint closed. */
  constructor(
    context: MessageContext,
    endpoint: Endpoint,
    name: string,
    proved: boolean,
    forgotten: (() => void) | null,
  ) {
    this.#context = context
    this.endpoint = endpoint
    this.name = name
    this.proved = proved
    this.#forgotten = forgotten
    this.largestBlock = termsFor(endpoint, context.dispatcher.largestBlock).largest
    const now = context.clock.now()
    this.usedAt = now
    this.#bucket = new TokenBucket(context.limits, now)
    this.#recent = new RecentExchanges(context.limits.rememberedExchanges, context.kept)
    this.#messageId = context.dice.uint16()
  }

  /** A message of this peer; `size` is that of its datagram. */
  receive(message: CoapMessage | Malformed, size: number): void {
    if (isRequestMessage(message)) {
      this.#bytesIn += size
      this.#request(message, size)
      return
    }
    const isEmpty = message.code === CODE.Empty && !isMalformed(message)
    if (isEmpty && message.type === TYPE.ACK) this.#outbox?.acknowledged(message.messageId)
    else if (isEmpty && message.type === TYPE.RST) this.#outbox?.reset(message.messageId)
    else {
      // A ping is nothing unexpected.
      if (!isEmpty) this.#context.counters.dropped(isMalformed(message) ? 'malformed' : 'unexpected')
      const rejection = rejectionOf(message)
      if (rejection !== null) this.send(rejection)
    }
  }

  /** A request too long to be read further. Only its header and token are in `message`. */
  refuse(message: CoapMessage, size: number, response: Response): void {
    this.#bytesIn += size
    const exchange = this.#begin(message, size)
    if (exchange !== null) this.#answer(exchange, message, response, size)
  }

  notify(notification: Notification): void {
    if (this.#isGone) return
    const now = this.#context.clock.now()
    if (Math.abs(now - this.usedAt) >= USED_LATELY) this.#context.peers.used(this, now)
    this.#sending.notify(notification)
  }

  withdraw(token: Buffer): void {
    this.#outbox?.withdraw(token)
  }

  probe(told: (isThere: boolean) => void): void {
    if (this.#isGone) told(false)
    else this.#sending.probe(told)
  }

  onGone(listener: () => void): void {
    if (this.#isGone) {
      listener()
      return
    }
    // A list that is pushed to has room for sixteen more; hardly any peer has a second listener.
    if (this.#goneListeners === null) this.#goneListeners = [listener]
    else this.#goneListeners.push(listener)
  }

  /** Its address has been proved, by Echo or by its channel. */
  prove(): void {
    this.proved = true
    this.#context.peers.proved(this)
  }

  forgetExchanges(): void {
    this.#recent.clear()
  }

  gone(): void {
    this.#isGone = true
    this.#forgotten?.()
    this.endpoint.close()
    this.#outbox?.close()
    this.#recent.close()
    const listeners = this.#goneListeners ?? []
    this.#goneListeners = null
    for (const listener of listeners) {
      try {
        listener()
      } catch (error) {
        this.#context.log.error({ cause: printable(String(error)) }, 'a peer that left could not be cleared away')
      }
    }
  }

  // --- requests ----------------------------------------------------------------------------------------------------

  #request(message: CoapMessage, size: number): void {
    const exchange = this.#begin(message, size)
    if (exchange === null) return
    const response = this.#context.dispatcher.answer(message, this)
    if (response instanceof Promise) this.#await(exchange, message, response, size)
    else this.#answer(exchange, message, response, size)
  }

  /** Null when the request is a duplicate, or one too many: that is all there is to do about it then. */
  #begin(message: CoapMessage, size: number): Exchange | null {
    const { limits, clock, counters, peers, dispatcher } = this.#context
    const now = clock.now()
    peers.used(this, now)
    const verdict = this.#bucket.take(limits, now)
    const known = this.#recent.find(message.messageId, now)
    if (known !== null) {
      counters.duplicate()
      if (verdict !== 'ignored' && known.answer !== null) this.send(Buffer.from(known.answer, 'latin1'))
      return null
    }
    if (verdict === 'ignored') {
      counters.dropped('rate')
      return null
    }
    const lifetime = message.type === TYPE.CON ? limits.exchangeLifetime : limits.nonLifetime
    const exchange = this.#recent.begin(message.messageId, now, lifetime)
    if (exchange === null) {
      counters.dropped('busy')
      const refusal = dispatcher.tooManyRequests
      if (message.type === TYPE.CON) this.send(this.#bounded(TYPE.ACK, message.messageId, message, refusal, size))
      return null
    }
    if (verdict === 'served') return exchange
    counters.dropped('rate')
    this.#answer(exchange, message, dispatcher.tooManyRequests, size)
    return null
  }

  /** RFC 7252 5.2.2: when it takes longer, the request is acknowledged, so that its sender stops repeating it. */
  #await(exchange: Exchange, message: CoapMessage, answer: Promise<Response>, size: number): void {
    const { wheel, limits } = this.#context
    const delay =
      message.type === TYPE.CON
        ? wheel.after(limits.processingDelay, () => this.#acknowledge(exchange, message.messageId))
        : null
    answer
      .then(response => {
        delay?.cancel()
        this.#answer(exchange, message, response, size)
      })
      .catch(error => this.#context.log.error({ cause: printable(String(error)) }, 'a CoAP answer could not be sent'))
  }

  #acknowledge(exchange: Exchange, messageId: number): void {
    const empty = emptyMessage(TYPE.ACK, messageId)
    this.#recent.keep(exchange, empty)
    this.send(empty)
  }

  /** `size`: that of the request, which bounds the answer to a peer who may not be there. */
  #answer(exchange: Exchange, message: CoapMessage, response: Response, size: number): void {
    const { counters, dispatcher } = this.#context
    exchange.open = false
    counters.request(message.code, response.code)
    if (message.type === TYPE.NON) {
      if (response === REJECTED) this.send(emptyMessage(TYPE.RST, message.messageId))
      else if (!dispatcher.isUnwanted(message, response))
        this.send(this.#bounded(TYPE.NON, this.nextMessageId(), message, response, size))
      return
    }
    if (exchange.answer !== null) {
      if (!dispatcher.isUnwanted(message, response)) this.#respondLater(message, response, size)
      return
    }
    if (dispatcher.isUnwanted(message, response)) {
      this.#acknowledge(exchange, message.messageId)
      return
    }
    const bytes = this.#bounded(TYPE.ACK, message.messageId, message, response, size)
    this.#recent.keep(exchange, bytes)
    this.send(bytes)
  }

  /** A separate response (RFC 7252 5.2.2). */
  #respondLater(message: CoapMessage, response: Response, size: number): void {
    // The acknowledgement has used up a part of what may be sent.
    const bound = size - Math.ceil(EMPTY_BYTES / AMPLIFICATION)
    const datagram = (messageId: number) => this.#bounded(TYPE.CON, messageId, message, response, bound)
    // Nobody will hear the acknowledgement of one who is forgotten: it must do without repetition.
    if (this.#isGone) this.send(datagram(this.nextMessageId()))
    else this.#sending.respond(message.token, datagram)
  }

  #bounded(type: MessageType, messageId: number, request: CoapMessage, response: Response, size: number): Buffer {
    const bytes = this.#encode(type, messageId, request.token, response)
    if (this.proved || bytes.length < AMPLIFICATION * size) return bytes
    return this.#encode(type, messageId, request.token, this.#context.dispatcher.shortened(request, response, this))
  }

  // --- out ---------------------------------------------------------------------------------------------------------

  /** It is its own line: whoever observes is looked at for each notification, and each object more is one to be fetched. */
  get #sending(): Outbox {
    this.#outbox ??= new Outbox(this.#context, this)
    return this.#outbox
  }

  nextMessageId(): number {
    this.#messageId = (this.#messageId + 1) & 0xffff
    return this.#messageId
  }

  notification(type: MessageType, messageId: number, token: Buffer, response: Response): Buffer {
    const { code, options = NO_OPTIONS, payload = NOTHING } = response
    try {
      return this.#context.notifications.encode({ type, code, messageId, token, options, payload })
    } catch (error) {
      return this.#notEncoded(error, type, messageId, token)
    }
  }

  mayRepeat(bytes: Buffer): boolean {
    return this.proved || this.#bytesOut + bytes.length < AMPLIFICATION * this.#bytesIn
  }

  #encode(type: MessageType, messageId: number, token: Buffer, response: Response): Buffer {
    const { code, options = NO_OPTIONS, payload = NOTHING } = response
    try {
      return encode({ type, code, messageId, token, options, payload })
    } catch (error) {
      return this.#notEncoded(error, type, messageId, token)
    }
  }

  #notEncoded(error: unknown, type: MessageType, messageId: number, token: Buffer): Buffer {
    this.#context.log.error({ cause: printable(String(error)) }, 'a CoAP answer could not be encoded')
    return encode({ type, code: CODE.InternalServerError, messageId, token, options: NO_OPTIONS, payload: NOTHING })
  }

  send(bytes: Buffer): void {
    if (!this.proved) this.#bytesOut += bytes.length
    this.endpoint.send(bytes)
  }
}
