// A DTLS session that looks like a UDP socket to the `coap` package: each datagram of its Agent is a record.
import type { RemoteInfo, Socket } from 'node:dgram'
import { EventEmitter } from 'node:events'
import { DtlsClient, type DtlsClientOptions } from '../../src/dtls/client.ts'
import type { DtlsEnd, DtlsSession } from '../../src/dtls/session.ts'
import { connectUdp, type DatagramSocket, type Sent, type SocketEvents } from './datagram-socket.ts'
import { type Endpoint, LinkClosed, reachable } from './link.ts'

export interface DtlsSocketParts {
  readonly endpoint: Endpoint
  /** What the device shows, and whom it believes. */
  readonly credentials: Pick<DtlsClientOptions, 'psk' | 'certificate' | 'authorities'>
  /** Milliseconds. */
  readonly handshakeTimeout: number
  readonly signal: AbortSignal
}

/** The certificate of the broker names it so; the way there may be an address. */
const SERVER_NAME = 'localhost'

export class DtlsSocket extends EventEmitter<SocketEvents> implements DatagramSocket {
  readonly #udp: Socket
  readonly #peer: Endpoint
  #session: DtlsSession | null = null
  /** Where the datagram came from that is being looked at. */
  #from: RemoteInfo
  #isEnding = false
  #ended: Promise<void> | null = null

  private constructor(udp: Socket, peer: Endpoint) {
    super()
    this.#udp = udp
    this.#peer = peer
    const family = peer.host.includes(':') ? 'IPv6' : 'IPv4'
    this.#from = { address: peer.host, port: peer.port, family, size: 0 }
  }

  /** Resolves when the session is open. Throws LinkClosed when it is not, and `dtls-unavailable` without the addon. */
  static async open({ endpoint, credentials, handshakeTimeout, signal }: DtlsSocketParts): Promise<DtlsSocket> {
    const client = new DtlsClient({ ...credentials, limits: { handshakeTimeout } })
    const socket = new DtlsSocket(await connectUdp(endpoint, signal), reachable(endpoint))
    const abort = () => void socket.end()
    signal.addEventListener('abort', abort, { once: true })
    try {
      await socket.#shakeHands(client)
      return socket
    } catch (error) {
      await socket.end()
      throw error
    } finally {
      signal.removeEventListener('abort', abort)
    }
  }

  address(): { readonly address: string; readonly port: number } {
    return this.#udp.address()
  }

  /** `port` and `host` are the Agent's: a session has one peer. */
  send(bytes: Buffer, offset: number, length: number, _port: number, _host: string, sent: Sent): void {
    const isSent = this.#session?.send(bytes.subarray(offset, offset + length)) ?? false
    process.nextTick(sent, isSent ? null : new LinkClosed('the DTLS session is over'))
  }

  close(closed: () => void): void {
    void this.end().then(closed)
  }

  /** Says goodbye; resolves when the port is free. */
  end(): Promise<void> {
    this.#isEnding = true
    this.#ended ??= new Promise(resolve => {
      this.#session?.close()
      this.#udp.close(() => resolve())
    })
    return this.#ended
  }

  #shakeHands(client: DtlsClient): Promise<void> {
    return new Promise((resolve, reject) => {
      let isOpen = false
      const fail = (error: Error) => {
        if (!isOpen) reject(error)
        // Before anybody listens it is told by the first `send`.
        else if (!this.#isEnding && this.listenerCount('error') > 0) this.emit('error', error)
      }
      const unreachable = (error: Error) => fail(new LinkClosed(`the broker is not reached: ${error.message}`))
      this.#udp.on('error', unreachable)
      this.#udp.on('message', (datagram, from) => {
        this.#from = from
        this.#session?.receive(datagram)
      })
      const { host: address, port } = this.#peer
      this.#session = client.connect(
        { address, port },
        {
          send: datagram =>
            this.#udp.send(datagram, error => {
              if (error && !this.#isEnding) unreachable(error)
            }),
          opened: () => {
            isOpen = true
            resolve()
          },
          message: payload => this.emit('message', payload, this.#from),
          ended: end => fail(new LinkClosed(textOf(end))),
        },
        { name: SERVER_NAME },
      )
    })
  }
}

function textOf({ reason, inHandshake, error }: DtlsEnd): string {
  if (inHandshake)
    return `no DTLS session: ${error ?? (reason === 'timeout' ? 'no answer that proves anything' : reason)}`
  return reason === 'peer' ? 'the broker closed the DTLS session' : `the DTLS session ended: ${error ?? reason}`
}
