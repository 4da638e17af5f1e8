// Block-wise answers (RFC 7959 2.4), without state: every block is cut from a representation made afresh.
import { createHash } from 'node:crypto'
import { CODE, codeClass } from '../coap-wire/codes.ts'
import type { CoapOption } from '../coap-wire/message.ts'
import { OPTION, uintOf, uintValue } from '../coap-wire/options.ts'
import { Failure } from '../model/failure.ts'
import type { Notification, Response } from './resource.ts'

/** RFC 7959 2.2: number of the block, whether more follow, and log2 of its size less 4. */
export interface Block {
  readonly number: number
  readonly more: boolean
  readonly sizeExponent: number
}

const ETAG_BYTES = 8
const NOTHING: Buffer = Buffer.alloc(0)

/** Throws `invalid-input` for the size exponent 7 (RFC 7959 2.2), unless BERT may come (RFC 8323 6). */
export function blockOf(value: Buffer, withBert = false): Block {
  const n = uintOf(value)
  const sizeExponent = n & 7
  if (sizeExponent === 7 && !withBert)
    throw new Failure('invalid-input', 'the Block option has the reserved size exponent 7; use one from 0 to 6')
  return { number: n >>> 4, more: (n & 8) !== 0, sizeExponent }
}

export const blockValue = ({ number, more, sizeExponent }: Block): Buffer =>
  uintValue(((number << 4) | (more ? 8 : 0) | sizeExponent) >>> 0)

/** The largest size exponent whose blocks are not longer than so many bytes. */
export const sizeExponentOf = (bytes: number): number => Math.min(Math.max(0, Math.floor(Math.log2(bytes)) - 4), 6)

/** Bytes of a block with this size exponent (RFC 7959 2.2); the unit of blocks with BERT (RFC 8323 6). */
export const blockBytes = (sizeExponent: number): number => 1 << (Math.min(sizeExponent, 6) + 4)

/**
 * The block asked for; the answer itself when it fits and no block was asked for. The client may want smaller blocks than
 * `largest`, never larger ones. `room`: bytes of payload that leave in one message, with BERT (RFC 8323 6) in one block.
 * Throws `invalid-input` for a block beyond the end.
 */
export function blockOfAnswer(
  response: Response,
  asked: Block | null,
  largest: number,
  room = blockBytes(largest),
): Response {
  if (!mayBeCut(response)) return response
  const { payload: whole = NOTHING } = response
  const sizeExponent = Math.min(asked?.sizeExponent ?? largest, largest)
  const size = blockBytes(sizeExponent)
  if (asked === null && whole.length <= room) return response
  // Of what was asked in larger blocks than ours only the first can be given: it tells the size to go on with.
  const number = asked?.number ?? 0
  if (asked !== null && blockBytes(asked.sizeExponent) > size && number > 0)
    throw new Failure('invalid-input', `blocks are at most ${size} bytes; ask for them in that size`)
  const start = number * size
  if (start > 0 && start >= whole.length)
    throw new Failure('invalid-input', `block ${number} lies beyond the end of the representation`)
  // A whole number of blocks of 1024 bytes at once.
  const length = sizeExponent === 7 ? Math.max(size, room - (room % size)) : size
  const more = start + length < whole.length
  const added: CoapOption[] = [{ number: OPTION.Block2, value: blockValue({ number, more, sizeExponent }) }]
  // RFC 7959 2.4: by the ETag a client sees that its blocks are of one representation.
  if (!response.options?.some(option => option.number === OPTION.ETag))
    added.push({ number: OPTION.ETag, value: shortHash(whole) })
  if (number === 0) added.push({ number: OPTION.Size2, value: uintValue(whole.length) })
  return {
    code: response.code,
    options: withOptions(response.options ?? [], added),
    payload: whole.subarray(start, start + length),
  }
}

/** Whether the answer is too long for one block of this size exponent, or for the room that there is. */
export const needsBlocks = (response: Response, sizeExponent: number, room = blockBytes(sizeExponent)): boolean =>
  mayBeCut(response) && (response.payload?.length ?? 0) > room

/**
 * What a request has brought about; diagnostics are short (RFC 7252 5.5.2). What is protected was cut before (RFC 8613
 * 4.1.3.4.1).
 */
const mayBeCut = ({ code, payload = NOTHING, options = [] }: Response): boolean =>
  (code === CODE.Content || (codeClass(code) === 2 && payload.length > 0)) &&
  !options.some(({ number }) => number === OPTION.OSCORE)

/** A notification as it leaves in datagrams: of one that is longer than a block, the first (RFC 7959 2.6). */
export function asNotified(notification: Notification, largest: number): Response {
  const sizeExponent = Math.min(notification.sizeExponent ?? largest, largest)
  return needsBlocks(notification, sizeExponent) ? blockOfAnswer(notification, null, sizeExponent) : notification
}

/** Both in ascending order of their numbers. */
export const withOptions = (options: readonly CoapOption[], added: readonly CoapOption[]): CoapOption[] =>
  [...options, ...added].sort((one, other) => one.number - other.number)

const shortHash = (bytes: Buffer): Buffer => createHash('sha256').update(bytes).digest().subarray(0, ETAG_BYTES)
