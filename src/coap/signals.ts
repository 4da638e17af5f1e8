import type { FramedMessage } from '../coap-wire/frame.ts'
import { BASE_CAPABILITIES, type Capabilities, readSignal, type Signal } from '../coap-wire/signalling.ts'

/** What the other end of a connection has said that it can do. */
export class Signals {
  #theirs: Capabilities = BASE_CAPABILITIES
  #hasBegun = false

  get theirs(): Capabilities {
    return this.#theirs
  }

  /** Its first CSM has come (RFC 8323 5.3). */
  get hasBegun(): boolean {
    return this.#hasBegun
  }

  /** It takes blocks of several times 1024 bytes (RFC 8323 5.3.2, 6). */
  get speaksBert(): boolean {
    return this.#theirs.blockWise && this.#theirs.maxMessageSize > BASE_CAPABILITIES.maxMessageSize
  }

  read(message: FramedMessage): Signal {
    const signal = readSignal(message, this.#theirs)
    if (signal.kind === 'csm') {
      this.#theirs = signal.capabilities
      this.#hasBegun = true
    }
    return signal
  }
}
