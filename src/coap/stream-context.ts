// What all connections of a server share, beside what all peers do.
import type { Meter } from '../model/meter.ts'
import { WriteTurn } from '../stream/write-turn.ts'

/** Why a connection ended, as the meter counts it. */
export type StreamEnding =
  /** The peer closed it, with or without Release. */
  | 'peer'
  /** The peer sent Abort. */
  | 'aborted'
  /** No CSM in time. */
  | 'csm-timeout'
  /** Not CoAP, or not in the order of RFC 8323. */
  | 'malformed'
  /** A message longer than offered. */
  | 'too-large'
  /** A critical option of a signal that is not understood. */
  | 'option'
  /** No Pong in time. */
  | 'no-pong'
  /** Nobody was let in by it, and it asked for nothing. */
  | 'idle'
  /** Too many unfinished messages, of all connections together. */
  | 'memory'
  /** Whoever it proved may speak no more. */
  | 'ended'
  | 'shutting-down'

/** Bytes of all connections, and the writing of what one turn of the event loop has made. */
export class StreamContext extends WriteTurn {
  /** Bytes of messages that have not come as a whole. */
  unread = 0
  readonly #meter: Meter

  constructor(meter: Meter) {
    super()
    this.#meter = meter
    meter.gauge('latchkey_coap_backlog_bytes', 'Bytes that wait for readers of CoAP connections', () => this.backlog)
    meter.gauge('latchkey_coap_unread_bytes', 'Bytes of CoAP messages that have not come as a whole', () => this.unread)
  }

  ended(reason: StreamEnding): void {
    this.#meter.count('latchkey_coap_connections_ended_total', { reason })
  }
}
