// The last packet of a connection that the broker ends.
import { FAILURES, type FailureCode } from '../model/failure.ts'
import { type AnswerTerms, encodeRefusal } from './answer-terms.ts'
import { encodeConnack, encodeDisconnect } from './encode.ts'

/** DISCONNECT knows fewer reason codes than CONNACK (MQTT 5, 3.14.2.1), and the other way round (MQTT 5, 3.2.2.2). */
const NOT_IN_DISCONNECT: ReadonlySet<number> = new Set([0x84, 0x85, 0x86, 0x88, 0x8a, 0x8c])
const NOT_IN_CONNACK: ReadonlySet<number> = new Set([0x8b, 0x8d, 0x8e, 0x8f, 0x93, 0x94])
const UNSPECIFIED = 0x80

/**
 * What tells the client why [MQTT-4.13.1-1]; null where nothing can. No reason string before CONNACK: what a stranger may
 * know is in the code. `terms` are null before a valid CONNECT; `isConnected` once CONNACK is out.
 */
export function goodbye(failure: FailureCode, terms: AnswerTerms | null, isConnected: boolean): Buffer | null {
  const { mqtt3, mqtt5 } = FAILURES[failure]
  if (failure === 'protocol-version') return encodeConnack(4, mqtt3, false)
  if (terms === null) return null
  if (terms.version !== 5) return isConnected ? null : encodeConnack(terms.version, mqtt3, false)
  const code = (isConnected ? NOT_IN_DISCONNECT : NOT_IN_CONNACK).has(mqtt5) ? UNSPECIFIED : mqtt5
  const frame = isConnected
    ? encodeRefusal(failure, terms, reason => encodeDisconnect(code, reason))
    : encodeConnack(5, code, false)
  return frame.length <= terms.maximumPacketSize ? frame : null // [MQTT-3.1.2-24]
}
