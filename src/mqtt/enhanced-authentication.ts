// The AUTH conversation of enhanced authentication (MQTT 5, 4.12). Which methods there are, `auth` says.
import type { Exchange } from '../auth/authenticator.ts'
import type { Principal } from '../model/principal.ts'
import type { Connection } from './connection.ts'
import { encodeAuth } from './encode.ts'
import { type AuthPacket, REASON } from './packets.ts'
import { violation } from './property-table.ts'

/** What the conversation needs of a connection. */
type Line = Pick<Connection, 'push' | 'hold' | 'release'>

export class EnhancedAuthentication {
  readonly #method: string
  readonly #connection: Line
  #answer: ((data: Buffer | null) => void) | null = null

  constructor(method: string, connection: Line) {
    this.#method = method
    this.#connection = connection
  }

  /** Resolves with who it is; rejects with a Failure. `first` is the data that came with CONNECT. */
  async run(exchange: Exchange, first: Buffer | null): Promise<Principal> {
    for (let data = first; ; ) {
      const step = await exchange.step(data)
      if (step.state === 'done') {
        if (step.principal !== undefined) return step.principal
        throw new Error(`the authentication method ${this.#method} ended without a principal`)
      }
      this.#connection.push(encodeAuth(REASON.continueAuthentication, this.#method, step.data))
      data = await this.#next()
    }
  }

  /** The client's next word. [MQTT-4.12.0-5] the method stays the same. */
  received({ reason, properties }: AuthPacket): void {
    if (this.#answer === null || reason !== REASON.continueAuthentication) throw violation('AUTH out of turn')
    if (properties.authenticationMethod !== this.#method) throw violation('another authentication method')
    this.#connection.hold()
    const answer = this.#answer
    this.#answer = null
    answer(properties.authenticationData ?? null)
  }

  #next(): Promise<Buffer | null> {
    return new Promise(resolve => {
      this.#answer = resolve
      this.#connection.release()
    })
  }
}
