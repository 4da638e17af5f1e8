// The last packet of a connection that the broker ends.
import { FAILURES, type FailureCode } from '../model/failure.ts'
import { encodeConnack, encodeDisconnect } from './encode.ts'
import type { ProtocolVersion } from './packets.ts'

/** DISCONNECT knows fewer reason codes than CONNACK (MQTT 5, 3.14.2.1), and the other way round (MQTT 5, 3.2.2.2). */
const NOT_IN_DISCONNECT: ReadonlySet<number> = new Set([0x84, 0x85, 0x86, 0x88, 0x8a, 0x8c])
const NOT_IN_CONNACK: ReadonlySet<number> = new Set([0x8b, 0x8d, 0x8e, 0x8f, 0x93, 0x94])
const UNSPECIFIED = 0x80

/**
 * What tells the client why [MQTT-4.13.1-1]; null where nothing can. No reason string: what a stranger may know is in
 * the code. `version` is null before a valid CONNECT; `isConnected` once CONNACK is out.
 */
export function goodbye(failure: FailureCode, version: ProtocolVersion | null, isConnected: boolean): Buffer | null {
  const { mqtt3, mqtt5 } = FAILURES[failure]
  if (failure === 'protocol-version') return encodeConnack(4, mqtt3, false)
  if (version === null) return null
  if (version !== 5) return isConnected ? null : encodeConnack(version, mqtt3, false)
  if (isConnected) return encodeDisconnect(NOT_IN_DISCONNECT.has(mqtt5) ? UNSPECIFIED : mqtt5)
  return encodeConnack(5, NOT_IN_CONNACK.has(mqtt5) ? UNSPECIFIED : mqtt5, false)
}
