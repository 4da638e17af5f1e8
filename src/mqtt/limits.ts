import type { ConnectionLimits } from './connection.ts'
import { INBOUND_RATE_LIMITS, type InboundRateLimits } from './inbound-rate.ts'

/** Every bound on an MQTT client. */
export interface MqttLimits extends ConnectionLimits, InboundRateLimits {
  /** Seconds; MQTT 5 clients that ask for more, or for none, are told this one. */
  readonly maxKeepAlive: number
  /** Seconds; the longest Session Expiry Interval granted. */
  readonly sessionExpiry: number
  /** QoS 1 and 2 messages that an MQTT 5 client may have in flight to us. */
  readonly receiveMaximum: number
  /** QoS 2 messages that an MQTT 3 client, who cannot be told, may leave unreleased. */
  readonly halfOpenMaximum: number
  /** Topic aliases that a client may set. */
  readonly topicAliasMaximum: number
  /** Seconds from the open connection to an accepted CONNECT. */
  readonly connectTimeout: number
  /** Filters of one SUBSCRIBE that are judged; the rest of them is refused. */
  readonly filtersPerPacket: number
  /** Messages of one client inside the engine before its socket is paused. */
  readonly outstanding: number
  /** Milliseconds between two looks at who was silent for too long. */
  readonly sweepInterval: number
}

export const MQTT_LIMITS: MqttLimits = {
  ...INBOUND_RATE_LIMITS,
  connectBytes: 64 * 1024,
  maximumPacketSize: 1024 * 1024,
  outQueueBytes: 1024 * 1024,
  totalOutQueueBytes: 256 * 1024 * 1024,
  heldBytes: 128 * 1024,
  lingerTimeout: 2000,
  maxKeepAlive: 1200,
  sessionExpiry: 604_800,
  receiveMaximum: 100,
  halfOpenMaximum: 10_000,
  topicAliasMaximum: 10,
  connectTimeout: 10,
  filtersPerPacket: 1000,
  outstanding: 512,
  sweepInterval: 500,
}
