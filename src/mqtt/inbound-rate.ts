// How fast one connection may send.
import { type Rate, TokenBucket } from './token-bucket.ts'

export interface InboundRateLimits {
  /** PUBLISH packets a second from one connection; 0 = as many as come. */
  readonly messageRate: number
  /** Of them at once, after a rest. */
  readonly messageBurst: number
  /** Bytes of all packets a second from one connection; 0 = as many as come. */
  readonly byteRate: number
  readonly byteBurst: number
}

/** High enough for a gateway that speaks for a whole building. */
export const INBOUND_RATE_LIMITS: InboundRateLimits = {
  messageRate: 20_000,
  messageBurst: 40_000,
  byteRate: 32 * 1024 * 1024,
  byteBurst: 64 * 1024 * 1024,
}

/** Which limit was passed, and milliseconds until it is made up for. */
export interface Overrun {
  readonly reason: 'messages' | 'bytes'
  readonly pause: number
}

/** Counts read by read, never packet by packet: the bound is passed by one read at most. */
export class InboundRate {
  readonly #messageRate: Rate
  readonly #byteRate: Rate
  readonly #messages: TokenBucket
  readonly #bytes: TokenBucket

  /** `now` in milliseconds. */
  constructor(limits: InboundRateLimits, now: number) {
    this.#messageRate = { perSecond: limits.messageRate, burst: limits.messageBurst }
    this.#byteRate = { perSecond: limits.byteRate, burst: limits.byteBurst }
    this.#messages = new TokenBucket(this.#messageRate, now)
    this.#bytes = new TokenBucket(this.#byteRate, now)
  }

  /** Counts one read; null: it may go on at once. */
  spend(messages: number, bytes: number, now: number): Overrun | null {
    const messagesLeft = this.#messages.spend(this.#messageRate, messages, now)
    const bytesLeft = this.#bytes.spend(this.#byteRate, bytes, now)
    if (messagesLeft >= 0 && bytesLeft >= 0) return null
    const forMessages = pauseFor(messagesLeft, this.#messageRate)
    const forBytes = pauseFor(bytesLeft, this.#byteRate)
    return forMessages >= forBytes ? { reason: 'messages', pause: forMessages } : { reason: 'bytes', pause: forBytes }
  }
}

const pauseFor = (left: number, { perSecond }: Rate): number => (left < 0 ? Math.ceil((-left / perSecond) * 1000) : 0)
