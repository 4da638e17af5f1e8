// A reader with a persistent session that goes away and comes back: what was sent meanwhile must be waiting for it.
import type { BrokerAddress } from './devices/home-device.ts'
import type { WireMessage } from './message.ts'
import { type Entry, TurnedAway, Visitor } from './visitor.ts'

/** Seconds that its session is kept. */
const KEPT = 600
/** Everything that is sent with QoS 1. */
const FILTERS = ['home/+/temperature', 'home/+/alert', 'home/+/ac/+']
/** Messages kept at most. */
const MOST = 100_000

export class AbsentReader {
  readonly #address: BrokerAddress
  readonly #login: Pick<Entry, 'clientId' | 'username' | 'password'>
  readonly received: WireMessage[] = []
  #visitor: Visitor | null = null
  /** `performance.now()` from which on it is away. */
  #leftAt: number | null = null

  constructor(address: BrokerAddress, login: Pick<Entry, 'clientId' | 'username' | 'password'>) {
    this.#address = address
    this.#login = login
  }

  get leftAt(): number | null {
    return this.#leftAt
  }

  /** Leaves a session behind. */
  async leave(): Promise<void> {
    const visitor = await this.#enter()
    for (const filter of FILTERS) {
      const code = await visitor.subscribe(filter)
      if (code >= 0x80) throw new Error(`its subscription to ${filter} was refused`)
    }
    await visitor.leave()
    this.#leftAt = performance.now()
  }

  /** Comes back to the same session. */
  async comeBack(): Promise<void> {
    this.#visitor = await this.#enter()
  }

  async close(): Promise<void> {
    await this.#visitor?.leave()
    this.#visitor = null
  }

  /** What comes before it leaves counts as well: its sender may learn only afterwards that it has arrived. */
  async #enter(): Promise<Visitor> {
    const visitor = await Visitor.enter(this.#address, {
      ...this.#login,
      sessionExpiry: KEPT,
      onMessage: message => {
        if (this.received.length < MOST) this.received.push(message)
      },
    })
    if (visitor instanceof TurnedAway) throw new Error(`the reader was answered with ${visitor.evidence}`)
    return visitor
  }
}
