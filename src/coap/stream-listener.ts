// CoAP over TCP, TLS and WebSocket (RFC 8323): one port, and the connections that came through it.
import type { Random } from '../model/clock.ts'
import type { Admission } from '../stream/admission.ts'
import { type HandshakeLine, type Listener, openListener, type TlsTerms } from '../stream/listener.ts'
import type { ListenerLimits, PeerSocket } from '../stream/peer-socket.ts'
import type { HandshakeFailure, TlsMaterial } from '../stream/tls-acceptor.ts'
import type { WebSocketTerms } from '../stream/websocket-acceptor.ts'
import { STREAM_FRAMING, WEBSOCKET_FRAMING } from './framing.ts'
import type { MessageContext } from './message-context.ts'
import { ReliablePeer } from './reliable-peer.ts'
import type { StreamContext } from './stream-context.ts'

export type StreamTransport = 'coap+tcp' | 'coaps+tcp' | 'coap+ws' | 'coaps+ws'

export interface StreamListenerOptions {
  readonly name: StreamTransport
  readonly host: string
  /** 0 = any free port. */
  readonly port: number
  /** Required for `coaps+tcp` and `coaps+ws`. */
  readonly material: TlsMaterial | null
  /** The key of a TLS-PSK identity, `coaps+tcp` alone; null for whatever is unknown, revoked or expired. */
  readonly pskKey: (identity: string) => Buffer | null
  readonly onHandshakeFailure: (failure: HandshakeFailure) => void
  /** Shared by all listeners of the server. */
  readonly admission: Admission
  readonly handshakes: HandshakeLine
  readonly random: Random
  readonly limits: ListenerLimits
  /** Sets its endpoints' session ids apart from those of any other listener. */
  readonly id: string
}

/** RFC 8323 4.1, 8.3. */
const WEBSOCKET: WebSocketTerms = {
  paths: ['/.well-known/coap'],
  subprotocols: ['coap'],
  keepsMessages: true,
  protocol: 'CoAP',
}
/** ALPN, RFC 8323 8.2. */
const PROTOCOL = 'coap'

export class StreamListener {
  readonly host: string
  readonly port: number
  readonly #listener: Listener
  readonly #peers: Set<ReliablePeer>

  private constructor(listener: Listener, peers: Set<ReliablePeer>) {
    this.#listener = listener
    this.#peers = peers
    this.host = listener.host
    this.port = listener.port
  }

  /** Throws `listener-failed`. */
  static async open(
    context: MessageContext,
    streams: StreamContext,
    options: StreamListenerOptions,
  ): Promise<StreamListener> {
    const { name, id } = options
    const overWebSocket = name === 'coap+ws' || name === 'coaps+ws'
    const framing = overWebSocket ? WEBSOCKET_FRAMING : STREAM_FRAMING
    const peers = new Set<ReliablePeer>()
    let count = 0
    const welcome = (socket: PeerSocket) => {
      count += 1
      const connection = {
        stream: socket.stream,
        transport: name,
        address: socket.address,
        framing,
        get certificates() {
          return socket.certificates
        },
        get pskIdentity() {
          return socket.pskIdentity
        },
        admitted: () => socket.admitted(),
      }
      const peer = new ReliablePeer(context, streams, connection, `${id}-${count}`)
      peers.add(peer)
      peer.onGone(() => peers.delete(peer))
      void peer.open()
    }
    const listener = await openListener({
      ...options,
      protocol: 'coap',
      tls: tlsTerms(options, overWebSocket),
      webSocket: overWebSocket ? WEBSOCKET : null,
      onPeer: welcome,
      meter: context.meter,
      log: context.log,
    })
    return new StreamListener(listener, peers)
  }

  /** New handshakes use this; connections that are open stay. */
  setMaterial(material: TlsMaterial): void {
    this.#listener.setTls(material)
  }

  /** Says goodbye to all (RFC 8323 5.5) and frees the port. */
  async close(): Promise<void> {
    this.#listener.stopAccepting()
    const gone = Array.from(this.#peers, peer => new Promise<void>(resolve => peer.onGone(resolve)))
    for (const peer of [...this.#peers]) peer.shutDown()
    // Each is cut by itself when its peer does not take the goodbye in time.
    await Promise.all(gone)
    await this.#listener.close()
  }
}

function tlsTerms({ name, material, pskKey }: StreamListenerOptions, overWebSocket: boolean): TlsTerms | null {
  if (name === 'coap+tcp' || name === 'coap+ws' || material === null) return null
  return overWebSocket ? { material, protocol: 'http/1.1', pskKey: null } : { material, protocol: PROTOCOL, pskKey }
}
