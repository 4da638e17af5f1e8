// What all peers of a server share.
import type { RepeatingEncoder } from '../coap-wire/encode.ts'
import type { Clock } from '../model/clock.ts'
import type { Log } from '../model/log.ts'
import type { Meter } from '../model/meter.ts'
import type { Dispatcher } from './dispatcher.ts'
import type { CoapLimits } from './limits.ts'
import type { MessageCounters } from './message-counters.ts'
import type { MessageDice } from './message-dice.ts'
import type { Peers } from './peers.ts'
import type { KeptBytes } from './recent-exchanges.ts'
import type { Peer } from './resource.ts'
import type { TimerWheel } from './timer-wheel.ts'

export interface MessageContext {
  readonly limits: CoapLimits
  readonly clock: Clock
  readonly log: Log
  readonly meter: Meter
  readonly wheel: TimerWheel
  readonly dice: MessageDice
  readonly counters: MessageCounters
  readonly dispatcher: Dispatcher
  readonly peers: Peers
  readonly kept: KeptBytes
  readonly notifications: RepeatingEncoder
  /**
   * For listeners whose channels prove somebody, when one has opened: it is closed again when the door refuses. Never
   * rejects.
   */
  readonly admit: (peer: Peer) => Promise<void>
}
