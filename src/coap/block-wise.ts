// Block-wise transfer on our side (RFC 7959): resources see whole requests and give whole answers.
import { CODE } from '../coap-wire/codes.ts'
import type { CoapOption } from '../coap-wire/message.ts'
import { OPTION, optionOf, uintOf, uintValue } from '../coap-wire/options.ts'
import type { Clock } from '../model/clock.ts'
import { Failure } from '../model/failure.ts'
import type { Meter } from '../model/meter.ts'
import { termsFor } from './block-terms.ts'
import { Assembly, BERT, checkLength, offsetOf, operationKey } from './block1.ts'
import { type Block, blockOfAnswer, blockValue, needsBlocks, sizeExponentOf, withOptions } from './block2.ts'
import type { IncomingRequest } from './incoming-request.ts'
import type { CoapLimits } from './limits.ts'
import type { Resource, Response } from './resource.ts'
import { Transfers } from './transfers.ts'

/** An answer to be fetched block by block. */
class KeptAnswer {
  readonly response: Response
  readonly bytes: number

  constructor(response: Response) {
    this.response = response
    this.bytes = response.payload?.length ?? 0
  }
}

export class BlockWise {
  readonly largest: number
  readonly #limits: CoapLimits
  readonly #clock: Clock
  readonly #transfers: Transfers<Assembly | KeptAnswer>

  constructor(limits: CoapLimits, clock: Clock, meter: Meter) {
    this.#limits = limits
    this.#clock = clock
    this.largest = sizeExponentOf(limits.blockSize)
    this.#transfers = new Transfers(limits, reason => meter.count('latchkey_coap_transfers_given_up_total', { reason }))
    meter.gauge('latchkey_coap_transfers', 'CoAP block-wise transfers under way.', () => this.#transfers.size)
    meter.gauge('latchkey_coap_transfer_bytes', 'Bytes that they hold.', () => this.#transfers.bytes)
  }

  /** Gives up transfers that nobody goes on with. */
  sweep(): void {
    this.#transfers.sweep(this.#clock.now())
  }

  // --- Block1 -------------------------------------------------------------------------------------------------------------

  /** Whether its first block would begin a transfer: the resource is asked before anything of it is kept. */
  begins({ peer, method, options }: IncomingRequest): boolean {
    return this.#transfers.get(peer, operationKey(method, options), this.#clock.now()) === null
  }

  /**
   * Takes a block: the whole body when it was the last, otherwise what the client is told. Throws `invalid-input` for a
   * block of a wrong length, and `blocks-missing` when there is a gap before it.
   */
  take(request: IncomingRequest, block: Block, resource: Resource): Buffer | Response {
    const { peer, method, options, payload } = request
    checkLength(block, payload)
    const key = operationKey(method, options)
    const now = this.#clock.now()
    const offset = offsetOf(block)
    const end = offset + payload.length
    const most = this.largestBody(resource)
    if (end > most || announcedIn(options) > most) {
      this.#transfers.delete(peer, key)
      return this.tooLarge(most)
    }
    const known = this.#transfers.get(peer, key, now)
    const assembly = known instanceof Assembly ? known : new Assembly()
    if (!assembly.put(offset, payload))
      throw new Failure(
        'blocks-missing',
        `Block ${block.number} begins at byte ${offset}, and ${assembly.length} have come: begin with block 0.`,
      )
    if (!block.more) {
      this.#transfers.delete(peer, key)
      return assembly.whole(end)
    }
    this.#transfers.put(peer, key, assembly, now)
    return { code: CODE.Continue, options: [this.#acknowledged(block)] }
  }

  /** Bytes of the longest body that a resource takes in blocks. */
  largestBody({ bodyBytes }: Resource): number {
    return bodyBytes ?? this.#limits.payloadBytes
  }

  /** RFC 7959 2.9.3. `inBlocks`: in blocks it might do. */
  tooLarge(most: number, inBlocks = false): Response {
    const size = { number: OPTION.Size1, value: uintValue(most) }
    const hint = { number: 0, more: false, sizeExponent: this.largest }
    const options = inBlocks ? [{ number: OPTION.Block1, value: blockValue(hint) }, size] : [size]
    return { code: CODE.RequestEntityTooLarge, options }
  }

  /** An answer to the last block says so (RFC 7959 2.3). */
  acknowledging(block: Block | null, response: Response): Response {
    if (block === null || response.options?.some(({ number }) => number === OPTION.Block1)) return response
    return { ...response, options: withOptions(response.options ?? [], [this.#acknowledged(block)]) }
  }

  /** A smaller size than the client's asks it to go on with that (RFC 7959 2.3). */
  #acknowledged({ number, more, sizeExponent }: Block): CoapOption {
    const kept = sizeExponent === BERT ? BERT : Math.min(sizeExponent, this.largest)
    const value = blockValue({ number, more, sizeExponent: kept })
    return { number: OPTION.Block1, value }
  }

  // --- Block2 -------------------------------------------------------------------------------------------------------------

  /** Whether the answer is too long for a datagram of ours. */
  isLong(response: Response): boolean {
    return needsBlocks(response, this.largest)
  }

  /**
   * The block of an answer that was asked for. GET is asked again for each; what anything else has brought about happens
   * once, so its answer is kept until it has been fetched (RFC 7959 2.7).
   */
  cut(request: IncomingRequest, response: Response): Response {
    const { peer, method, options, block2 } = request
    const { largest, room } = termsFor(peer.endpoint, this.largest)
    const block = blockOfAnswer(response, block2, largest, room)
    if (method !== CODE.GET && block !== response && (block.payload?.length ?? 0) < (response.payload?.length ?? 0))
      this.#transfers.put(peer, answerKey(method, options), new KeptAnswer(response), this.#clock.now())
    return block
  }

  /**
   * A later block of an answer to anything but GET. Throws `blocks-missing` when the answer is not kept any more, and
   * `invalid-input` for a block beyond its end.
   */
  goOn({ peer, method, options }: IncomingRequest, asked: Block): Response {
    const key = answerKey(method, options)
    const now = this.#clock.now()
    const kept = this.#transfers.get(peer, key, now)
    if (!(kept instanceof KeptAnswer))
      throw new Failure('blocks-missing', 'The answer is not kept any more; send the request anew.')
    const { largest, room } = termsFor(peer.endpoint, this.largest)
    const block = blockOfAnswer(kept.response, asked, largest, room)
    this.#transfers.put(peer, key, kept, now)
    return block
  }
}

/** Beside that of a body which comes under the same options. */
const answerKey = (method: number, options: readonly CoapOption[]): string => `answer ${operationKey(method, options)}`

/** Size1 in a request: how long the body will be (RFC 7959 4). */
function announcedIn(options: readonly CoapOption[]): number {
  const size = optionOf({ options }, OPTION.Size1)
  return size === null ? 0 : uintOf(size)
}
