// Block-wise transfer on the client's side (RFC 7959), written from its text: one request for each block, each under a token
// of its own.
import { CODE, codeText } from '../../src/coap-wire/codes.ts'
import type { CoapMessage, CoapOption } from '../../src/coap-wire/message.ts'
import { OPTION, optionOf, uintOf, uintValue } from '../../src/coap-wire/options.ts'
import type { CoapClient, RequestOptions } from './coap-wire.ts'

export interface Block {
  readonly number: number
  readonly more: boolean
  readonly sizeExponent: number
}

/** Block1 or Block2 (RFC 7959 2.2). */
export const blockOption = (option: number, { number, more, sizeExponent }: Block): CoapOption => ({
  number: option,
  value: uintValue(number * 16 + (more ? 8 : 0) + sizeExponent),
})

export function blockIn(message: CoapMessage, option: number): Block | null {
  const value = optionOf(message, option)
  if (value === null) return null
  const n = uintOf(value)
  return { number: Math.floor(n / 16), more: (n & 8) !== 0, sizeExponent: n & 7 }
}

/** `0/1/1024` as the figures of RFC 7959 have it; null without the option. */
export function shownBlock(message: CoapMessage, option: number): string | null {
  const block = blockIn(message, option)
  return block && `${block.number}/${block.more ? 1 : 0}/${2 ** (block.sizeExponent + 4)}`
}

/** Sends a body in blocks; resolves with the answer that ends it, be it the one to the last block or an error before. */
export async function sendBlocks(
  client: CoapClient,
  asked: RequestOptions,
  body: Buffer,
  sizeExponent = 6,
): Promise<CoapMessage> {
  let exponent = sizeExponent
  for (let at = 0; ; ) {
    const size = 2 ** (exponent + 4)
    const more = at + size < body.length
    const block = blockOption(OPTION.Block1, { number: at / size, more, sizeExponent: exponent })
    const options = [...(asked.options ?? []), block]
    const answer = await client.request({ ...asked, options, payload: body.subarray(at, at + size) })
    if (!more || answer.code !== CODE.Continue) return answer
    at += size
    exponent = Math.min(exponent, blockIn(answer, OPTION.Block1)?.sizeExponent ?? exponent)
  }
}

/** What follows a first block: the whole body. Throws when a block is refused, or of another representation. */
export async function fetchRest(client: CoapClient, first: CoapMessage, asked: RequestOptions): Promise<Buffer> {
  const parts = [first.payload]
  const etag = optionOf(first, OPTION.ETag)
  let length = first.payload.length
  for (let block = blockIn(first, OPTION.Block2); block?.more === true; ) {
    const size = 2 ** (block.sizeExponent + 4)
    const wanted = blockOption(OPTION.Block2, { ...block, number: length / size, more: false })
    const answer = await client.request({ ...asked, options: [...(asked.options ?? []), wanted] })
    block = blockIn(answer, OPTION.Block2)
    if (answer.code >= CODE.BadRequest || block === null)
      throw new Error(`block ${length / size}: ${codeText(answer.code)}`)
    const other = optionOf(answer, OPTION.ETag)
    if (etag !== null && other?.equals(etag) !== true) throw new Error('the representation has changed meanwhile')
    parts.push(answer.payload)
    length += answer.payload.length
  }
  return Buffer.concat(parts)
}
