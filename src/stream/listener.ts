import { createServer, type Server, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { peerAddress } from '../auth/peer-address.ts'
import type { Random } from '../model/clock.ts'
import { listenerFailed } from '../model/listener-failed.ts'
import type { Log } from '../model/log.ts'
import type { Meter } from '../model/meter.ts'
import type { Transport } from '../model/transport.ts'
import type { Admission, Protocol, Visit } from './admission.ts'
import type { Place } from './fair-line.ts'
import { type ChannelProof, LISTENER_LIMITS, type ListenerLimits, type PeerSocket } from './peer-socket.ts'
import { type HandshakeFailure, TlsAcceptor, type TlsMaterial } from './tls-acceptor.ts'
import { WebSocketAcceptor, type WebSocketTerms } from './websocket-acceptor.ts'

/** Where TLS handshakes wait their turn. */
export interface HandshakeLine {
  /** Calls `begin` when it has come, and `drop` when the handshake takes too long while others wait. */
  handshake(address: string, begin: () => void, drop: () => void): Place
}

export interface TlsTerms {
  readonly material: TlsMaterial
  /** ALPN, RFC 7301. */
  readonly protocol: string
  /** The key of a TLS-PSK identity; null for whatever is unknown, revoked or expired. null: no PSK. */
  readonly pskKey: ((identity: string) => Buffer | null) | null
}

export interface ListenerOptions {
  readonly name: Transport
  readonly protocol: Protocol
  readonly host: string
  /** 0 = any free port. */
  readonly port: number
  /** null: plaintext. */
  readonly tls: TlsTerms | null
  /** null: what is spoken comes right after TCP or TLS. */
  readonly webSocket: WebSocketTerms | null
  /** Web origins (`https://app.example`) that may open a WebSocket besides the listener's own; `*` = all. */
  readonly origins?: readonly string[]
  /** Called in the turn in which the handshake ends, before any byte of the protocol is read. */
  readonly onPeer: (peer: PeerSocket) => void
  readonly onHandshakeFailure?: (failure: HandshakeFailure) => void
  /** Shared by all listeners of a protocol. */
  readonly admission: Admission
  readonly handshakes: HandshakeLine
  readonly random: Random
  readonly meter: Meter
  readonly log: Log
  readonly limits?: Partial<ListenerLimits>
}

export interface Listener {
  readonly name: Transport
  readonly host: string
  readonly port: number
  /** New handshakes use these; connections that are open stay. */
  setTls(material: TlsMaterial): void
  /** Frees the port; open connections go on. */
  stopAccepting(): void
  /** Stops accepting, destroys every connection that is still open, and resolves when all are closed. */
  close(): Promise<void>
}

/** Opens a port. Throws `listener-failed` when it is taken or what TLS needs is malformed. */
export async function openListener(options: ListenerOptions): Promise<Listener> {
  const front = new Front(options)
  try {
    await front.listen()
  } catch (error) {
    throw listenerFailed(options, error)
  }
  return front
}

/** Accepts, counts, and leads each connection through TLS, then WebSocket, to `onPeer`. */
class Front implements Listener {
  readonly name: Transport
  readonly host: string
  readonly #options: ListenerOptions
  readonly #limits: ListenerLimits
  readonly #server: Server
  readonly #tls: TlsAcceptor | null
  readonly #webSocket: WebSocketAcceptor | null
  readonly #sockets = new Set<Socket>()

  constructor(options: ListenerOptions) {
    this.#options = options
    this.name = options.name
    this.host = options.host
    const limits = { ...LISTENER_LIMITS, ...options.limits }
    this.#limits = limits
    const { tls, webSocket: terms } = options
    this.#tls = tls === null ? null : new TlsAcceptor({ ...options, ...tls })
    this.#webSocket = terms === null ? null : new WebSocketAcceptor({ ...options, terms, secure: tls !== null, limits })
    this.#server = createServer({
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: limits.tcpKeepAlive,
      pauseOnConnect: this.#tls !== null,
    })
    this.#server.on('connection', socket => this.#accept(socket))
  }

  get port(): number {
    const address = this.#server.address()
    return address !== null && typeof address === 'object' ? address.port : this.#options.port
  }

  listen(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen({ host: this.#options.host, port: this.#options.port }, () => {
        this.#server.off('error', reject)
        this.#server.on('error', error =>
          this.#options.log.error({ listener: this.name, error: error.message }, 'listener error'),
        )
        resolve()
      })
    })
  }

  setTls(material: TlsMaterial): void {
    this.#tls?.setMaterial(material)
  }

  stopAccepting(): void {
    if (this.#server.listening) this.#server.close()
  }

  async close(): Promise<void> {
    const closed = new Promise<void>(resolve => {
      if (this.#sockets.size === 0) resolve()
      else this.#server.once('close', resolve)
    })
    this.stopAccepting()
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }

  #accept(socket: Socket): void {
    // Whatever happens to a socket later, an error on it must never stop the broker.
    socket.on('error', ignore)
    const remote = socket.remoteAddress
    const address = remote === undefined ? null : peerAddress(remote)
    const visit = address === null ? null : this.#options.admission.enter(address, () => socket.destroy())
    if (address === null || visit === null) {
      socket.destroy()
      return
    }
    const { meter, protocol } = this.#options
    const arrival = new Arrival(this.name, address, visit, socket)
    this.#sockets.add(socket)
    socket.on('close', () => {
      this.#sockets.delete(socket)
      arrival.left()
    })
    meter.count(`latchkey_${protocol}_connections_total`, { transport: this.name })
    if (this.#tls !== null || this.#webSocket !== null) this.#limitOpening(socket, arrival)
    if (this.#tls === null) this.#opened(socket, arrival)
    else this.#secure(socket, arrival, this.#tls)
  }

  /** Until its turn comes, a peer costs a socket that is not read. */
  #secure(socket: Socket, arrival: Arrival, tls: TlsAcceptor): void {
    const begin = () => {
      arrival.begun()
      tls.accept(socket, arrival.address, (stream, proof) => {
        arrival.place?.leave()
        arrival.proof = proof
        this.#opened(stream, arrival)
      })
    }
    arrival.place = this.#options.handshakes.handshake(arrival.address, begin, () => socket.destroy())
  }

  #limitOpening(socket: Socket, arrival: Arrival): void {
    arrival.timer = setTimeout(() => {
      const { meter, protocol } = this.#options
      meter.count(`latchkey_${protocol}_connections_refused_total`, { reason: 'opening-timeout' })
      socket.destroy()
    }, this.#limits.openingTimeout)
  }

  /** TCP and TLS are through. */
  #opened(stream: Socket, arrival: Arrival): void {
    if (this.#webSocket === null) this.#deliver(stream, arrival)
    else
      this.#webSocket.accept(stream, (wrapped, admitted) => {
        wrapped.on('error', ignore)
        arrival.onAdmitted = admitted
        this.#deliver(wrapped, arrival)
      })
  }

  #deliver(stream: Duplex, arrival: Arrival): void {
    arrival.stream = stream
    arrival.opened()
    this.#options.onPeer(arrival)
  }
}

const ignore = () => {}
const NOTHING_SHOWN: ChannelProof = { certificates: [], pskIdentity: null }

/** One connection from accept to close. There are many, so it is one object without closures. */
class Arrival implements PeerSocket {
  readonly transport: Transport
  readonly address: string
  stream: Duplex
  /** Among the TLS handshakes. */
  place: Place | null = null
  proof: ChannelProof = NOTHING_SHOWN
  onAdmitted: (() => void) | null = null
  /** Ends the handshakes. */
  timer: NodeJS.Timeout | null = null
  readonly #visit: Visit

  constructor(transport: Transport, address: string, visit: Visit, socket: Socket) {
    this.transport = transport
    this.address = address
    this.stream = socket
    this.#visit = visit
  }

  get certificates(): readonly Buffer[] {
    return this.proof.certificates
  }

  get pskIdentity(): string | null {
    return this.proof.pskIdentity
  }

  /** The handshakes are over. */
  opened(): void {
    if (this.timer !== null) clearTimeout(this.timer)
    this.timer = null
  }

  begun(): void {
    this.#visit.begun()
  }

  admitted(): void {
    this.#visit.admitted()
    this.onAdmitted?.()
    this.onAdmitted = null
  }

  forget(): void {
    this.proof = NOTHING_SHOWN
  }

  left(): void {
    this.opened()
    this.place?.leave()
    this.#visit.left()
  }
}
