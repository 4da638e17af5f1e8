// A raw CoAP client for tests: it sends what it is told, valid or not, and keeps what comes back.
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { CODE, codeText, isResponse } from '../../src/coap-wire/codes.ts'
import { decode, isMalformed } from '../../src/coap-wire/decode.ts'
import { encode } from '../../src/coap-wire/encode.ts'
import { type CoapMessage, type CoapOption, type MessageType, TYPE } from '../../src/coap-wire/message.ts'
import { OPTION, optionOf, uintValue } from '../../src/coap-wire/options.ts'
import { CoapInbox, PATIENCE } from './coap-inbox.ts'

/** Confirmable message ids that are known again. */
const REMEMBERED = 256
const EMPTY = Buffer.alloc(0)

export interface RequestOptions {
  /** CON, unless said otherwise. */
  type?: MessageType
  /** GET, unless said otherwise. */
  code?: number
  /** Levels, one per Uri-Path; as a string they are parted by `/`. */
  path?: string | readonly string[]
  /** `name=value`, one per Uri-Query. */
  query?: readonly string[]
  observe?: number
  contentFormat?: number
  /** Beside those above, in any order. */
  options?: readonly CoapOption[]
  payload?: Buffer | string
  token?: Buffer
  messageId?: number
  /** Repeats the request with the Echo value of a 4.01 (RFC 9175 2.3), once; as the client does, unless said otherwise. */
  echo?: boolean
}

export interface ClientOptions {
  host?: string
  /** Own address and port; any, unless said otherwise. */
  bind?: { address?: string; port?: number }
  /** One that is bound already, in place of its own. */
  socket?: Socket
  echo?: boolean
}

/** What a client's datagrams travel in: UDP, or a DTLS session. */
export interface Carrier {
  send(bytes: Buffer): void
  /** Set once, at once. */
  onMessage(listener: (bytes: Buffer) => void): void
  close(): Promise<void>
}

/** What happens to confirmable notifications; those that are not are reset, or left alone. */
export type AckMode = 'auto' | 'none' | 'reset'

export class CoapClient {
  readonly #carrier: Carrier
  /** Everything that came, in its order; what is no CoAP message is in `datagrams` alone. */
  readonly received: CoapMessage[] = []
  readonly datagrams: Buffer[] = []
  /** What came and belongs to no request or observation. */
  readonly inbox = new CoapInbox()
  /** Acknowledges confirmable messages that belong to no observation. */
  acknowledges = true
  /** Milliseconds after which a confirmable request that nobody acknowledged is sent again. */
  retransmitAfter = 3_000
  readonly #echo: boolean
  readonly #pending = new Map<string, Pending>()
  readonly #observations = new Map<string, CoapObservation>()
  readonly #known: number[] = []
  #messageId = Math.floor(Math.random() * 0x10000)
  #token = Math.floor(Math.random() * 0x10000)

  /** `echo`: as for requests. */
  constructor(carrier: Carrier, echo = true) {
    this.#carrier = carrier
    this.#echo = echo
    carrier.onMessage(bytes => this.#received(bytes))
  }

  static async open(port: number, options: ClientOptions = {}): Promise<CoapClient> {
    const { host = '127.0.0.1', echo } = options
    const socket = options.socket ?? (await bound(host, options.bind))
    socket.on('error', () => {})
    const carrier: Carrier = {
      send: bytes => socket.send(bytes, port, host),
      onMessage: listener => socket.on('message', listener),
      async close() {
        socket.close()
        await once(socket, 'close')
      },
    }
    return new CoapClient(carrier, echo)
  }

  /** Whatever waits is rejected. */
  async close(): Promise<void> {
    for (const pending of this.#pending.values()) pending.fail('the client was closed')
    this.inbox.close()
    for (const observation of this.#observations.values()) observation.inbox.close()
    await this.#carrier.close()
  }

  // --- out --------------------------------------------------------------------------------------------------------------

  /** Sends bytes or a message as they are. */
  send(what: Buffer | CoapMessage): void {
    this.#carrier.send(Buffer.isBuffer(what) ? what : encode(what))
  }

  /** A request as `request` would send it. */
  compose(asked: RequestOptions): CoapMessage {
    const levels = typeof asked.path === 'string' ? asked.path.replace(/^\//, '').split('/') : (asked.path ?? [])
    const options = [
      ...levels.map(level => ({ number: OPTION.UriPath, value: Buffer.from(level) })),
      ...(asked.query ?? []).map(pair => ({ number: OPTION.UriQuery, value: Buffer.from(pair) })),
      ...(asked.observe === undefined ? [] : [{ number: OPTION.Observe, value: uintValue(asked.observe) }]),
      ...(asked.contentFormat === undefined
        ? []
        : [{ number: OPTION.ContentFormat, value: uintValue(asked.contentFormat) }]),
      ...(asked.options ?? []),
    ]
    return {
      type: asked.type ?? TYPE.CON,
      code: asked.code ?? CODE.GET,
      messageId: asked.messageId ?? this.messageId(),
      token: asked.token ?? this.token(),
      options: options.sort((a, b) => a.number - b.number),
      payload: Buffer.from(asked.payload ?? EMPTY),
    }
  }

  /** Resolves with the response, piggybacked or separate; rejects on a reset and when patience ends. */
  async request(asked: RequestOptions): Promise<CoapMessage> {
    return await this.#ask(asked, () => true)
  }

  /** Resolves with the answer to the registration; notifications after it come out of the observation. */
  async observe(asked: RequestOptions & { ack?: AckMode }): Promise<CoapObservation> {
    const token = asked.token ?? this.token()
    const observation = new CoapObservation(token, asked.ack ?? 'auto', async () => {
      const isAnswer = (message: CoapMessage) => optionOf(message, OPTION.Observe) === null
      return await this.#ask({ ...asked, token, observe: 1, messageId: this.messageId() }, isAnswer)
    })
    this.#observations.set(token.toString('hex'), observation)
    observation.first = await this.#ask({ ...asked, token, observe: 0 }, () => true)
    return observation
  }

  /** CoAP ping (RFC 7252 4.3): what the server had received before it has been read when this resolves. */
  async ping(): Promise<void> {
    const messageId = this.messageId()
    this.sendEmpty(TYPE.CON, messageId)
    await this.next(message => message.type === TYPE.RST && message.messageId === messageId)
  }

  /** An empty message: ping, acknowledgement or reset. */
  sendEmpty(type: MessageType, messageId: number): void {
    this.send({ type, code: CODE.Empty, messageId, token: EMPTY, options: [], payload: EMPTY })
  }

  messageId(): number {
    this.#messageId = (this.#messageId + 1) & 0xffff
    return this.#messageId
  }

  token(): Buffer {
    const token = Buffer.alloc(4)
    token.writeUInt32BE(this.#token++)
    return token
  }

  // --- in ---------------------------------------------------------------------------------------------------------------

  /** The next message that belongs to no request or observation. */
  async next(accepts: (message: CoapMessage) => boolean = () => true): Promise<CoapMessage> {
    return await this.inbox.next(accepts)
  }

  async #ask(asked: RequestOptions, isAnswer: (message: CoapMessage) => boolean): Promise<CoapMessage> {
    const request = this.compose(asked)
    const answer = await this.#exchange(request, isAnswer)
    const echo = answer.code === CODE.Unauthorized ? optionOf(answer, OPTION.Echo) : null
    if (echo === null || !(asked.echo ?? this.#echo)) return answer
    const options = [...(asked.options ?? []), { number: OPTION.Echo, value: echo }]
    const repeated = this.compose({ ...asked, token: request.token, messageId: this.messageId(), options })
    return await this.#exchange(repeated, isAnswer)
  }

  #exchange(request: CoapMessage, isAnswer: (message: CoapMessage) => boolean): Promise<CoapMessage> {
    const key = request.token.toString('hex')
    const bytes = encode(request)
    return new Promise((resolve, reject) => {
      const again = setInterval(() => this.send(bytes), this.retransmitAfter)
      if (request.type !== TYPE.CON) clearInterval(again)
      const settle = () => {
        clearInterval(again)
        clearTimeout(patience)
        if (this.#pending.get(key) === pending) this.#pending.delete(key)
      }
      const fail = (why: string) => {
        settle()
        reject(new Error(`${codeText(request.code)} #${request.messageId}: ${why}; came: ${this.#summary()}`))
      }
      const patience = setTimeout(fail, PATIENCE, 'no answer')
      const pending: Pending = {
        messageId: request.messageId,
        isAnswer: message => (message.type === TYPE.ACK ? message.messageId === request.messageId : isAnswer(message)),
        acknowledged: () => clearInterval(again),
        fail,
        succeed: answer => {
          settle()
          resolve(answer)
        },
      }
      this.#pending.set(key, pending)
      this.send(bytes)
    })
  }

  #received(bytes: Buffer): void {
    this.datagrams.push(bytes)
    const message = decode(bytes)
    if (message === null || isMalformed(message)) return
    this.received.push(message)
    if (isResponse(message.code)) this.#receivedResponse(message)
    else this.#receivedBare(message)
  }

  #receivedResponse(message: CoapMessage): void {
    const key = message.token.toString('hex')
    const pending = this.#pending.get(key)
    const observation = this.#observations.get(key)
    const isAnswer = pending?.isAnswer(message) ?? false
    const isKnown = message.type === TYPE.CON && this.#knows(message.messageId)
    if (observation !== undefined && !isAnswer) this.#notified(observation, message, isKnown)
    else {
      if (message.type === TYPE.CON && this.acknowledges) this.sendEmpty(TYPE.ACK, message.messageId)
      if (isKnown) return
      if (isAnswer) pending?.succeed(message)
      else this.inbox.put(message)
    }
  }

  #notified(observation: CoapObservation, message: CoapMessage, isKnown: boolean): void {
    if (observation.ack === 'reset') this.sendEmpty(TYPE.RST, message.messageId)
    else if (observation.ack === 'auto' && message.type === TYPE.CON) this.sendEmpty(TYPE.ACK, message.messageId)
    if (!isKnown) observation.inbox.put(message)
  }

  /** An empty message, or a request. */
  #receivedBare(message: CoapMessage): void {
    const pending = [...this.#pending.values()].find(({ messageId }) => messageId === message.messageId)
    if (pending !== undefined && message.type === TYPE.ACK) pending.acknowledged()
    else if (pending !== undefined && message.type === TYPE.RST) pending.fail('reset')
    else this.inbox.put(message)
  }

  /** Whether a confirmable message has come before (RFC 7252 4.5). */
  #knows(messageId: number): boolean {
    if (this.#known.includes(messageId)) return true
    if (this.#known.push(messageId) > REMEMBERED) this.#known.shift()
    return false
  }

  #summary(): string {
    const came = this.received.slice(-10).map(({ type, code, messageId }) => `${type} ${codeText(code)} #${messageId}`)
    return came.join(', ') || 'nothing'
  }
}

async function bound(host: string, { address, port }: { address?: string; port?: number } = {}): Promise<Socket> {
  const socket = createSocket({ type: host.includes(':') ? 'udp6' : 'udp4', recvBufferSize: 1 << 22 })
  socket.bind(port ?? 0, address)
  await once(socket, 'listening')
  return socket
}

interface Pending {
  readonly messageId: number
  isAnswer(message: CoapMessage): boolean
  acknowledged(): void
  succeed(answer: CoapMessage): void
  fail(why: string): void
}

/** The notifications of one registration (RFC 7641), errors that end it included. */
export class CoapObservation {
  readonly token: Buffer
  readonly inbox = new CoapInbox()
  /** May be changed at any time. */
  ack: AckMode
  /** The answer to the registration. */
  first!: CoapMessage
  readonly #cancel: () => Promise<CoapMessage>

  constructor(token: Buffer, ack: AckMode, cancel: () => Promise<CoapMessage>) {
    this.token = token
    this.ack = ack
    this.#cancel = cancel
  }

  async next(accepts: (message: CoapMessage) => boolean = () => true): Promise<CoapMessage> {
    return await this.inbox.next(accepts)
  }

  /** Deregisters with Observe 1 and the same token (RFC 7641 3.6); resolves with the answer. */
  async cancel(): Promise<CoapMessage> {
    return await this.#cancel()
  }
}
