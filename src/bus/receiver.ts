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
  /**
   * QoS 1 or 2 for a session that ends with its connection: nobody will repeat it, so nothing of it is kept. It leaves at
   * once, and only the receiver awaits what acknowledges it. False when it cannot leave now: it waits in the session's queue.
   */
  pass(message: Message, delivered: Delivered, qos: 1 | 2): boolean
  /** Something has been added to the session's queue. */
  queued(): void
}

/** The very connection that a request came by: what is answered here reaches nobody else, and nobody after its end. */
export interface Requester {
  /** Bytes of the largest packet that it takes; Infinity without a limit. */
  readonly room: number
  /**
   * Goes out as QoS 0 on this connection alone, whatever is subscribed: never routed, retained, queued or kept.
   * Returns false when the connection is over, or the packet is larger than it takes.
   */
  answer(message: Pick<IncomingMessage, 'topic' | 'payload' | 'properties'>): boolean
}

/** Answers under a name of its own (`$latchkey/...`): what is published there is handled, never retained, queued or routed. */
export interface ServiceTopic {
  readonly topic: string
  /**
   * Resolves when the request is done with, which is when the sender gets its acknowledgement.
   * `requester` is absent where a protocol has no connection that an answer could go to.
   */
  handle(request: IncomingMessage, from: Principal, requester?: Requester): Promise<void>
}
