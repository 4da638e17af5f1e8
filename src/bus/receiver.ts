// The two ports of the bus: who gets messages, and what answers in place of a topic.
import type { IncomingMessage } from '../model/message.ts'
import type { Principal } from '../model/principal.ts'
import type { Lane, Message } from './message.ts'

/** What is particular to one delivery of a message that many may get. */
export interface Delivered {
  readonly retain: boolean
  /** Subscription identifiers of all matching subscriptions [MQTT-3.3.4-3]. */
  readonly identifiers: readonly number[]
}

/**
 * Takes messages for one session while it is online: an MQTT connection, a CoAP observation. It never waits and never
 * makes others wait.
 */
export interface Receiver {
  /**
   * Whoever is on a lane takes the same bytes as the others for a QoS 0 message that has nothing particular.
   * null: every message is handed over singly.
   */
  readonly lane: Lane | null
  /** Too slow just now: QoS 0 is dropped, the rest stays in the session's queue. */
  readonly congested: boolean
  /** Bytes of its lane: so many QoS 0 messages, made once for everybody on it. */
  share(bytes: Buffer, count: number): void
  /** QoS 0. */
  send(message: Message, delivered: Delivered): void
  /** Something has been added to the session's queue. */
  queued(): void
}

/** Answers under a name of its own (`$latchkey/...`): what is published there is handled, never retained, queued or routed. */
export interface ServiceTopic {
  readonly topic: string
  /** Resolves when the request is done with, which is when the sender gets its acknowledgement. */
  handle(request: IncomingMessage, from: Principal): Promise<void>
}
