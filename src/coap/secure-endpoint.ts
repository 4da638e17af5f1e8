// A DTLS session as an endpoint of messages. A class: there are as many as devices, and functions of each one's own take memory.
import { peerAddress } from '../auth/peer-address.ts'
import type { DtlsSession } from '../dtls/session.ts'
import type { Endpoint, Shown } from './endpoint.ts'
import type { MessageCounters } from './message-counters.ts'

export class SecureEndpoint implements Endpoint {
  readonly sessionId: string
  readonly transport = 'coaps'
  readonly address: string
  readonly shown: Shown
  readonly reliable = false
  readonly #session: DtlsSession
  readonly #counters: MessageCounters

  constructor(sessionId: string, session: DtlsSession, shown: Shown, counters: MessageCounters) {
    this.sessionId = sessionId
    this.address = peerAddress(session.peer.address)
    this.shown = shown
    this.#session = session
    this.#counters = counters
  }

  get largestMessage(): number {
    return this.#session.maximumPayload
  }

  send(bytes: Buffer): void {
    if (!this.#session.isOpen) return
    if (bytes.length > this.largestMessage) this.#counters.dropped('size')
    else this.#session.send(bytes)
  }

  close(): void {
    this.#session.close()
  }
}
