// What the Agent of the `coap` package needs of a socket: it listens for `message` and `error`, asks for `type` and
// `address`, and sends. A `dgram.Socket` is one; so is whatever protects what goes through it.
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { type Endpoint, reachable } from './link.ts'

export interface SocketEvents {
  message: [bytes: Buffer, from: RemoteInfo]
  error: [error: Error]
}

/** `sent` is called later in any case. */
export type Sent = (error: Error | null) => void

export interface DatagramSocket {
  on<E extends keyof SocketEvents>(event: E, listener: (...args: SocketEvents[E]) => void): unknown
  address(): { readonly address: string; readonly port: number }
  send(bytes: Buffer, offset: number, length: number, port: number, host: string, sent: Sent): void
  /** Ends what is open in it and frees the port. */
  close(closed: () => void): void
}

export const openUdp = ({ host }: Endpoint): Socket => createSocket(host.includes(':') ? 'udp6' : 'udp4')

/** Connected, it learns from the network when nobody listens there any more. */
export async function connectUdp(endpoint: Endpoint, signal: AbortSignal): Promise<Socket> {
  signal.throwIfAborted()
  const { host, port } = reachable(endpoint)
  const udp = openUdp({ host, port })
  try {
    udp.connect(port, host)
    await once(udp, 'connect', { signal })
    return udp
  } catch (error) {
    udp.close()
    throw error
  }
}
