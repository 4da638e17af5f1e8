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
 * A refusal for somebody who was let in, with the failure's code as Reason String: the code that stands in the audit
 * trail and in docs/failures.md. Without it where the client did not ask, has no room for it [MQTT-3.4.2-2]
 * [MQTT-3.14.2-3], or need not know: who it is in doubt (like a revoked credential), or the broker's own troubles.
 */
export function encodeRefusal(failure: FailureCode, terms: AnswerTerms, encode: (reason?: string) => Buffer): Buffer {
  const { http } = FAILURES[failure]
  if (terms.wantsReasons && http !== 401 && http < 500) {
    const told = encode(failure)
    if (told.length <= terms.maximumPacketSize) return told
  }
  return encode()
}
