import type { Server as HttpServer } from 'node:http'
import { createServer, type Server } from 'node:net'
import { listenerFailed } from './model/listener-failed.ts'

/**
 * A port that is bound before the server behind it can be built: the token issuer and the CRL's address hold its number.
 * Whoever connects in between is turned away.
 */
export class ReservedPort {
  readonly host: string
  readonly port: number
  readonly #holder: Server
  #handedOver = false

  private constructor(host: string, port: number, holder: Server) {
    this.host = host
    this.port = port
    this.#holder = holder
  }

  /** Throws `listener-failed`. */
  static async bind(name: string, host: string, port: number): Promise<ReservedPort> {
    const holder = createServer(socket => socket.destroy())
    try {
      await new Promise<void>((resolve, reject) => {
        holder.once('error', reject)
        holder.listen({ host, port }, resolve)
      })
    } catch (error) {
      throw listenerFailed({ name, host, port }, error)
    }
    const address = holder.address()
    return new ReservedPort(host, typeof address === 'object' && address ? address.port : port, holder)
  }

  /** From here on `server` answers on this port. */
  async handOver(server: Server): Promise<void> {
    this.#handedOver = true
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(this.#holder, () => {
        server.off('error', reject)
        resolve()
      })
    })
  }

  /** Stops a server that took the port over; resolves when its last connection has closed. */
  async stop(server: HttpServer): Promise<void> {
    if (!server.listening) return
    await new Promise<void>(resolve => {
      server.close(() => resolve())
      server.closeIdleConnections()
    })
  }

  async release(): Promise<void> {
    if (this.#handedOver || !this.#holder.listening) return
    await new Promise<void>(resolve => this.#holder.close(() => resolve()))
  }
}
