// CoAP over UDP: one socket, and the peers that speak through it.
import { peerAddress } from '../auth/peer-address.ts'
import { decode, headOf, isMalformed } from '../coap-wire/decode.ts'
import { printable } from '../model/printable.ts'
import { type Endpoint, NOTHING_SHOWN } from './endpoint.ts'
import type { MessageContext } from './message-context.ts'
import { isRequestMessage, rejectionOf } from './rejection.ts'
import type { UdpRemote } from './udp-carrier.ts'
import { UdpSocket } from './udp-socket.ts'
import { UnreliablePeer } from './unreliable-peer.ts'

export interface UdpListenerOptions {
  readonly host: string
  /** 0 = any free port. */
  readonly port: number
  /** Sets its endpoints' session ids apart from those of any other listener. */
  readonly id: string
}

/** Joins no multicast group: requests to one are not served (RFC 7252 8). */
export class UdpListener {
  readonly host: string
  readonly port: number
  readonly #context: MessageContext
  readonly #socket: UdpSocket
  readonly #id: string
  readonly #peers = new Map<string, UnreliablePeer>()
  #sessions = 0

  private constructor(context: MessageContext, socket: UdpSocket, options: UdpListenerOptions) {
    this.#context = context
    this.#socket = socket
    this.#id = options.id
    this.host = socket.host
    this.port = socket.port
    socket.onMessage((bytes, from) => this.#receive(bytes, from))
  }

  /** Throws `listener-failed`. */
  static async open(context: MessageContext, options: UdpListenerOptions): Promise<UdpListener> {
    const { limits, log, counters } = context
    const { receiveBufferBytes, sendQueueBytes } = limits
    const socket = await UdpSocket.open({
      name: 'coap',
      host: options.host,
      port: options.port,
      receiveBufferBytes,
      sendQueueBytes,
      datagramBytes: limits.messageBytes,
      log,
      dropped: () => counters.dropped('network'),
    })
    return new UdpListener(context, socket, options)
  }

  /** Forgets its peers and frees the port. */
  async close(): Promise<void> {
    // First, so that nobody is told goodbye.
    const closed = this.#socket.close()
    for (const peer of [...this.#peers.values()]) this.#context.peers.remove(peer)
    await closed
  }

  #receive(bytes: Buffer, from: UdpRemote): void {
    // Nobody can be answered there.
    if (from.port === 0) return
    try {
      this.#take(bytes, from)
    } catch (error) {
      this.#context.log.error({ cause: printable(String(error)) }, 'a CoAP datagram could not be handled')
    }
  }

  #take(bytes: Buffer, from: UdpRemote): void {
    const { limits, counters, dispatcher } = this.#context
    const oversized = bytes.length > limits.messageBytes
    const message = decode(oversized ? headOf(bytes) : bytes)
    if (message === null) {
      counters.dropped('malformed')
      return
    }
    const { name } = from
    let peer = this.#peers.get(name)
    if (!isRequestMessage(message)) {
      if (peer !== undefined) peer.receive(message, bytes.length)
      else this.#receiveStray(message, from)
      return
    }
    peer ??= this.#welcome(from)
    if (oversized) peer.refuse(message, bytes.length, dispatcher.tooLarge())
    else peer.receive(message, bytes.length)
  }

  /** What is no request makes no peer. */
  #receiveStray(message: Parameters<typeof rejectionOf>[0], from: UdpRemote): void {
    const rejection = rejectionOf(message)
    if (isMalformed(message)) this.#context.counters.dropped('malformed')
    if (rejection !== null) this.#socket.send(rejection, from)
  }

  #welcome(from: UdpRemote): UnreliablePeer {
    this.#sessions += 1
    const { name } = from
    const endpoint: Endpoint = {
      sessionId: `${this.#id}-${this.#sessions}`,
      transport: 'coap',
      address: peerAddress(from.address),
      shown: NOTHING_SHOWN,
      reliable: false,
      send: bytes => this.#socket.send(bytes, from),
      close() {},
    }
    const peer = new UnreliablePeer(this.#context, endpoint, name, false, () => this.#peers.delete(name))
    this.#peers.set(name, peer)
    this.#context.peers.add(peer, false)
    return peer
  }
}
