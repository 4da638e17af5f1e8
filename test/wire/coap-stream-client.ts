// A raw CoAP client over a connection (RFC 8323), for tests: it sends what it is told, valid or not, and keeps what comes.
import { once } from 'node:events'
import { connect as connectTcp } from 'node:net'
import type { Duplex } from 'node:stream'
import { type ConnectionOptions, connect as connectTls } from 'node:tls'
import { CODE, codeClass, isResponse } from '../../src/coap-wire/codes.ts'
import { encodeFrame, type FramedMessage } from '../../src/coap-wire/frame.ts'
import { FrameReader } from '../../src/coap-wire/frame-reader.ts'
import type { CoapMessage, CoapOption } from '../../src/coap-wire/message.ts'
import { OPTION, optionOf, uintValue } from '../../src/coap-wire/options.ts'
import {
  BASE_CAPABILITIES,
  type Capabilities,
  csm,
  pong,
  readSignal,
  type Signal,
} from '../../src/coap-wire/signalling.ts'
import { CoapInbox } from './coap-inbox.ts'

export interface StreamRequest {
  /** GET, unless said otherwise. */
  readonly code?: number
  /** Levels, parted by `/`. */
  readonly path?: string
  /** `name=value`, one per Uri-Query. */
  readonly query?: readonly string[]
  readonly observe?: number
  /** Beside those above, in any order. */
  readonly options?: readonly CoapOption[]
  readonly payload?: Buffer | string
  readonly token?: Buffer
}

/** What a client says that it can do, unless a test has it say less. */
export const ROOMY: Capabilities = { maxMessageSize: 4 << 20, blockWise: true, tokenBytes: 8 }

/** How messages become writes, and what is read becomes messages. */
export interface Wire {
  encode(message: FramedMessage): Buffer
  /** Everything that a chunk completes. */
  read(chunk: Buffer): FramedMessage[]
}

export function streamWire(): Wire {
  const reader = new FrameReader({ messageBytes: 8 << 20, tokenBytes: 65_804 })
  return {
    encode: encodeFrame,
    read(chunk) {
      reader.push(chunk)
      const read: FramedMessage[] = []
      for (let next = reader.next(); next !== null; next = reader.next()) {
        if (typeof next === 'string') throw new Error(`the server sent what is ${next}`)
        read.push(next)
      }
      return read
    },
  }
}

export class CoapStreamClient {
  readonly stream: Duplex
  /** Everything that came, in its order. */
  readonly received: FramedMessage[] = []
  /** Responses that nobody waits for: notifications too. */
  readonly inbox = new CoapInbox()
  readonly signals: Signal[] = []
  answersPings = true
  /** What the server has said that it can do. */
  theirs = BASE_CAPABILITIES
  /** Resolves when the connection has ended. */
  readonly ended: Promise<void>
  readonly #wire: Wire
  readonly #pending = new Map<string, (answer: CoapMessage) => void>()
  readonly #watchers = new Set<() => void>()
  #token = 1

  constructor(stream: Duplex, wire: Wire = streamWire()) {
    this.stream = stream
    this.#wire = wire
    this.ended = new Promise(resolve => stream.on('close', () => resolve()))
    stream.on('data', (chunk: Buffer) => this.#received(chunk))
    stream.on('error', () => {})
    stream.on('end', () => stream.destroy())
    stream.on('close', () => {
      this.inbox.close()
      for (const watch of this.#watchers) watch()
    })
  }

  /** Connected, and with CSMs exchanged unless `says` is null. */
  static async tcp(port: number, says: Capabilities | null = ROOMY): Promise<CoapStreamClient> {
    const socket = connectTcp({ port, host: '127.0.0.1', noDelay: true })
    await once(socket, 'connect')
    return CoapStreamClient.begin(new CoapStreamClient(socket), says)
  }

  static async tls(
    port: number,
    options: ConnectionOptions,
    says: Capabilities | null = ROOMY,
  ): Promise<CoapStreamClient> {
    const socket = connectTls({ port, host: '127.0.0.1', servername: 'localhost', ALPNProtocols: ['coap'], ...options })
    await once(socket, 'secureConnect')
    return CoapStreamClient.begin(new CoapStreamClient(socket), says)
  }

  static async begin(client: CoapStreamClient, says: Capabilities | null): Promise<CoapStreamClient> {
    if (says === null) return client
    client.send(csm(says))
    await client.signal('csm')
    return client
  }

  get isOpen(): boolean {
    return !this.stream.destroyed
  }

  /** Bytes, or a message, as they are. */
  send(what: Buffer | FramedMessage): void {
    this.stream.write(Buffer.isBuffer(what) ? what : this.#wire.encode(what))
  }

  bytesOf(asked: StreamRequest): Buffer {
    return this.#wire.encode(this.compose(asked))
  }

  compose(asked: StreamRequest): FramedMessage {
    const levels = asked.path === undefined ? [] : asked.path.split('/')
    const options = [
      ...levels.map(level => ({ number: OPTION.UriPath, value: Buffer.from(level) })),
      ...(asked.query ?? []).map(pair => ({ number: OPTION.UriQuery, value: Buffer.from(pair) })),
      ...(asked.observe === undefined ? [] : [{ number: OPTION.Observe, value: uintValue(asked.observe) }]),
      ...(asked.options ?? []),
    ]
    return {
      code: asked.code ?? CODE.GET,
      token: asked.token ?? this.token(),
      options: options.sort((a, b) => a.number - b.number),
      payload: Buffer.from(asked.payload ?? ''),
    }
  }

  token(): Buffer {
    const token = Buffer.alloc(4)
    token.writeUInt32BE(this.#token++)
    return token
  }

  /** Resolves with the response; rejects when the connection ends before. */
  request(asked: StreamRequest): Promise<CoapMessage> {
    const message = this.compose(asked)
    const answer = this.answerTo(message.token)
    this.send(message)
    return answer
  }

  answerTo(token: Buffer): Promise<CoapMessage> {
    const answer = new Promise<CoapMessage>((resolve, reject) => {
      this.#pending.set(token.toString('hex'), resolve)
      void this.ended.then(() => reject(new Error(`the connection has ended; ${this}`)))
    })
    // Whoever does not wait for it any more need not hear of it.
    answer.catch(() => {})
    return answer
  }

  /** The next signal of a kind, or one that came already and was not taken. */
  async signal<K extends Signal['kind']>(kind: K): Promise<Extract<Signal, { kind: K }>> {
    for (;;) {
      const at = this.signals.findIndex(signal => signal.kind === kind)
      if (at >= 0) return this.signals.splice(at, 1)[0] as Extract<Signal, { kind: K }>
      if (!this.isOpen) throw new Error(`no ${kind} came before the end; ${this}`)
      await new Promise<void>(resolve => {
        const watch = () => {
          this.#watchers.delete(watch)
          resolve()
        }
        this.#watchers.add(watch)
      })
    }
  }

  /** The next response that nobody waits for. */
  next(accepts: (message: CoapMessage) => boolean = () => true): Promise<CoapMessage> {
    return this.inbox.next(accepts)
  }

  async close(): Promise<void> {
    this.stream.destroy()
    await this.ended
  }

  toString(): string {
    return `came: ${this.received.map(({ code }) => `${codeClass(code)}.${code & 31}`).join(', ') || 'nothing'}`
  }

  #received(chunk: Buffer): void {
    for (const message of this.#wire.read(chunk)) {
      this.received.push(message)
      if (isResponse(message.code)) this.#responded({ type: 0, messageId: 0, ...message })
      else if (codeClass(message.code) === 7) {
        const signal = readSignal(message, this.theirs)
        if (signal.kind === 'csm') this.theirs = signal.capabilities
        if (signal.kind === 'ping' && this.answersPings) this.send(pong(signal.token, false))
        this.signals.push(signal)
        for (const watch of [...this.#watchers]) watch()
      }
    }
  }

  #responded(message: CoapMessage): void {
    const key = message.token.toString('hex')
    const resolve = this.#pending.get(key)
    this.#pending.delete(key)
    if (resolve === undefined) this.inbox.put(message)
    else resolve(message)
  }
}

export const hasObserve = (message: CoapMessage): boolean => optionOf(message, OPTION.Observe) !== null
