import { createServer, type Server, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { peerAddress } from '../auth/peer-address.ts'
import type { Random } from '../model/clock.ts'
import { asFailure, Failure } from '../model/failure.ts'
import type { Log } from '../model/log.ts'
import type { Meter } from '../model/meter.ts'
import type { Admission, Visit } from './admission.ts'
import type { Place } from './fair-line.ts'
import {
  type ChannelProof,
  LISTENER_LIMITS,
  type ListenerLimits,
  type MqttTransport,
  type PeerSocket,
} from './peer-socket.ts'
import type { Reception } from './reception.ts'
import { type HandshakeFailure, TlsAcceptor, type TlsMaterial } from './tls-acceptor.ts'
import { WebSocketAcceptor } from './websocket-acceptor.ts'

export type { ListenerLimits, MqttTransport, PeerSocket } from './peer-socket.ts'

export interface ListenerOptions {
  readonly name: MqttTransport
  readonly host: string
  /** 0 = any free port. */
  readonly port: number
  /** Required for `mqtts` and `wss`. */
  readonly tls?: TlsMaterial
  /** Paths that serve MQTT over WebSocket. */
  readonly paths?: readonly string[]
  /** Web origins (`https://app.example`) that may open a WebSocket besides the listener's own; `*` = all. */
  readonly origins?: readonly string[]
  /** The key of a TLS-PSK identity, `mqtts` alone; null for whatever is unknown, revoked or expired. */
  readonly pskKey?: (identity: string) => Buffer | null
  /** Called in the turn in which the handshake ends, before any byte of MQTT is read. */
  readonly onPeer: (peer: PeerSocket) => void
  readonly onHandshakeFailure?: (failure: HandshakeFailure) => void
  /** Shared by all listeners of a broker. */
  readonly admission: Admission
  readonly reception: Pick<Reception, 'handshake'>
  readonly random: Random
  readonly meter: Meter
  readonly log: Log
  readonly limits?: Partial<ListenerLimits>
}

export interface Listener {
  readonly name: MqttTransport
  readonly host: string
  readonly port: number
  /** New handshakes use these; connections that are open stay. */
  setTls(material: TlsMaterial): void
  /** Frees the port; open connections go on. */
  stopAccepting(): void
  /** Stops accepting, destroys every connection that is still open, and resolves when all are closed. */
  close(): Promise<void>
}

/** Opens a port. Throws `listener-failed` when it is taken or `tls` is missing or malformed. */
export async function openListener(options: ListenerOptions): Promise<Listener> {
  const { name, host, port } = options
  const front = new Front(options)
  try {
    await front.listen()
  } catch (error) {
    throw new Failure('listener-failed', `listener ${name} could not be opened on ${host}:${port}: ${reason(error)}`, {
      cause: error,
    })
  }
  return front
}

const reason = (error: unknown) => {
  const { code } = error as NodeJS.ErrnoException
  if (code === 'EADDRINUSE') return 'the port is taken; free it, or choose another (0 = any)'
  if (code === 'EACCES') return 'this user may not open that port; choose one above 1023'
  if (code === 'EADDRNOTAVAIL') return 'this machine does not have that address'
  return asFailure(error).message
}

/** Accepts, counts, and leads each connection through TLS, then WebSocket, to `onPeer`. */
class Front implements Listener {
  readonly name: MqttTransport
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
    const webSocket = options.name === 'ws' || options.name === 'wss'
    this.#tls = options.name === 'mqtts' || options.name === 'wss' ? makeTls(options) : null
    this.#webSocket = webSocket ? new WebSocketAcceptor({ ...options, secure: this.#tls !== null, limits }) : null
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
    const { meter } = this.#options
    const arrival = new Arrival(this.name, address, visit, socket)
    this.#sockets.add(socket)
    socket.on('close', () => {
      this.#sockets.delete(socket)
      arrival.left()
    })
    meter.count('latchkey_mqtt_connections_total', { transport: this.name })
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
    arrival.place = this.#options.reception.handshake(arrival.address, begin, () => socket.destroy())
  }

  #limitOpening(socket: Socket, arrival: Arrival): void {
    arrival.timer = setTimeout(() => {
      this.#options.meter.count('latchkey_mqtt_connections_refused_total', { reason: 'opening-timeout' })
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
  readonly transport: MqttTransport
  readonly address: string
  stream: Duplex
  /** Among the TLS handshakes. */
  place: Place | null = null
  proof: ChannelProof = NOTHING_SHOWN
  onAdmitted: (() => void) | null = null
  /** Ends the handshakes. */
  timer: NodeJS.Timeout | null = null
  readonly #visit: Visit

  constructor(transport: MqttTransport, address: string, visit: Visit, socket: Socket) {
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

function makeTls(options: ListenerOptions): TlsAcceptor {
  if (options.tls === undefined)
    throw new Failure('listener-failed', `listener ${options.name} needs a certificate and its private key`)
  const webSocket = options.name === 'wss'
  return new TlsAcceptor({
    ...options,
    material: options.tls,
    protocol: webSocket ? 'http/1.1' : 'mqtt',
    pskKey: webSocket ? null : (options.pskKey ?? null),
  })
}
