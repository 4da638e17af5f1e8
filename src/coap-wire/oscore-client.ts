// The side that asks (RFC 8613 8.1, 8.4): for devices, and for whoever tests as one.
import type { CoapMessage } from './message.ts'
import { OPTION, optionOf, uintValue } from './options.ts'
import { LAST_SEQUENCE } from './oscore-cose.ts'
import { deriveKeys, type OscoreKeys, type OscoreParameters } from './oscore-keys.ts'
import { protectRequest, type RequestBinding, verifyResponse } from './oscore-message.ts'
import { decodeOscoreOption } from './oscore-option.ts'
import { NotificationNumber } from './oscore-replay.ts'

/**
 * Sequence numbers that were never used before, not even before a restart: whoever keeps them writes down a higher one
 * before using those below it (RFC 8613 B.1.1).
 */
export interface OscoreSequence {
  /** The next one. Throws when there is none left. */
  next(): number
}

/** Ascending from 0, forgotten with the process: for keys that are not older than it. */
export function freshSequence(from = 0): OscoreSequence {
  let sequence = from - 1
  return {
    next() {
      if (sequence >= LAST_SEQUENCE) throw new RangeError('this OSCORE context has used all its sequence numbers')
      sequence += 1
      return sequence
    },
  }
}

/** A request that was protected, and what is needed to read its responses. */
export interface OscoreExchange {
  /** What to send; token and message id may still be set on a copy. */
  readonly message: CoapMessage
  readonly binding: RequestBinding
  readonly notifications: NotificationNumber
}

/** Why a response is not to be believed. */
export type OscoreRefusal =
  /** It has no OSCORE option: an error of whoever could not read the request, or of somebody in between. */
  | 'unprotected'
  /** Not protected by the other end of this context, not for this request, or malformed. */
  | 'unverified'
  /** A notification that is not newer than those before. */
  | 'stale'

export class OscoreContext {
  readonly keys: OscoreKeys
  readonly #sequence: OscoreSequence

  /** Throws RangeError for parameters that make no context. */
  constructor(parameters: OscoreParameters, sequence: OscoreSequence) {
    this.keys = deriveKeys(parameters)
    this.#sequence = sequence
  }

  /** Repeating it means sending the very same bytes: what is protected anew is another request. */
  protectRequest(message: CoapMessage): OscoreExchange {
    return { ...protectRequest(this.keys, message, this.#sequence.next()), notifications: new NotificationNumber() }
  }

  /**
   * The response as its sender meant it. Observe of a notification holds the low 24 bits of its partial IV (RFC 8613
   * 4.1.3.5.2), so that it can be ordered like any other.
   */
  unprotectResponse(message: CoapMessage, exchange: OscoreExchange): CoapMessage | OscoreRefusal {
    const value = optionOf(message, OPTION.OSCORE)
    if (value === null) return 'unprotected'
    const option = decodeOscoreOption(value)
    const verified = option === null ? null : verifyResponse(this.keys, message, option, exchange.binding)
    if (verified === null) return 'unverified'
    const { message: inner, sequence } = verified
    if (optionOf(inner, OPTION.Observe) === null) return inner
    if (!exchange.notifications.accept(sequence)) return 'stale'
    const observe = { number: OPTION.Observe, value: uintValue((sequence ?? 0) % 0x1000000) }
    return { ...inner, options: inner.options.map(each => (each.number === OPTION.Observe ? observe : each)) }
  }
}
