// CoAP as the broker sees it: the resources of the house behind the message layer.
import { type CoapAddress, MessageServer } from './message-server.ts'
import type { CoapServerParts } from './server-parts.ts'

export type { CoapServerParts } from './server-parts.ts'

export class CoapServer {
  readonly #messages: MessageServer

  private constructor(messages: MessageServer) {
    this.#messages = messages
  }

  static async open(parts: CoapServerParts): Promise<CoapServer> {
    return new CoapServer(new MessageServer({ ...parts, resources: [] }))
  }

  /** Opens a port; resolves with what it got. Throws `listener-failed`. */
  listen(name: 'coap', address: CoapAddress): Promise<{ host: string; port: number }> {
    return this.#messages.listen(name, address)
  }

  /** No request is served any more; observers are not told, the ports are free, no timer is left. */
  async close(): Promise<void> {
    await this.#messages.close()
  }
}
