// CoAP as the broker sees it: the resources of the house behind the message layer.
import { COAP_LIMITS } from './limits.ts'
import { type CoapAddress, MessageServer } from './message-server.ts'
import { openResources, type Resources } from './resources.ts'
import type { CoapServerParts } from './server-parts.ts'

export type { CoapServerParts } from './server-parts.ts'

export class CoapServer {
  readonly #resources: Resources
  readonly #messages: MessageServer

  private constructor(resources: Resources, messages: MessageServer) {
    this.#resources = resources
    this.#messages = messages
  }

  static async open(parts: CoapServerParts): Promise<CoapServer> {
    const opened = openResources({ ...parts, limits: { ...COAP_LIMITS, ...parts.limits } })
    const { resources, admit } = opened
    return new CoapServer(opened, new MessageServer({ ...parts, resources, admit }))
  }

  /** Opens a port; resolves with what it got. Throws `listener-failed`. */
  listen(name: 'coap', address: CoapAddress): Promise<{ host: string; port: number }> {
    return this.#messages.listen(name, address)
  }

  /** No request is served any more; observers are told once, the ports are free, no timer is left. */
  async close(): Promise<void> {
    this.#resources.close()
    await this.#messages.close()
  }
}
