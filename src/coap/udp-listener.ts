// CoAP over UDP: one socket, and the peers that speak through it.
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { lookup } from 'node:dns/promises'
import { peerAddress } from '../auth/peer-address.ts'
import { decode, HEADER_BYTES, isMalformed } from '../coap-wire/decode.ts'
import { asFailure, Failure } from '../model/failure.ts'
import { printable } from '../model/printable.ts'
import type { Endpoint } from './endpoint.ts'
import type { MessageContext } from './message-context.ts'
import { isRequestMessage, rejectionOf } from './rejection.ts'
import { UnreliablePeer } from './unreliable-peer.ts'

/** Datagrams between two looks at how much waits for the network: a look costs as much as it saves. */
const LOOK_EVERY = 64

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
  readonly #socket: Socket
  readonly #id: string
  readonly #peers = new Map<string, UnreliablePeer>()
  #sessions = 0
  #sends = 0
  #congested = false
  #closed = false

  private constructor(context: MessageContext, socket: Socket, options: UdpListenerOptions) {
    this.#context = context
    this.#socket = socket
    this.#id = options.id
    this.host = options.host
    this.port = socket.address().port
    socket.on('error', error => context.log.error({ error: error.message }, 'coap socket error'))
    socket.on('message', (bytes, from) => this.#receive(bytes, from))
  }

  /** Throws `listener-failed`. */
  static async open(context: MessageContext, options: UdpListenerOptions): Promise<UdpListener> {
    const { host, port } = options
    try {
      const { address, family } = await lookup(host)
      if (isMulticast(address))
        throw new Failure('listener-failed', 'it is a multicast address, and those are not served')
      const socket = createSocket({
        type: family === 6 ? 'udp6' : 'udp4',
        recvBufferSize: context.limits.receiveBufferBytes,
        // Where to send to is always an address: looking it up would cost a turn of the event loop.
        lookup: (name, _options, callback) => callback(null, name, family),
      })
      await bound(socket, address, port)
      return new UdpListener(context, socket, options)
    } catch (error) {
      throw new Failure('listener-failed', `listener coap could not be opened on ${host}:${port}: ${reason(error)}`, {
        cause: error,
      })
    }
  }

  /** Forgets its peers and frees the port. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#socket.removeAllListeners('message')
    for (const peer of [...this.#peers.values()]) this.#context.peers.remove(peer)
    await new Promise<void>(resolve => this.#socket.close(() => resolve()))
  }

  #receive(bytes: Buffer, from: RemoteInfo): void {
    // Nobody can be answered there.
    if (from.port === 0) return
    try {
      this.#take(bytes, from)
    } catch (error) {
      this.#context.log.error({ cause: printable(String(error)) }, 'a CoAP datagram could not be handled')
    }
  }

  #take(bytes: Buffer, from: RemoteInfo): void {
    const { limits, counters, dispatcher } = this.#context
    const oversized = bytes.length > limits.messageBytes
    const message = decode(oversized ? headOf(bytes) : bytes)
    if (message === null) {
      counters.dropped('malformed')
      return
    }
    const name = `${from.address} ${from.port}`
    let peer = this.#peers.get(name)
    if (!isRequestMessage(message)) {
      if (peer !== undefined) peer.receive(message, bytes.length)
      else this.#receiveStray(message, from)
      return
    }
    peer ??= this.#welcome(name, from)
    if (oversized) peer.refuse(message, bytes.length, dispatcher.tooLarge())
    else peer.receive(message, bytes.length)
  }

  /** What is no request makes no peer. */
  #receiveStray(message: Parameters<typeof rejectionOf>[0], from: RemoteInfo): void {
    const rejection = rejectionOf(message)
    if (isMalformed(message)) this.#context.counters.dropped('malformed')
    if (rejection !== null) this.#send(rejection, from.port, from.address)
  }

  #welcome(name: string, from: RemoteInfo): UnreliablePeer {
    this.#sessions += 1
    const { address, port } = from
    const endpoint: Endpoint = {
      sessionId: `${this.#id}-${this.#sessions}`,
      transport: 'coap',
      address: peerAddress(address),
      principal: null,
      reliable: false,
      send: bytes => this.#send(bytes, port, address),
    }
    const peer = new UnreliablePeer(this.#context, endpoint, name, false, () => this.#peers.delete(name))
    this.#peers.set(name, peer)
    this.#context.peers.add(peer, false)
    return peer
  }

  /** Without a callback, so that an error of one datagram (EMSGSIZE, EHOSTUNREACH) is no more than its loss. */
  #send(bytes: Buffer, port: number, address: string): void {
    if (this.#closed) return
    this.#sends += 1
    if (this.#congested || this.#sends % LOOK_EVERY === 0)
      this.#congested = this.#socket.getSendQueueSize() > this.#context.limits.sendQueueBytes
    if (this.#congested) this.#context.counters.dropped('network')
    else this.#socket.send(bytes, port, address)
  }
}

function bound(socket: Socket, address: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const refuse = (error: Error) => {
      socket.close()
      reject(error)
    }
    socket.once('error', refuse)
    socket.bind({ address, port, exclusive: true }, () => {
      socket.off('error', refuse)
      resolve()
    })
  })
}

/** Header and token, which is all that an answer needs. */
const headOf = (bytes: Buffer): Buffer => bytes.subarray(0, HEADER_BYTES + (bytes[0]! & 15))

const isMulticast = (address: string): boolean => {
  const [first = ''] = address.split('.', 1)
  return address.toLowerCase().startsWith('ff') || (Number(first) >= 224 && Number(first) <= 239)
}

const reason = (error: unknown) => {
  const { code } = error as NodeJS.ErrnoException
  if (code === 'EADDRINUSE') return 'the port is taken; free it, or choose another (0 = any)'
  if (code === 'EACCES') return 'this user may not open that port; choose one above 1023'
  if (code === 'EADDRNOTAVAIL') return 'this machine does not have that address'
  return asFailure(error).message
}
