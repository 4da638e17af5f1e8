// All listeners of reliable transports, and what bounds their connections together.
import type { Clock, Random } from '../model/clock.ts'
import type { Meter } from '../model/meter.ts'
import { Admission } from '../stream/admission.ts'
import type { HandshakeLine } from '../stream/listener.ts'
import { LISTENER_LIMITS, type ListenerLimits } from '../stream/peer-socket.ts'
import type { HandshakeFailure, TlsMaterial } from '../stream/tls-acceptor.ts'
import type { CoapLimits } from './limits.ts'
import type { MessageContext } from './message-context.ts'
import { StreamContext } from './stream-context.ts'
import { StreamListener, type StreamTransport } from './stream-listener.ts'

export interface StreamServerParts {
  readonly clock: Clock
  readonly random: Random
  readonly meter: Meter
  readonly limits: CoapLimits
  /** Bounds on a connection before CoAP is spoken over it. */
  readonly listenerLimits?: Partial<ListenerLimits>
}

/** What TLS and the audit trail ask for, beside certificates. */
export interface StreamTrust {
  /** null for whatever is unknown, revoked or expired. */
  readonly pskKey: (identity: string) => Buffer | null
  readonly onHandshakeFailure: (failure: HandshakeFailure) => void
  readonly handshakes: HandshakeLine
}

export interface StreamAddress {
  readonly host: string
  /** 0 = any free port. */
  readonly port: number
}

/** For servers without TLS. */
export const NO_TRUST: StreamTrust = {
  pskKey: () => null,
  onHandshakeFailure: () => {},
  handshakes: {
    handshake(_address, begin) {
      begin()
      return { leave: () => {} }
    },
  },
}

const ID_BYTES = 9

export class StreamServer {
  readonly #context: MessageContext
  readonly #random: Random
  readonly #streams: StreamContext
  readonly #admission: Admission
  readonly #limits: ListenerLimits
  readonly #listeners: StreamListener[] = []
  #closed = false

  constructor(context: MessageContext, { clock, random, meter, limits, listenerLimits }: StreamServerParts) {
    this.#context = context
    this.#random = random
    this.#streams = new StreamContext(meter)
    const bounds = {
      maximumConnections: limits.connections,
      maximumConnectionsPerAddress: limits.connectionsPerAddress,
      maximumWaiting: limits.connectionsWaiting,
      maximumWaitingPerAddress: limits.connectionsWaitingPerAddress,
      waitingGrace: limits.connectionGrace,
    }
    this.#admission = new Admission(bounds, clock, meter, 'coap')
    this.#limits = { ...LISTENER_LIMITS, ...listenerLimits, maximumWebSocketMessage: limits.streamMessageBytes }
  }

  /** Opens a port. `material` for `coaps+tcp` and `coaps+ws`. Throws `listener-failed`. */
  async listen(
    name: StreamTransport,
    { host, port }: StreamAddress,
    material: TlsMaterial | null = null,
    trust: StreamTrust = NO_TRUST,
  ): Promise<{ host: string; port: number }> {
    const listener = await StreamListener.open(this.#context, this.#streams, {
      name,
      host,
      port,
      material,
      ...trust,
      admission: this.#admission,
      random: this.#random,
      limits: this.#limits,
      id: this.#random.bytes(ID_BYTES).toString('base64url'),
    })
    if (this.#closed) await listener.close()
    else this.#listeners.push(listener)
    return { host: listener.host, port: listener.port }
  }

  /** New handshakes use this; connections that are open stay. */
  setMaterial(material: TlsMaterial): void {
    for (const listener of this.#listeners) listener.setMaterial(material)
  }

  async close(): Promise<void> {
    this.#closed = true
    await Promise.all(this.#listeners.map(listener => listener.close()))
  }
}
