// OSCORE between a CoAP client and its socket: datagrams go in plain and leave protected, and the other way round. Any client
// that lets somebody stand there, and knows nothing of OSCORE, speaks it so.
import { isRequest, isResponse } from './codes.ts'
import { decode, isMalformed } from './decode.ts'
import { encode } from './encode.ts'
import { type CoapMessage, TYPE } from './message.ts'
import { OPTION, optionOf, uintOf } from './options.ts'
import type { OscoreContext, OscoreExchange, OscoreRefusal } from './oscore-client.ts'

/** What came, as the client is to see it. */
export interface Arrived {
  readonly bytes: Buffer
  /** False for what anybody could have sent: errors of a server that could not read a request, acknowledgements, resets. */
  readonly isProtected: boolean
}

/** Requests and responses that are known again by message id, requests that are still answered, and observations. */
const REMEMBERED = 64
/** Of Observe in a request (RFC 7641 2). */
const REGISTER = 0

type Exchanges = Map<string, readonly OscoreExchange[]>

interface Sent {
  readonly plain: Buffer
  readonly bytes: Buffer
}

interface Received {
  readonly bytes: Buffer
  readonly arrived: Arrived
}

export class OscoreDatagrams {
  readonly #context: OscoreContext
  /** By message id: a repetition must be the same bytes, or it would be another request. */
  readonly #sent = new Map<number, Sent>()
  readonly #received = new Map<number, Received>()
  /** By token; the newest first, so that what was under way is still read when its token is used again. */
  readonly #exchanges: Exchanges = new Map()
  /** Registrations stand apart: others come and go while an observation lasts, and it can be cancelled by its token. */
  readonly #observations: Exchanges = new Map()

  constructor(context: OscoreContext) {
    this.#context = context
  }

  /** What to send in place of these bytes. Requests alone are protected. */
  protect(plain: Buffer): Buffer {
    const message = decode(plain)
    if (message === null || isMalformed(message) || !isRequest(message.code)) return plain
    const known = this.#sent.get(message.messageId)
    if (known?.plain.equals(plain)) return known.bytes
    const exchange = this.#context.protectRequest(message)
    const observe = optionOf(message, OPTION.Observe)
    const registers = observe !== null && uintOf(observe) === REGISTER
    const exchanges = registers ? this.#observations : this.#exchanges
    const key = message.token.toString('hex')
    const [before] = exchanges.get(key) ?? []
    remember(exchanges, key, before === undefined ? [exchange] : [exchange, before])
    const bytes = encode(exchange.message)
    // Copied: the client may use its buffer again.
    remember(this.#sent, message.messageId, { plain: Buffer.from(plain), bytes })
    return bytes
  }

  /** What the client is to read in place of these bytes; a refusal is to be passed over. */
  unprotect(bytes: Buffer): Arrived | OscoreRefusal {
    const message = decode(bytes)
    const plain = { bytes, isProtected: false }
    if (message === null || isMalformed(message) || !isResponse(message.code)) return plain
    if (optionOf(message, OPTION.OSCORE) === null) return plain
    const known = this.#received.get(message.messageId)
    // Its acknowledgement was lost: the client knows it again.
    if (message.type === TYPE.CON && known?.bytes.equals(bytes)) return known.arrived
    const inner = this.#read(message)
    if (inner === null) return plain // nobody asks for it, and the client rejects it (RFC 7252 4.2)
    if (typeof inner === 'string') return inner
    const arrived = { bytes: encode(inner), isProtected: true }
    remember(this.#received, message.messageId, { bytes: Buffer.from(bytes), arrived })
    return arrived
  }

  /** null: its token is that of no request. */
  #read(message: CoapMessage): CoapMessage | OscoreRefusal | null {
    const key = message.token.toString('hex')
    const exchanges = [...(this.#exchanges.get(key) ?? []), ...(this.#observations.get(key) ?? [])]
    if (exchanges.length === 0) return null
    for (const exchange of exchanges) {
      const inner = this.#context.unprotectResponse(message, exchange)
      if (inner !== 'unverified') return inner
    }
    return 'unverified'
  }
}

function remember<K, V>(map: Map<K, V>, key: K, value: V): void {
  map.delete(key)
  map.set(key, value)
  const [oldest] = map.keys()
  if (map.size > REMEMBERED && oldest !== undefined) map.delete(oldest)
}
