// The port between the message layer and what it serves.
import type { CoapOption } from '../coap-wire/message.ts'
import type { Block } from './block2.ts'
import type { Endpoint } from './endpoint.ts'

/** What became of a notification. `reset` may follow `sent`. */
export type Fate =
  /** Non-confirmable: it has left. */
  | 'sent'
  | 'acknowledged'
  /** The peer does not want it: RST (RFC 7641 3.6). */
  | 'reset'
  /** Never acknowledged (RFC 7641 4.5). */
  | 'timeout'
  /** The queue was full, and it was the oldest. */
  | 'dropped'
  /** A newer state of the same took its place before it was acknowledged (RFC 7641 4.5.2). */
  | 'replaced'

export interface Notification {
  readonly token: Buffer
  readonly code: number
  /** In ascending order. */
  readonly options: readonly CoapOption[]
  readonly payload: Buffer
  readonly confirmable: boolean
  /**
   * What GET gives, not an event: a newer one with the same token may take its place while it waits (RFC 7641 4.5.2). Others
   * leave each. Of one that is longer than a block, datagrams take the first, and GET gives the rest (RFC 7959 2.6).
   */
  readonly state?: boolean
  /** Blocks are to be no longer than of this size exponent: the observer has asked for that (RFC 7959 2.6). */
  readonly sizeExponent?: number
  /** Asked before it leaves or is repeated: false when it has expired or is not permitted any more, and is dropped then. */
  mayLeave?(): boolean
  readonly onFate: (fate: Fate) => void
}

/** Somebody who asks, as resources see them: an endpoint with its exchanges. */
export interface Peer {
  readonly endpoint: Endpoint
  /** Never waits: one confirmable at a time (NSTART), the others queue, the oldest is dropped (RFC 7252 4.7). */
  notify(notification: Notification): void
  /**
   * Synchronous: what waits or is being repeated under this token leaves no more, and its fate is not told. What comes
   * next does not wait for its acknowledgement. Observations end with it, before their last notification.
   */
  withdraw(token: Buffer): void
  /**
   * Asks whether somebody is there, and says nothing else (RFC 7252 4.3: ping). Left out where the transport sees to that.
   */
  probe?(told: (isThere: boolean) => void): void
  /** Called once, when the peer is forgotten: its endpoint closed, or made room for others. */
  onGone(listener: () => void): void
  /** Somebody stands behind it now: whoever is a stranger makes room before it does. */
  prove(): void
}

export interface Request {
  readonly peer: Peer
  /** Method code: 1 GET, 2 POST, 3 PUT, 4 DELETE. */
  readonly method: number
  readonly confirmable: boolean
  readonly token: Buffer
  /** Uri-Path, one element per option, valid UTF-8. */
  readonly path: readonly string[]
  /** Uri-Query `name=value`; a name without `=` has the value ''. The first of equal names counts. */
  readonly query: ReadonlyMap<string, string>
  /** Observe (RFC 7641 2): 0 registers, 1 deregisters; null without the option. */
  readonly observe: number | null
  readonly contentFormat: number | null
  readonly accept: number | null
  /** The block of the answer that is asked for (RFC 7959 2.4). Answers are given whole all the same. */
  readonly block2: Block | null
  readonly options: readonly CoapOption[]
  /** The whole of it, also when it came in blocks. */
  readonly payload: Buffer
}

export interface Response {
  /** Class and detail in one byte: 0x45 is 2.05. */
  readonly code: number
  /** In ascending order. */
  readonly options?: readonly CoapOption[]
  readonly payload?: Buffer
}

/**
 * Answers for a path and everything below it. Malformed messages, unknown critical options, methods it does not name and
 * unproved addresses never reach it; duplicates reach it once. A Failure it throws becomes the code of its catalogue row.
 */
export interface Resource {
  readonly path: readonly string[]
  readonly methods: ReadonlySet<number>
  /** What it does counts against the peer's address, so that must be proved first (RFC 9175 2.4), whatever the request. */
  readonly needsProvedAddress?: boolean
  /** Bytes of the longest payload, put together from blocks; `payloadBytes` unless it says otherwise. */
  readonly bodyBytes?: number
  /**
   * Asked before the first block of a payload is kept: throws, or rejects with, what `handle` would answer without looking
   * at the payload, so that nobody holds our memory who would be refused in the end.
   */
  admit?(request: Request): void | Promise<void>
  handle(request: Request): Response | Promise<Response>
}
