import type { Connection } from './connection.ts'
import type { GateContext } from './gate-context.ts'
import { InboundRate, type Overrun } from './inbound-rate.ts'

/** Milliseconds: a timer takes no more. */
const LONGEST = 0x7fff_ffff

/**
 * Whoever sends faster than it may is not read for a while: TCP makes it wait, nothing is lost and nothing refused. Its
 * silence meanwhile is ours (`Connection.isDeaf`).
 */
export class Throttle {
  readonly #id: string
  readonly #connection: Pick<Connection, 'pause' | 'resume' | 'lastSeen'>
  readonly #context: Pick<GateContext, 'meter' | 'log'>
  readonly #rate: InboundRate
  #timer: NodeJS.Timeout | undefined

  /** `id`: of the connection, for the log. */
  constructor(
    id: string,
    connection: Pick<Connection, 'pause' | 'resume' | 'lastSeen'>,
    context: Pick<GateContext, 'limits' | 'meter' | 'log'>,
  ) {
    this.#id = id
    this.#connection = connection
    this.#context = context
    this.#rate = new InboundRate(context.limits, connection.lastSeen)
  }

  /** To be called after each read with the PUBLISH packets and the bytes in it. */
  endOfRead(messages: number, bytes: number): void {
    const overrun = this.#rate.spend(messages, bytes, this.#connection.lastSeen)
    if (overrun !== null && this.#timer === undefined) this.#pause(overrun)
  }

  /** The connection has ended. */
  stop(): void {
    clearTimeout(this.#timer)
  }

  #pause({ reason, pause }: Overrun): void {
    const { meter, log } = this.#context
    meter.count('latchkey_mqtt_throttled_total', { reason })
    log.debug({ connection: this.#id, reason, pause }, 'a client sends faster than it may')
    this.#connection.pause()
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined
        this.#connection.resume()
      },
      Math.min(pause, LONGEST),
    )
  }
}
