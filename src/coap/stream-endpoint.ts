import type { Duplex } from 'node:stream'
import type { ChannelProof } from '../stream/peer-socket.ts'
import type { CoapTransport, Endpoint, Shown } from './endpoint.ts'
import type { Framing } from './framing.ts'
import type { Signals } from './signals.ts'

/** A connection whose handshakes are over. */
export interface Connection extends ChannelProof {
  readonly stream: Duplex
  readonly transport: CoapTransport
  /** Remote address without port. */
  readonly address: string
  readonly framing: Framing
  /** Somebody was let in by it. */
  admitted(): void
}

/** Where frames of one peer come from and go to. */
export class StreamEndpoint implements Endpoint {
  readonly sessionId: string
  readonly transport: CoapTransport
  readonly address: string
  readonly reliable = true
  readonly send: (bytes: Buffer) => void
  readonly close: () => void
  readonly #connection: Connection
  readonly #signals: Signals

  constructor(connection: Connection, id: string, signals: Signals, ways: Pick<Endpoint, 'send' | 'close'>) {
    this.#connection = connection
    this.#signals = signals
    this.sessionId = id
    this.transport = connection.transport
    this.address = connection.address
    this.send = ways.send
    this.close = ways.close
  }

  /** Read when it is judged: a key may have been replaced since the handshake. */
  get shown(): Shown {
    const { certificates, pskIdentity } = this.#connection
    return { certificates, pskIdentity }
  }

  get largestMessage(): number {
    return this.#signals.theirs.maxMessageSize
  }

  get speaksBert(): boolean {
    return this.#signals.speaksBert
  }
}
