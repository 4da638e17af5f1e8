// An OSCORE server as one would write it in an afternoon: it decrypts, and believes what it has decrypted. No replay window,
// nothing remembered over a restart, options outside count as those inside, any key that fits will do for any `kid`, and
// notifications go to wherever the last message came from. For attacks, which must succeed here.
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { once } from 'node:events'
import type { OscoreContext as IssuedContext } from '../../src/client/types.ts'
import { decode, isMalformed } from '../../src/coap-wire/decode.ts'
import { encode } from '../../src/coap-wire/encode.ts'
import type { CoapMessage } from '../../src/coap-wire/message.ts'
import * as second from '../support/second-oscore.ts'

const OBSERVE = 6
const OSCORE = 9
const URI_PATH = 11
const CON = 0
const NON = 1
const ACK = 2
const RST = 3

const hex = (text: string) => new Uint8Array(Buffer.from(text, 'hex'))

/** The side of the server. */
const endOf = ({ masterSecret, masterSalt, senderId, recipientId, idContext }: IssuedContext): second.End =>
  second.contextOf(
    hex(masterSecret),
    hex(masterSalt),
    hex(recipientId),
    hex(senderId),
    idContext === null ? undefined : hex(idContext),
  )

interface Observer {
  readonly path: string
  readonly token: Buffer
  readonly end: second.End
  readonly asked: second.Asked
}

export class BareOscore {
  readonly values = new Map<string, string>()
  readonly #contexts: readonly { readonly end: second.End; readonly owner: string }[]
  readonly #socket: Socket
  readonly #observers = new Map<string, Observer>()
  /** By context: where its last message came from. */
  readonly #places = new Map<second.End, RemoteInfo>()
  #sequence = 0

  private constructor(socket: Socket, contexts: ReadonlyMap<string, IssuedContext>) {
    this.#socket = socket
    this.#contexts = [...contexts].map(([owner, issued]) => ({ owner, end: endOf(issued) }))
    socket.on('message', (bytes, from) => this.#receive(bytes, from))
  }

  /** `contexts` by owner: each may write below `device/<owner>`. */
  static async start(contexts: ReadonlyMap<string, IssuedContext>): Promise<BareOscore> {
    const socket = createSocket('udp4')
    socket.bind(0, '127.0.0.1')
    await once(socket, 'listening')
    return new BareOscore(socket, contexts)
  }

  get port(): number {
    return this.#socket.address().port
  }

  write(path: string, value: string): void {
    this.values.set(path, value)
    for (const { path: observed, token, end, asked } of this.#observers.values()) {
      const to = this.#places.get(end)
      if (observed !== path || to === undefined) continue
      const options = [[OBSERVE, new Uint8Array([1])]] as const
      const plain = { code: 0x45, options, payload: new Uint8Array(Buffer.from(value)) }
      this.#sequence += 1
      this.#send({ type: NON, messageId: this.#sequence, token }, second.answer(end, plain, asked, this.#sequence), to)
    }
  }

  async close(): Promise<void> {
    this.#socket.close()
    await once(this.#socket, 'close')
  }

  #receive(bytes: Buffer, from: RemoteInfo): void {
    const message = decode(bytes)
    if (message === null || isMalformed(message)) return
    if (message.code === 0 && message.type === CON)
      this.#socket.send(encode({ ...message, type: RST }), from.port, from.address)
    const outside = {
      code: message.code,
      options: message.options.map(({ number, value }) => [number, new Uint8Array(value)] as const),
      payload: new Uint8Array(message.payload),
    }
    const value = outside.options.find(([number]) => number === OSCORE)?.[1] ?? new Uint8Array()
    const kid = Buffer.from(value.slice(1 + ((value[0] ?? 0) & 7))).toString('hex')
    const named = this.#contexts.find(({ end }) => Buffer.from(end.peerId).toString('hex') === kid)
    for (const { end } of this.#contexts) {
      const read = second.asked(end, { ...outside })
      if (read !== undefined && named !== undefined) this.#serve(message, end, named.owner, outside, read, from)
    }
  }

  #serve(
    message: CoapMessage,
    end: second.End,
    owner: string,
    outside: second.Plain,
    { plain, asked }: NonNullable<ReturnType<typeof second.asked>>,
    from: RemoteInfo,
  ): void {
    this.#places.set(end, from)
    const levels = [...outside.options, ...plain.options].filter(([number]) => number === URI_PATH)
    const named = outside.options.some(([number]) => number === URI_PATH)
    const path = levels
      .slice(0, named ? outside.options.filter(([number]) => number === URI_PATH).length : undefined)
      .map(([, level]) => Buffer.from(level).toString())
      .slice(1)
      .join('/')
    if (!path.startsWith(`device/${owner}/`)) return
    if (plain.code === 3) this.write(path, Buffer.from(plain.payload).toString())
    const observes = [...outside.options, ...plain.options].some(([number]) => number === OBSERVE)
    if (observes) this.#observers.set(message.token.toString('hex'), { path, token: message.token, end, asked })
    const options = observes ? ([[OBSERVE, new Uint8Array([0])]] as const) : []
    const payload = plain.code === 3 ? '' : (this.values.get(path) ?? '')
    const answer = { code: plain.code === 3 ? 0x44 : 0x45, options, payload: new Uint8Array(Buffer.from(payload)) }
    const { messageId, token } = message
    this.#send({ type: ACK, messageId, token }, second.answer(end, answer, asked), from)
  }

  #send(head: Pick<CoapMessage, 'type' | 'messageId' | 'token'>, plain: second.Plain, to: RemoteInfo): void {
    const options = [...plain.options]
      .sort(([a], [b]) => a - b)
      .map(([number, value]) => ({ number, value: Buffer.from(value) }))
    const payload = Buffer.from(plain.payload)
    this.#socket.send(encode({ ...head, code: plain.code, options, payload }), to.port, to.address)
  }
}
