// Requests over the `coap` package, and everything that is odd about it. One agent on a socket that it is given; the two
// that the package opens when it is imported stay unused, and keep no process alive.
import type { Socket } from 'node:dgram'
import { Agent, type CoapPacket, ObserveReadStream, type OutgoingMessage } from 'coap'
import { mimeOf } from '../../src/coap-wire/content-formats.ts'
import type { DatagramSocket } from './datagram-socket.ts'
import { type Endpoint, LinkClosed, reachable } from './link.ts'

export interface CoapRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  readonly path: string
  readonly query: Readonly<Record<string, string>>
  readonly payload?: string | Buffer
  /** A content format of the IANA table. */
  readonly contentFormat?: number
}

export interface CoapResponse {
  /** As `2.05`. */
  readonly code: string
  readonly payload: Buffer
  /** What its content format stands for; null without one that is known. */
  readonly contentType: string | null
  /** Observe sequence number (RFC 7641 3.4); null: this is no notification. */
  readonly observe: number | null
}

/** Echo (RFC 9175 2.2) has no name in the package; it takes the number for one. */
const ECHO = '252'

export class CoapExchange {
  readonly #endpoint: Endpoint
  readonly #socket: DatagramSocket
  readonly #agent: Agent
  /** Requests that wait, and what tells them that the socket is gone. Observations stay here until they end. */
  readonly #open = new Map<OutgoingMessage, (error: Error) => void>()
  #closing: Promise<void> | null = null

  /** The socket is closed with it. `failed`: the socket is of no use any more; whoever waits on it has been told. */
  constructor(endpoint: Endpoint, socket: DatagramSocket, failed: (error: Error) => void) {
    this.#endpoint = reachable(endpoint)
    this.#socket = socket
    // Without one the agent would close its own when no request is left, and open another at the next one. It uses no more
    // of it than there is here, whatever its types say.
    this.#agent = new Agent({ socket: socket as unknown as Socket })
    this.#agent.on('error', error => {
      this.#abort(error)
      failed(error)
    })
  }

  /** One confirmable request; a 4.01 that carries Echo is repeated with it (RFC 9175 2.3). */
  async request(request: CoapRequest, timeout: number): Promise<CoapResponse> {
    const { response, echo } = await this.#ask(request, timeout, null)
    if (echo === null) return response
    return (await this.#ask(request, timeout, null, echo)).response
  }

  /**
   * A GET with Observe. `notified` gets what comes after the first response, which is the result; the observation has
   * ended when a response carries no `observe`.
   */
  async observe(
    request: CoapRequest,
    timeout: number,
    notified: (response: CoapResponse) => void,
  ): Promise<CoapResponse> {
    const { response, echo } = await this.#ask(request, timeout, notified)
    if (echo === null) return response
    return (await this.#ask(request, timeout, notified, echo)).response
  }

  /** Ends all requests and closes the socket. */
  close(): Promise<void> {
    this.#closing ??= new Promise(resolve => {
      // First the package's timers: one that fires on a closed socket throws.
      this.#abort(new LinkClosed('the socket was closed'))
      this.#socket.close(() => resolve())
    })
    return this.#closing
  }

  #abort(error: Error): void {
    for (const [request, fail] of this.#open) {
      this.#agent.abort(request)
      fail(error)
    }
    this.#open.clear()
  }

  #ask(
    { method, path, query, payload, contentFormat }: CoapRequest,
    timeout: number,
    notified: ((response: CoapResponse) => void) | null,
    echo?: Buffer,
  ): Promise<{ response: CoapResponse; echo: Buffer | null }> {
    if (this.#closing) return Promise.reject(new LinkClosed('the socket was closed'))
    return new Promise((resolve, reject) => {
      const request = this.#agent.request({
        ...this.#endpoint,
        method,
        pathname: path,
        // Not percent-decoded by the package: tokens are base64url and identifiers need no escapes.
        query: Object.entries(query)
          .map(([name, value]) => `${name}=${value}`)
          .join('&'),
        ...(notified && { observe: true }),
        ...(contentFormat !== undefined && { contentFormat }),
      })
      if (echo !== undefined) request.setOption(ECHO, echo)
      const fail = (error: Error) => {
        clearTimeout(timer)
        this.#open.delete(request)
        this.#agent.abort(request)
        reject(error)
      }
      // The package retransmits (RFC 7252 4.2) but gives up after 247 s, and never once it saw an empty ACK.
      const timer = setTimeout(() => fail(new LinkClosed(`no answer to ${method} ${path} in ${timeout} ms`)), timeout)
      this.#open.set(request, error => {
        clearTimeout(timer)
        reject(error)
      })
      request.on('error', fail)
      request.on('response', message => {
        clearTimeout(timer)
        const first = responseOf(message._packet)
        const ended = () => {
          this.#open.delete(request)
          if (message instanceof ObserveReadStream) message.close()
        }
        if (notified && message instanceof ObserveReadStream && first.observe !== null) {
          follow(message, first.observe, notified, ended)
        } else ended()
        resolve({ response: first, echo: first.code === '4.01' ? echoOf(message._packet) : null })
      })
      request.end(payload ?? '')
    })
  }
}

/**
 * Notifications reach `append`. As a stream the package would drop every one without an Observe option, and with it the
 * error that ends an observation (RFC 7641 4.2); so the order is checked here.
 */
function follow(
  stream: ObserveReadStream,
  first: number,
  notified: (response: CoapResponse) => void,
  ended: () => void,
): void {
  const order = new NotificationOrder()
  // Under OSCORE the first has no number and shows as 0, as the very first notification may (RFC 8613 4.1.3.5.2).
  if (first > 0) order.isFresh(first, performance.now())
  stream.append = packet => {
    const response = responseOf(packet)
    if (response.observe === null) ended()
    else if (!order.isFresh(response.observe, performance.now())) return
    notified(response)
  }
}

/** RFC 7641 3.4: which of two notifications is the newer one. Times in milliseconds. */
export class NotificationOrder {
  #newest: { readonly value: number; readonly at: number } | null = null

  isFresh(value: number, at: number): boolean {
    const last = this.#newest
    const fresh =
      last === null ||
      (last.value < value && value - last.value < 2 ** 23) ||
      (last.value > value && last.value - value > 2 ** 23) ||
      at > last.at + 128_000
    if (fresh) this.#newest = { value, at }
    return fresh
  }
}

function responseOf(packet: CoapPacket): CoapResponse {
  const payload = Buffer.isBuffer(packet.payload) ? packet.payload : Buffer.alloc(0)
  return { code: String(packet.code), payload, contentType: contentTypeOf(packet), observe: observeOf(packet) }
}

/** The package turns option values into numbers in place, but only of the packets it made a message of. */
function observeOf(packet: CoapPacket): number | null {
  const value = optionOf(packet, 'Observe')
  return typeof value === 'number' ? value : null
}

/** Of a format that the package knows it makes the media type. */
function contentTypeOf(packet: CoapPacket): string | null {
  const value = optionOf(packet, 'Content-Format')
  return typeof value === 'number' ? mimeOf(value) : value
}

function optionOf({ options }: CoapPacket, option: string): number | string | null {
  const value: unknown = options?.find(({ name }) => name === option)?.value
  if (Buffer.isBuffer(value)) return value.reduce((sum, byte) => sum * 256 + byte, 0)
  return typeof value === 'number' || typeof value === 'string' ? value : null
}

function echoOf({ options }: CoapPacket): Buffer | null {
  const value: unknown = options?.find(({ name }) => String(name) === ECHO)?.value
  return Buffer.isBuffer(value) ? value : null
}
