import { createServer, type IncomingMessage, type Server, STATUS_CODES } from 'node:http'
import { isIP, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { WebSocketServer } from 'ws'
import { isLoopback } from '../auth/peer-address.ts'
import type { Meter } from '../model/meter.ts'
import type { ListenerLimits } from './peer-socket.ts'
import { WebSocketStream } from './websocket-stream.ts'

/** What is spoken over WebSocket. */
export interface WebSocketTerms {
  readonly paths: readonly string[]
  /** In the order in which we choose; one of them must be offered. */
  readonly subprotocols: readonly string[]
  /** What is read and written is one message each; else it is a stream of bytes, however it is cut. */
  readonly keepsMessages: boolean
  /** As those are told who do not ask for a WebSocket. */
  readonly protocol: string
}

export interface WebSocketAcceptorOptions {
  readonly host: string
  readonly secure: boolean
  readonly terms: WebSocketTerms
  readonly origins?: readonly string[]
  readonly meter: Meter
  readonly limits: ListenerLimits
}

type Next = (stream: Duplex, admitted: () => void) => void

/** WebSocket (RFC 6455) in front of a protocol: an HTTP server that only upgrades. */
export class WebSocketAcceptor {
  readonly #options: WebSocketAcceptorOptions
  readonly #http: Server
  readonly #webSockets: WebSocketServer
  readonly #arrivals = new WeakMap<Duplex, Next>()

  constructor(options: WebSocketAcceptorOptions) {
    this.#options = options
    const { limits, terms } = options
    this.#webSockets = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: limits.maximumWebSocketMessage,
      // Younger than its types.
      ...{ closeTimeout: limits.closingTimeout },
      handleProtocols: offered => terms.subprotocols.find(protocol => offered.has(protocol)) ?? false,
    })
    this.#http = createServer({ maxHeaderSize: limits.maximumHeaderBytes })
    this.#http.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head))
    this.#http.on('request', (request, response) => {
      this.#refused(426)
      request.resume()
      response.writeHead(426, { connection: 'close', upgrade: 'websocket', 'content-type': 'text/plain' })
      response.end(`This port speaks ${terms.protocol} over WebSocket.\n`)
    })
    this.#http.on('clientError', (_error, socket) => {
      this.#refused(400)
      socket.destroy()
    })
  }

  accept(socket: Socket, next: Next): void {
    this.#arrivals.set(socket, next)
    this.#http.emit('connection', socket)
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const status = this.#judge(request)
    const next = this.#arrivals.get(socket)
    if (status !== null || next === undefined) {
      this.#refuse(socket, status ?? 400)
      return
    }
    // The parser of an HTTP request leaves no limit on what follows it, so what a stranger may send is counted here.
    let early = head.length
    const count = (chunk: Buffer) => {
      early += chunk.length
      if (early > this.#options.limits.maximumEarlyBytes) socket.destroy()
    }
    this.#webSockets.handleUpgrade(request, socket, head, webSocket => {
      socket.on('data', count)
      next(new WebSocketStream(webSocket, this.#options.terms.keepsMessages), () => socket.off('data', count))
    })
  }

  /** In this order; null = welcome, else the status to refuse with. */
  #judge(request: IncomingMessage): number | null {
    const { paths, subprotocols } = this.#options.terms
    if (!paths.includes((request.url ?? '').split('?', 1)[0] ?? '')) return 404
    if (!this.#originMayEnter(request)) return 403
    const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map(protocol => protocol.trim())
    // [MQTT-6.0.0-3], RFC 8323 4.1: the client must offer the subprotocol.
    if (!subprotocols.some(protocol => offered.includes(protocol))) return 400
    return null
  }

  /**
   * A web page of another origin must not use what a browser has (a client certificate, a place on this machine's
   * loopback) to speak here. Programs send no Origin, or one with our own host. On plaintext loopback the host must not
   * be a name from outside, or DNS rebinding would make any page same-origin.
   */
  #originMayEnter(request: IncomingMessage): boolean {
    const { origin } = request.headers
    if (origin === undefined) return true
    const { origins = [], secure, host } = this.#options
    if (origins.includes('*') || origins.includes(origin)) return true
    const from = hostOf(origin)
    const to = hostOf(`${secure ? 'https' : 'http'}://${request.headers.host ?? ''}`)
    if (from === null || to === null || from.host !== to.host) return false
    return secure || !isLoopback(host) || to.hostname === 'localhost' || isIP(to.hostname.replace(/^\[|\]$/g, '')) !== 0
  }

  #refuse(socket: Duplex, status: number): void {
    this.#refused(status)
    socket.on('error', () => {})
    socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`, () =>
      socket.destroy(),
    )
  }

  #refused(status: number): void {
    this.#options.meter.count('latchkey_websocket_refused_total', { status: String(status) })
  }
}

function hostOf(url: string): { host: string; hostname: string } | null {
  try {
    const { hostname, port, protocol } = new URL(url)
    // Clients name the scheme of an Origin carelessly (`https` over plain ws), and with it what port is implied.
    return { hostname, host: `${hostname}:${port === '' ? (protocol === 'https:' ? '443' : '80') : port}` }
  } catch {
    return null
  }
}
