import type { CoapMessage } from '../coap-wire/message.ts'
import { TYPE } from '../coap-wire/message.ts'
import { OPTION, uintOf } from '../coap-wire/options.ts'
import { Failure } from '../model/failure.ts'
import { type Block, blockOf } from './block2.ts'
import type { Asker } from './dispatcher.ts'
import type { Request } from './resource.ts'

/** A request with what is the message layer's alone. */
export interface IncomingRequest extends Request {
  readonly peer: Asker
  observe: number | null
  readonly block1: Block | null
  readonly echo: Buffer | null
  /** RFC 7967 2.1; 0: every answer is welcome. */
  readonly noResponse: number
}

const NO_QUERY: ReadonlyMap<string, string> = new Map()
const NO_PATH: readonly string[] = []

/**
 * Reads what the options say, in one pass. Throws `invalid-input` for a path or query that is not UTF-8 or holds NUL, and
 * for reserved block sizes.
 */
export function readRequest(message: CoapMessage, peer: Asker): IncomingRequest {
  let path: string[] | null = null
  let query: Map<string, string> | null = null
  let observe: number | null = null
  let contentFormat: number | null = null
  let accept: number | null = null
  let block1: Block | null = null
  let block2: Block | null = null
  let echo: Buffer | null = null
  let noResponse = 0
  const { options } = message
  for (let i = 0; i < options.length; i++) {
    const { number, value } = options[i]!
    switch (number) {
      case OPTION.UriPath:
        if (path === null) path = [textIn(value, 'Uri-Path')]
        else path.push(textIn(value, 'Uri-Path'))
        break
      case OPTION.UriQuery: {
        query ??= new Map()
        const text = textIn(value, 'Uri-Query')
        const at = text.indexOf('=')
        const name = at < 0 ? text : text.slice(0, at)
        if (!query.has(name)) query.set(name, at < 0 ? '' : text.slice(at + 1))
        break
      }
      case OPTION.Observe:
        observe = uintOf(value)
        break
      case OPTION.ContentFormat:
        contentFormat = uintOf(value)
        break
      case OPTION.Accept:
        accept = uintOf(value)
        break
      case OPTION.Block1:
        block1 = blockOf(value, peer.endpoint.reliable)
        break
      case OPTION.Block2:
        block2 = blockOf(value, peer.endpoint.reliable)
        break
      case OPTION.Echo:
        echo = value
        break
      case OPTION.NoResponse:
        noResponse = uintOf(value)
        break
    }
  }
  return {
    peer,
    method: message.code,
    confirmable: message.type === TYPE.CON,
    token: message.token,
    path: path ?? NO_PATH,
    query: query ?? NO_QUERY,
    observe,
    contentFormat,
    accept,
    options,
    payload: message.payload,
    block1,
    block2,
    echo,
    noResponse,
  }
}

/** RFC 3629; what cannot be read without a replacement character that was not sent is none. */
function textIn(value: Buffer, option: string): string {
  const text = value.toString('utf8')
  if (text.includes('\0')) throw new Failure('invalid-input', `a ${option} option holds NUL`)
  if (text.includes('\ufffd') && !Buffer.from(text).equals(value))
    throw new Failure('invalid-input', `a ${option} option is not UTF-8`)
  return text
}
