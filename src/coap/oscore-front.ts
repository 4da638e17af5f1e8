// OSCORE (RFC 8613) in front of the dispatcher: what was protected is verified and goes on as the request it is, and its
// answer leaves protected.
import { bodyBytes } from '../coap-wire/body.ts'
import { CODE } from '../coap-wire/codes.ts'
import { encodedBytes } from '../coap-wire/encode.ts'
import type { CoapMessage, CoapOption } from '../coap-wire/message.ts'
import { OPTION, optionOf, uintOf } from '../coap-wire/options.ts'
import { TAG_BYTES } from '../coap-wire/oscore-cose.ts'
import {
  isRequestOption,
  protectResponse,
  type RequestBinding,
  type VerifiedRequest,
  verifyRequest,
} from '../coap-wire/oscore-message.ts'
import { decodeOscoreOption } from '../coap-wire/oscore-option.ts'
import { ReplayWindow } from '../coap-wire/oscore-replay.ts'
import type { Clock, Random } from '../model/clock.ts'
import { asFailure } from '../model/failure.ts'
import type { Log } from '../model/log.ts'
import { printable } from '../model/printable.ts'
import { type Asker, type Dispatcher, REJECTED, UNWANTED } from './dispatcher.ts'
import { EchoGuard } from './echo.ts'
import type { CoapLimits } from './limits.ts'
import type { MessageCounters, OscoreResult } from './message-counters.ts'
import type { OscoreContexts, ServerContext } from './oscore-contexts.ts'
import { OscorePeer } from './oscore-peer.ts'
import { OscorePlaces } from './oscore-places.ts'
import type { Response } from './resource.ts'
import { AMPLIFICATION } from './unreliable-peer.ts'

export interface OscoreFrontParts {
  readonly dispatcher: Dispatcher
  readonly contexts: OscoreContexts
  /** The session of this peer goes on from another network address, which the policy may ask for. */
  readonly moved: (peer: OscorePeer) => void
  readonly clock: Clock
  readonly random: Random
  readonly counters: Pick<MessageCounters, 'oscore'>
  readonly log: Log
  readonly limits: CoapLimits
}

const REGISTER = 0
const NOTHING: Buffer = Buffer.alloc(0)

/** RFC 8613 8.2: unprotected, not to be cached, and as much as it says there. */
const refusal = (code: number, text: string): Response => ({
  code,
  options: [{ number: OPTION.MaxAge, value: NOTHING }],
  payload: Buffer.from(text),
})
const NOT_DECODED = refusal(CODE.BadOption, 'Failed to decode COSE')
const NOT_FOUND = refusal(CODE.Unauthorized, 'Security context not found')
const REPLAYED = refusal(CODE.Unauthorized, 'Replay detected')
const NOT_DECRYPTED = refusal(CODE.BadRequest, 'Decryption failed')
const NOT_NOW: Response = { code: CODE.ServiceUnavailable }

export class OscoreFront {
  readonly #parts: OscoreFrontParts
  readonly #echo: EchoGuard
  readonly #exhausted = new WeakSet<ServerContext>()
  readonly #places = new OscorePlaces()
  #peers = 0

  constructor(parts: OscoreFrontParts) {
    this.#parts = parts
    this.#echo = new EchoGuard(parts.random, parts.clock, parts.limits.echoLifetime)
  }

  /** The request bears the OSCORE option. What is promised is never rejected. */
  answer(message: CoapMessage, outer: Asker): Response | Promise<Response> {
    const option = decodeOscoreOption(optionOf(message, OPTION.OSCORE) ?? NOTHING)
    // RFC 8613 2: without a payload there is nothing that could be protected.
    if (option === null || !isRequestOption(option) || message.payload.length === 0)
      return this.#refuse('malformed', NOT_DECODED)
    const context = this.#parts.contexts.find(option.kid, option.kidContext)
    if (context === null || this.#isExhausted(context)) return this.#refuse('unknown', NOT_FOUND)
    const verified = verifyRequest(context.keys, message, option)
    if (verified === null) return this.#refuse('undecryptable', NOT_DECRYPTED)
    this.#parts.contexts.used(context)
    if (!context.isOpen) return this.#open(context, verified, message, outer)
    return this.#accept(context, verified, message, outer)
  }

  async #open(
    context: ServerContext,
    verified: VerifiedRequest,
    message: CoapMessage,
    outer: Asker,
  ): Promise<Response> {
    try {
      context.opening ??= context.sequence.open()
      const past = await context.opening
      if (!context.isOpen && past === 'unused') context.window = new ReplayWindow()
      context.isOpen = true
      context.opening = null
      if (this.#isExhausted(context)) return this.#refuse('unknown', NOT_FOUND)
      return await this.#accept(context, verified, message, outer)
    } catch (error) {
      this.#parts.log.error({ failure: asFailure(error).code }, 'an OSCORE context could not be opened')
      this.#parts.contexts.forget(context)
      return NOT_NOW
    }
  }

  /** RFC 8613 7.4: only what was verified is looked up among what has been seen, and so strangers learn nothing of it. */
  #accept(
    context: ServerContext,
    verified: VerifiedRequest,
    message: CoapMessage,
    outer: Asker,
  ): Response | Promise<Response> {
    const { binding, sequence } = verified
    const shows = this.#showsEcho(context, verified.message, outer)
    if (context.window === null) {
      // RFC 8613 B.1.2: from here on what came before it counts as seen.
      if (!shows) return this.#challengeUnseen(context, binding, outer)
      context.window = new ReplayWindow(sequence)
    } else if (!context.window.accept(sequence)) return this.#refuse('replayed', REPLAYED)
    if (shows) outer.prove()
    const peer = this.#peerAt(context, outer)
    if (peer === null) return this.#challenge(context, binding, outer, null)
    this.#count('served')
    return this.#serve(context, verified, peer, encodedBytes(message))
  }

  // --- from where --------------------------------------------------------------------------------------------------

  /**
   * null: notifications would go where nobody has shown to receive. Whoever takes a request on its way and sends it from
   * somewhere else gets its answer there, and nothing more.
   */
  #peerAt(context: ServerContext, outer: Asker): OscorePeer | null {
    const { contexts, dispatcher, limits, log } = this.#parts
    const known = context.peer
    const sameKind = known?.endpoint.transport === outer.endpoint.transport
    if (known !== null && !known.isGone && sameKind) {
      if (known.isAt(outer)) return known
      if (known.isObserving && !outer.proved) return null
      const address = known.endpoint.address
      known.moveTo(outer)
      if (known.endpoint.address !== address) this.#parts.moved(known)
      return known
    }
    known?.gone()
    this.#peers += 1
    const peer: OscorePeer = new OscorePeer(outer, {
      context,
      number: this.#peers,
      places: this.#places,
      largestBlock: dispatcher.largestBlock,
      outgoingQueue: limits.outgoingQueue,
      log,
      used: () => contexts.used(context),
      closed: () => {
        if (context.peer === peer) contexts.left(context)
        else peer.gone()
      },
    })
    context.peer = peer
    return peer
  }

  // --- Echo (RFC 9175 2.3) -----------------------------------------------------------------------------------------

  /** Bound to address and context, and to how long that is remembered: what was shown before that is worth nothing. */
  #freshness({ instance }: ServerContext, outer: Asker): string {
    return `${instance} ${outer.name}`
  }

  #showsEcho(context: ServerContext, request: CoapMessage, outer: Asker): boolean {
    const echo = optionOf(request, OPTION.Echo)
    return echo !== null && this.#echo.accepts(echo, this.#freshness(context, outer))
  }

  /** A request that may be a replay has had its answer: under its nonce nothing else may ever be sent. */
  #challengeUnseen(context: ServerContext, binding: RequestBinding, outer: Asker): Response | Promise<Response> {
    const sequence = context.sequence.take()
    if (sequence !== null) return this.#challenge(context, binding, outer, sequence)
    return context.sequence.reserve().then(
      () => {
        const reserved = context.sequence.take()
        return reserved === null ? NOT_NOW : this.#challenge(context, binding, outer, reserved)
      },
      () => NOT_NOW,
    )
  }

  #challenge(context: ServerContext, binding: RequestBinding, outer: Asker, sequence: number | null): Response {
    this.#count('challenged')
    const value = this.#echo.valueFor(this.#freshness(context, outer))
    const response = { code: CODE.Unauthorized, options: [{ number: OPTION.Echo, value }] }
    return protectedResponse(context, binding, response, sequence)
  }

  // --- the request itself ------------------------------------------------------------------------------------------

  #serve(
    context: ServerContext,
    { message, binding }: VerifiedRequest,
    peer: OscorePeer,
    size: number,
  ): Response | Promise<Response> {
    const answer = this.#parts.dispatcher.answer(message, peer)
    const leave = (response: Response) => this.#leave(context, message, binding, peer, size, response)
    return answer instanceof Promise ? answer.then(leave) : leave(answer)
  }

  #leave(
    context: ServerContext,
    request: CoapMessage,
    binding: RequestBinding,
    peer: OscorePeer,
    size: number,
    response: Response,
  ): Response {
    const { dispatcher, log } = this.#parts
    if (response === REJECTED) return REJECTED
    this.#follow(request, binding, peer, response)
    if (dispatcher.isUnwanted(request, response)) return UNWANTED
    // What leaves is bounded before it is sealed: its nonce is good for one response.
    const tooMuch = !peer.proved && protectedBytes(request, response) >= AMPLIFICATION * size
    const leaving = tooMuch ? dispatcher.shortened(request, response, peer) : response
    try {
      return protectedResponse(context, binding, leaving, null)
    } catch (error) {
      // Nothing was sealed: it is what goes inside that could not be encoded.
      log.error({ cause: printable(String(error)) }, 'a CoAP answer could not be encoded')
      return protectedResponse(context, binding, { code: CODE.InternalServerError }, null)
    }
  }

  #follow(request: CoapMessage, binding: RequestBinding, peer: OscorePeer, response: Response): void {
    const value = optionOf(request, OPTION.Observe)
    if (value === null) return
    if (hasObserve(response.options)) peer.observes(request.token, binding)
    else if (uintOf(value) !== REGISTER) peer.ignores(request.token)
  }

  /** RFC 8613 7.2.1: nothing is processed any more, and only a new context helps. */
  #isExhausted(context: ServerContext): boolean {
    if (!context.isOpen || !context.sequence.isExhausted) return false
    if (!this.#exhausted.has(context)) {
      this.#exhausted.add(context)
      const advice = 'rotate it with `latchkey credential rotate`'
      this.#parts.log.error({ credential: context.id, advice }, 'an OSCORE context has no sequence numbers left')
      context.peer?.gone()
    }
    return true
  }

  #refuse(result: OscoreResult, response: Response): Response {
    this.#count(result)
    return response
  }

  #count(result: OscoreResult): void {
    this.#parts.counters.oscore(result)
  }
}

const hasObserve = (options: readonly CoapOption[] = []): boolean =>
  options.some(({ number }) => number === OPTION.Observe)

function protectedResponse(
  { keys }: ServerContext,
  binding: RequestBinding,
  { code, options = [], payload = NOTHING }: Response,
  sequence: number | null,
): Response {
  // Of a message the response has but these three: the others are the business of whoever sends it.
  const plain = { type: 0, messageId: 0, token: NOTHING, code, options, payload } as const
  const {
    code: outerCode,
    options: outerOptions,
    payload: ciphertext,
  } = protectResponse(keys, plain, binding, sequence)
  return { code: outerCode, options: outerOptions, payload: ciphertext }
}

/** At most; header, token, OSCORE option without a value, outer Observe, marker, inner code, tag. */
const protectedBytes = ({ token }: CoapMessage, { options = [], payload = NOTHING }: Response): number =>
  4 + token.length + 1 + 5 + 1 + 1 + bodyBytes({ options, payload }) + TAG_BYTES
