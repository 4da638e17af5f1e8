// CoAP as the broker sees it: the resources of the house behind the message layer.
import { DTLS_SERVER_LIMITS } from '../dtls/limits.ts'
import type { TlsMaterial } from '../stream/tls-acceptor.ts'
import type { DtlsMaterial } from './dtls-listener.ts'
import { COAP_LIMITS } from './limits.ts'
import { type CoapAddress, MessageServer } from './message-server.ts'
import { openResources, type Resources } from './resources.ts'
import type { CoapServerParts } from './server-parts.ts'
import type { StreamTransport } from './stream-listener.ts'
import { NO_TRUST } from './stream-server.ts'

export type { CoapServerParts } from './server-parts.ts'

export class CoapServer {
  readonly #parts: CoapServerParts
  readonly #resources: Resources
  readonly #messages: MessageServer

  private constructor(parts: CoapServerParts, resources: Resources, messages: MessageServer) {
    this.#parts = parts
    this.#resources = resources
    this.#messages = messages
  }

  static async open(parts: CoapServerParts): Promise<CoapServer> {
    const opened = openResources({ ...parts, limits: { ...COAP_LIMITS, ...parts.limits } })
    const { resources, admit, moved } = opened
    return new CoapServer(parts, opened, await MessageServer.open({ ...parts, resources, admit, moved }))
  }

  /** Opens a port; resolves with what it got. Throws `listener-failed`. */
  listen(name: 'coap', address: CoapAddress): Promise<{ host: string; port: number }> {
    return this.#messages.listen(name, address)
  }

  /** CoAP over TCP, TLS or WebSocket (RFC 8323). `material`: for those over TLS. Throws `listener-failed`. */
  listenStream(
    name: StreamTransport,
    address: CoapAddress,
    material: TlsMaterial | null,
  ): Promise<{ host: string; port: number }> {
    const { authenticator, recordFailedProof = () => {}, handshakes = NO_TRUST.handshakes } = this.#parts
    return this.#messages.listenStream(name, address, material, {
      pskKey: identity => authenticator.pskKey(identity),
      onHandshakeFailure: ({ address, pskIdentity }) => recordFailedProof({ transport: name, address, pskIdentity }),
      handshakes,
    })
  }

  /** CoAP over DTLS. Throws `listener-failed`, and `dtls-unavailable` where the addon is missing. */
  listenDtls(address: CoapAddress, material: DtlsMaterial): Promise<{ host: string; port: number }> {
    const { authenticator: keys, dtlsLimits, recordFailedProof = () => {} } = this.#parts
    const limits = { ...DTLS_SERVER_LIMITS, ...dtlsLimits }
    return this.#messages.listenDtls({ ...address, keys, material, limits, recordFailedProof })
  }

  /** New handshakes use this; sessions that are open stay. */
  setTls(material: DtlsMaterial): void {
    this.#messages.setMaterial(material)
  }

  /** A credential has ended: nobody is let in again by what was proved before this. */
  voidTickets(): void {
    this.#messages.voidTickets()
  }

  /** No request is served any more; observers are told once, the ports are free, no timer is left. */
  async close(): Promise<void> {
    this.#resources.close()
    await this.#messages.close()
  }
}
