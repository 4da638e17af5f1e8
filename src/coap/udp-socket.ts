// One UDP socket: datagrams in, datagrams out, and a bound on what waits for the network. Knows nothing of what they hold.
import { createSocket, type Socket } from 'node:dgram'
import { lookup } from 'node:dns/promises'
import { asFailure, Failure } from '../model/failure.ts'
import type { Log } from '../model/log.ts'

/** Datagrams between two looks at how much waits for the network: a look costs as much as it saves. */
const LOOK_EVERY = 64

/** Who sent a datagram, and who is to have one. */
export interface UdpRemote {
  readonly address: string
  readonly port: number
}

export interface UdpSocketOptions {
  /** The listener's, for what is said of failures. */
  readonly name: string
  readonly host: string
  /** 0 = any free port. */
  readonly port: number
  /** Bytes the kernel holds for us before it drops datagrams. */
  readonly receiveBufferBytes: number
  /** Bytes that wait for the network; what comes on top is dropped. */
  readonly sendQueueBytes: number
  readonly log: Log
  /** Told of each datagram that is not sent because too much waits. */
  readonly dropped: () => void
}

export class UdpSocket {
  readonly host: string
  readonly port: number
  readonly #socket: Socket
  readonly #sendQueueBytes: number
  readonly #dropped: () => void
  #sends = 0
  #congested = false
  #closed = false

  private constructor(socket: Socket, { host, name, log, sendQueueBytes, dropped }: UdpSocketOptions) {
    this.host = host
    this.port = socket.address().port
    this.#socket = socket
    this.#sendQueueBytes = sendQueueBytes
    this.#dropped = dropped
    socket.on('error', error => log.error({ listener: name, error: error.message }, 'coap socket error'))
  }

  /** Throws `listener-failed`. Joins no multicast group. */
  static async open(options: UdpSocketOptions): Promise<UdpSocket> {
    const { name, host, port, receiveBufferBytes } = options
    try {
      const { address, family } = await lookup(host)
      if (isMulticast(address))
        throw new Failure('listener-failed', 'it is a multicast address, and those are not served')
      const socket = createSocket({
        type: family === 6 ? 'udp6' : 'udp4',
        recvBufferSize: receiveBufferBytes,
        // Where to send to is always an address: looking it up would cost a turn of the event loop.
        lookup: (name, _options, callback) => callback(null, name, family),
      })
      await bound(socket, address, port)
      return new UdpSocket(socket, options)
    } catch (error) {
      const cause = reason(error)
      throw new Failure('listener-failed', `listener ${name} could not be opened on ${host}:${port}: ${cause}`, {
        cause: error,
      })
    }
  }

  /** Who is called with each datagram, which is its own to keep; nobody is after `close`. Set once, at once. */
  onMessage(listener: (bytes: Buffer, from: UdpRemote) => void): void {
    this.#socket.on('message', listener)
  }

  /** Without a callback, so that an error of one datagram (EMSGSIZE, EHOSTUNREACH) is no more than its loss. */
  send(bytes: Buffer, to: UdpRemote): void {
    if (this.#closed) return
    this.#sends += 1
    if (this.#congested || this.#sends % LOOK_EVERY === 0)
      this.#congested = this.#socket.getSendQueueSize() > this.#sendQueueBytes
    if (this.#congested) this.#dropped()
    else this.#socket.send(bytes, to.port, to.address)
  }

  /** Frees the port. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#socket.removeAllListeners('message')
    await new Promise<void>(resolve => this.#socket.close(() => resolve()))
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
