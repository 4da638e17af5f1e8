// From a request to an answer (RFC 7252 5): whatever the endpoint, and without knowing message ids.
import { CODE, codeClass, codeOf } from '../coap-wire/codes.ts'
import { type CoapMessage, type CoapOption, TYPE } from '../coap-wire/message.ts'
import { OPTION, optionOf, recogniseOptions, uintOf, uintValue } from '../coap-wire/options.ts'
import type { Clock, Random } from '../model/clock.ts'
import { asFailure, Failure } from '../model/failure.ts'
import type { Log } from '../model/log.ts'
import type { Meter } from '../model/meter.ts'
import { printable } from '../model/printable.ts'
import { BlockWise } from './block-wise.ts'
import { isPart } from './block1.ts'
import type { Block } from './block2.ts'
import { EchoGuard } from './echo.ts'
import type { CoapTransport } from './endpoint.ts'
import { type IncomingRequest, readRequest } from './incoming-request.ts'
import type { CoapLimits } from './limits.ts'
import type { Peer, Resource, Response } from './resource.ts'

/** A peer as far as its address matters. */
export interface Asker extends Peer {
  /** Address and port. */
  readonly name: string
  readonly proved: boolean
}

export interface DispatcherParts {
  readonly resources: readonly Resource[]
  readonly clock: Clock
  readonly random: Random
  readonly meter: Meter
  readonly log: Log
  readonly limits: CoapLimits
}

/** No answer: the message is to be rejected (RFC 7252 4.3). */
export const REJECTED: Response = { code: CODE.Empty }

/** No answer: the client has said inside that it does not care. */
export const UNWANTED: Response = { code: CODE.Empty }

/** Takes requests that bear the OSCORE option. Never throws, and what it promises is never rejected. */
export interface OscoreRequests {
  answer(message: CoapMessage, peer: Asker): Response | Promise<Response>
}

/** What is read here or by resources. The critical ones among the others get 4.02. */
const UNDERSTOOD: ReadonlySet<number> = new Set([
  OPTION.IfMatch,
  OPTION.UriHost,
  OPTION.ETag,
  OPTION.IfNoneMatch,
  OPTION.Observe,
  OPTION.UriPort,
  OPTION.UriPath,
  OPTION.ContentFormat,
  OPTION.MaxAge,
  OPTION.UriQuery,
  OPTION.Accept,
  OPTION.Block2,
  OPTION.Block1,
  OPTION.Size2,
  OPTION.Size1,
  OPTION.ProxyUri,
  OPTION.ProxyScheme,
  OPTION.Echo,
  OPTION.NoResponse,
  OPTION.RequestTag,
])
/** RFC 7252 5.8, RFC 8132. */
const LAST_METHOD = CODE.iPATCH
/** Seconds after which somebody who was told to wait may come back. */
const RETRY_AFTER = { '4.29': 1, '5.03': 5 }

export class Dispatcher {
  readonly largestBlock: number
  readonly tooManyRequests: Response
  readonly #resources: readonly Resource[]
  readonly #echo: EchoGuard
  readonly #blockWise: BlockWise
  readonly #log: Log
  readonly #limits: CoapLimits
  /** Without it OSCORE is a critical option that is not understood. */
  #oscore: OscoreRequests | null = null
  readonly #oscoreOnly = new Set<string>()

  constructor({ resources, clock, random, meter, log, limits }: DispatcherParts) {
    // The longest path that fits is the one that answers.
    this.#resources = [...resources].sort((one, other) => other.path.length - one.path.length)
    this.#echo = new EchoGuard(random, clock, limits.echoLifetime)
    this.#log = log
    this.#limits = limits
    this.#blockWise = new BlockWise(limits, clock, meter)
    this.largestBlock = this.#blockWise.largest
    this.tooManyRequests = this.#refusal(new Failure('throttled'))
  }

  /** Never throws, and what it promises is never rejected. */
  answer(message: CoapMessage, peer: Asker): Response | Promise<Response> {
    try {
      if (this.#oscore !== null && optionOf(message, OPTION.OSCORE) !== null) return this.#oscore.answer(message, peer)
      const { transport, shown } = peer.endpoint
      if (this.#oscoreOnly.has(transport) && shown.oscore === undefined) throw new Failure('oscore-required')
      return this.#answer(message, peer)
    } catch (error) {
      return this.#refusal(error)
    }
  }

  serveOscore(oscore: OscoreRequests): void {
    this.#oscore = oscore
  }

  /** What comes unprotected over this transport is turned away from now on. */
  requireOscore(transport: CoapTransport): void {
    this.#oscoreOnly.add(transport)
  }

  /** The answer to a datagram longer than may be: in blocks it might do. */
  tooLarge(): Response {
    return this.#blockWise.tooLarge(this.#limits.bodyBytes, true)
  }

  /** Gives up block-wise transfers that nobody goes on with. */
  sweep(): void {
    this.#blockWise.sweep()
  }

  /** The client has said that it does not care (RFC 7967); without 2.31 it could not go on. */
  isUnwanted(message: CoapMessage, response: Response): boolean {
    if (response === UNWANTED) return true
    if (response.code === CODE.Continue) return false
    // RFC 8613 8.2: what counts is inside, and has been looked at there.
    if (this.#oscore !== null && optionOf(message, OPTION.OSCORE) !== null) return false
    const value = optionOf(message, OPTION.NoResponse)
    return value !== null && value.length === 1 && (uintOf(value) & (1 << (codeClass(response.code) - 1))) !== 0
  }

  /**
   * What a peer who may not be where it says is sent instead of an answer that is much longer than its request: nothing
   * was altered by GET or FETCH, so it is asked to prove its address and to come again; for others the code must do, and
   * errors lose their text.
   */
  shortened(request: CoapMessage, { code, options = [] }: Response, peer: Asker): Response {
    if (codeClass(code) > 2) return { code, options }
    return isSafe(request.code) ? this.#demandEcho(peer) : { code }
  }

  // RFC 7252 5: in this order, and the first that fails answers.
  #answer(message: CoapMessage, peer: Asker): Response | Promise<Response> {
    const { options, refused } = recogniseOptions(message.options, UNDERSTOOD)
    // RFC 7252 5.4.1: only a confirmable request can be told.
    if (refused !== null) return message.type === TYPE.NON ? REJECTED : this.#refuseOption(refused)
    const request = readRequest(options === message.options ? message : { ...message, options }, peer)
    if (isForProxy(options)) return { code: CODE.ProxyingNotSupported }
    const resource = this.#resourceAt(request.path, request.method)
    if (!resource.methods.has(request.method)) throw new Failure('method-not-allowed')
    // RFC 7641 2: other values than these two, and other methods than GET, are as if without. So are later blocks.
    if (request.observe !== null && (request.observe > 1 || request.method !== CODE.GET || isLaterBlock(request)))
      request.observe = null
    if (!this.#isProved(request, peer) && needsProof(request, resource)) return this.#demandEcho(peer)
    const { block1, block2, method } = request
    if (block1 !== null && isPart(block1)) return this.#takeBlock(request, block1, resource)
    if (block2 !== null && block2.number > 0 && method !== CODE.GET) return this.#blockWise.goOn(request, block2)
    // What comes in one piece is bounded by the datagram; a stream has frames of its own size.
    const most = peer.endpoint.reliable ? this.#blockWise.largestBody(resource) : this.#limits.payloadBytes
    if (request.payload.length > most) return this.#blockWise.tooLarge(this.#blockWise.largestBody(resource), true)
    return this.#handle(request, resource)
  }

  #handle(request: IncomingRequest, resource: Resource): Response | Promise<Response> {
    const answer = resource.handle(request)
    if (answer instanceof Promise) return this.#later(request, answer)
    return this.#cut(request, answer)
  }

  /** RFC 7959 2.5. */
  #takeBlock(request: IncomingRequest, block: Block, resource: Resource): Response | Promise<Response> {
    const allowed = this.#blockWise.begins(request) ? resource.admit?.(request) : undefined
    if (allowed instanceof Promise) return this.#takeLater(request, block, resource, allowed)
    return this.#takeAllowed(request, block, resource)
  }

  async #takeLater(
    request: IncomingRequest,
    block: Block,
    resource: Resource,
    allowed: Promise<void>,
  ): Promise<Response> {
    try {
      await allowed
      return await this.#takeAllowed(request, block, resource)
    } catch (error) {
      return this.#refusal(error)
    }
  }

  #takeAllowed(request: IncomingRequest, block: Block, resource: Resource): Response | Promise<Response> {
    const taken = this.#blockWise.take(request, block, resource)
    return Buffer.isBuffer(taken) ? this.#handle({ ...request, payload: taken }, resource) : taken
  }

  async #later(request: IncomingRequest, answer: Promise<Response>): Promise<Response> {
    try {
      return this.#cut(request, await answer)
    } catch (error) {
      return this.#blockWise.acknowledging(request.block1, this.#refusal(error))
    }
  }

  #cut(request: IncomingRequest, response: Response): Response {
    const { peer, method, block1 } = request
    // Nobody has been shown to fetch the rest, nor anything been altered.
    if (!peer.proved && method === CODE.FETCH && this.#blockWise.isLong(response)) return this.#demandEcho(peer)
    return this.#blockWise.acknowledging(block1, this.#blockWise.cut(request, response))
  }

  #resourceAt(path: readonly string[], method: number): Resource {
    for (const resource of this.#resources) if (isBelow(path, resource.path)) return resource
    throw new Failure(method > LAST_METHOD ? 'method-not-allowed' : 'not-found')
  }

  #isProved({ echo }: IncomingRequest, peer: Asker): boolean {
    if (peer.proved) return true
    if (echo === null || !this.#echo.accepts(echo, peer.name)) return false
    peer.prove()
    return true
  }

  /** RFC 9175 2.4. */
  #demandEcho(peer: Asker): Response {
    return { code: CODE.Unauthorized, options: [{ number: OPTION.Echo, value: this.#echo.valueFor(peer.name) }] }
  }

  #refuseOption(number: number): Response {
    return this.#refusal(new Failure('option-unknown', `the critical option ${number} is not served, or not like this`))
  }

  /** Strangers read no more than the catalogue lets them. */
  #refusal(error: unknown): Response {
    const failure = asFailure(error)
    if (failure.code === 'internal')
      this.#log.error({ cause: printable(failure.stack ?? failure.message, 2000) }, 'a CoAP request failed')
    const { coap, stranger } = failure.row
    const options: CoapOption[] = []
    if (coap === '4.29' || coap === '5.03') options.push({ number: OPTION.MaxAge, value: uintValue(RETRY_AFTER[coap]) })
    if (coap === '4.13') options.push({ number: OPTION.Size1, value: uintValue(this.#limits.payloadBytes) })
    return { code: codeOf(coap), options, payload: Buffer.from(stranger) }
  }
}

const isLaterBlock = ({ block2 }: IncomingRequest): boolean => block2 !== null && block2.number > 0

/** RFC 9175 2.4: what would let a stranger have others flooded, or fill our memory. */
const needsProof = (request: IncomingRequest, resource: Resource): boolean =>
  request.observe === 0 ||
  isLaterBlock(request) ||
  (request.block1 !== null && isPart(request.block1)) ||
  resource.needsProvedAddress === true

/** Nothing was altered by it (RFC 7252 5.1, RFC 8132 2). */
const isSafe = (method: number): boolean => method === CODE.GET || method === CODE.FETCH

const isForProxy = (options: readonly CoapOption[]): boolean =>
  options.some(({ number }) => number === OPTION.ProxyUri || number === OPTION.ProxyScheme)

function isBelow(path: readonly string[], above: readonly string[]): boolean {
  if (path.length < above.length) return false
  for (let i = 0; i < above.length; i++) if (path[i] !== above[i]) return false
  return true
}
