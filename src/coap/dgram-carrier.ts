// Datagrams by node:dgram: a system call for each.
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import type { UdpCarrier, UdpCarrierOptions, UdpDestination } from './udp-carrier.ts'

/** Datagrams between two looks at how much waits for the network: a look costs as much as it saves. */
const LOOK_EVERY = 64

export class DgramCarrier implements UdpCarrier {
  readonly port: number
  readonly #socket: Socket
  readonly #sendQueueBytes: number
  readonly #dropped: () => void
  #sends = 0
  #congested = false
  #closed = false

  private constructor(socket: Socket, { sendQueueBytes, received, dropped }: UdpCarrierOptions) {
    this.port = socket.address().port
    this.#socket = socket
    this.#sendQueueBytes = sendQueueBytes
    this.#dropped = dropped
    // An error of one datagram (EMSGSIZE, EHOSTUNREACH) is no more than its loss; of most of them Node says nothing.
    socket.on('error', dropped)
    socket.on('message', (bytes, from) => {
      if (!this.#closed) received(bytes, named(from))
    })
  }

  /** Rejects with the error of the system. */
  static async open(options: UdpCarrierOptions): Promise<DgramCarrier> {
    const { address, family, port, receiveBufferBytes } = options
    const socket = createSocket({
      type: family === 6 ? 'udp6' : 'udp4',
      recvBufferSize: receiveBufferBytes,
      // Where to send to is always an address: looking it up would cost a turn of the event loop.
      lookup: (name, _options, callback) => callback(null, name, family),
    })
    await new Promise<void>((resolve, reject) => {
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
    return new DgramCarrier(socket, options)
  }

  /** Without a callback, which would cost more than it tells. */
  send(bytes: Buffer, to: UdpDestination): void {
    if (this.#closed) return
    this.#sends += 1
    if (this.#congested || this.#sends % LOOK_EVERY === 0)
      this.#congested = this.#socket.getSendQueueSize() > this.#sendQueueBytes
    if (this.#congested) this.#dropped()
    else this.#socket.send(bytes, to.port, to.address)
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await new Promise<void>(resolve => this.#socket.close(() => resolve()))
  }
}

const named = ({ address, port }: RemoteInfo) => ({ address, port, name: `${address} ${port}` })
