// The AUTH conversations of one connection (MQTT 5, 4.12): the one that CONNECT began, and re-authentications after it.
// Which methods there are, `auth` says.
import type { Exchange } from '../auth/exchange.ts'
import { Failure } from '../model/failure.ts'
import type { Principal } from '../model/principal.ts'
import type { Connection } from './connection.ts'
import { encodeAuth } from './encode.ts'
import { type AuthPacket, REASON } from './packets.ts'
import { violation } from './property-table.ts'

/** What the conversation needs of a connection. */
type Line = Pick<Connection, 'push' | 'hold' | 'release'>

/** `data`: the method's last word to the client, for CONNACK or AUTH. */
export interface Authenticated {
  readonly principal: Principal
  readonly data: Buffer | null
}

export class EnhancedAuthentication {
  readonly #method: string
  readonly #connection: Line
  readonly #room: number
  #isRunning = false
  #answer: ((data: Buffer | null) => void) | null = null

  /** `room`: bytes of a packet to the client. */
  constructor(method: string, connection: Line, room = Number.POSITIVE_INFINITY) {
    this.#method = method
    this.#connection = connection
    this.#room = room
  }

  /** Resolves with who it is; rejects with a Failure. `first` is the data that came with CONNECT. */
  async run(exchange: Exchange, first: Buffer | null): Promise<Authenticated> {
    this.#isRunning = true
    for (let data = first; ; ) {
      const step = await exchange.step(data)
      if (step.state === 'done') {
        this.#isRunning = false
        return step
      }
      this.#send(REASON.continueAuthentication, step.data)
      data = await this.#next()
    }
  }

  /** The client's next word. [MQTT-4.12.0-5] the method stays the same. */
  received(packet: AuthPacket): void {
    if (this.#answer === null || packet.reason !== REASON.continueAuthentication) throw violation('AUTH out of turn')
    const data = this.#dataOf(packet)
    const answer = this.#answer
    this.#answer = null
    answer(data)
  }

  /**
   * The client begins a re-authentication [MQTT-4.12.1-1]. What it sends meanwhile waits while we judge, and is read under
   * the old principal between a challenge and its answer. Rejects as `run` does, and then the connection must end
   * [MQTT-4.12.1-2].
   */
  async again(
    packet: AuthPacket,
    begin: (method: string) => Exchange,
    renew: (to: Principal) => Promise<void>,
  ): Promise<void> {
    if (this.#isRunning) throw violation('a re-authentication within another')
    const first = this.#dataOf(packet)
    const { principal, data } = await this.run(begin(this.#method), first)
    await renew(principal)
    this.#send(REASON.success, data)
    this.#connection.release()
  }

  /** [MQTT-3.1.2-24] */
  #send(reason: number, data: Buffer | null): void {
    const frame = encodeAuth(reason, this.#method, data)
    if (frame.length > this.#room)
      throw new Failure(
        'too-large',
        `AUTH has ${frame.length} bytes, and the client takes ${this.#room}: let it take more.`,
      )
    this.#connection.push(frame)
  }

  #dataOf({ properties: { authenticationMethod, authenticationData } }: AuthPacket): Buffer | null {
    if (authenticationMethod !== this.#method) throw violation('another authentication method')
    this.#connection.hold()
    return authenticationData ?? null
  }

  #next(): Promise<Buffer | null> {
    return new Promise(resolve => {
      this.#answer = resolve
      this.#connection.release()
    })
  }
}
