// What may stand in the answers to one client, beside what the standard demands.
import { FAILURES, type FailureCode } from '../model/failure.ts'
import type { ConnectPacket, ProtocolVersion } from './packets.ts'

/** As CONNECT asked for. */
export interface AnswerTerms {
  readonly version: ProtocolVersion
  /** Bytes; Infinity without a limit (MQTT 5, 3.1.2.11.4). */
  readonly maximumPacketSize: number
  /** Request Problem Information (MQTT 5, 3.1.2.11.7). */
  readonly wantsReasons: boolean
}

export function answerTerms({ version, properties }: ConnectPacket): AnswerTerms {
  const { maximumPacketSize = Number.POSITIVE_INFINITY, requestProblemInformation = true } = properties
  return { version, maximumPacketSize, wantsReasons: version === 5 && requestProblemInformation } // [MQTT-3.1.2-29]
}

/**
 * What somebody who was let in reads as Reason String: the failures' codes, as they stand in the audit trail and in
 * docs/failures.md. null where the client did not ask, or need not know: who it is in doubt (like a revoked credential),
 * or the broker's own troubles.
 */
export function reasonFor(failures: readonly FailureCode[], { wantsReasons }: AnswerTerms): string | null {
  if (!wantsReasons) return null
  const told = new Set(failures.filter(failure => FAILURES[failure].http !== 401 && FAILURES[failure].http < 500))
  return told.size > 0 ? [...told].join(', ') : null
}

/** A refusal, with the reason where the client has room for it [MQTT-3.4.2-2] [MQTT-3.14.2-3]. */
export function encodeRefusal(failure: FailureCode, terms: AnswerTerms, encode: (reason?: string) => Buffer): Buffer {
  const reason = reasonFor([failure], terms)
  if (reason !== null) {
    const told = encode(reason)
    if (told.length <= terms.maximumPacketSize) return told
  }
  return encode()
}
