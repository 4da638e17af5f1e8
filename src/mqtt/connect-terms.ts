// What a CONNECT asks for and what it gets.
import { NEVER, type Will } from '../bus/session.ts'
import type { Evidence } from '../model/evidence.ts'
import type { PeerSocket } from '../stream/peer-socket.ts'
import type { DeliveryTerms } from './delivery.ts'
import type { ConnackProperties } from './encode.ts'
import type { MqttLimits } from './limits.ts'
import type { ConnectPacket } from './packets.ts'

type Channel = Pick<PeerSocket, 'transport' | 'address' | 'certificates' | 'pskIdentity'>

/** Everything that the channel and the packet show of the peer. */
export function evidenceOf(peer: Channel, { clientId, username, password }: ConnectPacket): Evidence {
  const { transport, address, certificates, pskIdentity } = peer
  return { transport, address, clientId, certificates, pskIdentity, username, password }
}

/** Seconds that the session outlives its connection. Before MQTT 5 a session that is not clean never ends by itself. */
export function askedExpiry({ version, clean, properties }: ConnectPacket): number {
  if (version === 5) return properties.sessionExpiryInterval ?? 0
  return clean ? 0 : NEVER
}

export const grantedExpiry = (asked: number, limits: MqttLimits): number => Math.min(asked, limits.sessionExpiry)

/** Seconds; only MQTT 5 clients can be told another one than they asked for [MQTT-3.2.2-21]. */
export function grantedKeepAlive({ version, keepAlive }: ConnectPacket, { maxKeepAlive }: MqttLimits): number {
  return version === 5 && (keepAlive === 0 || keepAlive > maxKeepAlive) ? maxKeepAlive : keepAlive
}

export function deliveryTerms({ version, properties }: ConnectPacket): DeliveryTerms {
  return {
    version,
    receiveMaximum: properties.receiveMaximum ?? 65_535, // [MQTT-3.3.4-9]
    maximumPacketSize: properties.maximumPacketSize ?? Number.POSITIVE_INFINITY,
    topicAliasMaximum: properties.topicAliasMaximum ?? 0,
  }
}

/** The delay is not forwarded (MQTT 5, 3.1.3.2.2). */
export function willOf({ will }: ConnectPacket): Will | null {
  if (will === null) return null
  const { topic, payload, qos, retain } = will
  const { willDelayInterval = 0, ...properties } = will.properties
  return { delay: willDelayInterval, message: { topic, payload, qos, retain, properties } }
}

export interface Opened {
  /** Assigned by us; null when the client brought its own. */
  readonly assignedClientId: string | null
  /** Seconds. */
  readonly expiry: number
  readonly keepAlive: number
  /** null when there is none for this client. */
  readonly responseInformation: string | null
  readonly authenticationData: Buffer | null
}

/** [MQTT-3.1.2-28] */
const asksForResponses = ({ properties }: ConnectPacket): boolean => properties.requestResponseInformation === true

/** What differs from what was asked for, and our own limits (MQTT 5, 3.2.2.3). */
export function connackProperties(connect: ConnectPacket, opened: Opened, limits: MqttLimits): ConnackProperties {
  const { receiveMaximum, topicAliasMaximum, maximumPacketSize } = limits
  return {
    receiveMaximum,
    topicAliasMaximum,
    maximumPacketSize,
    authenticationMethod: connect.properties.authenticationMethod, // [MQTT-4.12.0-5]
    authenticationData: opened.authenticationData ?? undefined,
    assignedClientIdentifier: opened.assignedClientId ?? undefined, // [MQTT-3.2.2-16]
    responseInformation: asksForResponses(connect) ? (opened.responseInformation ?? undefined) : undefined,
    serverKeepAlive: opened.keepAlive === connect.keepAlive ? undefined : opened.keepAlive,
    sessionExpiryInterval: opened.expiry === askedExpiry(connect) ? undefined : opened.expiry,
  }
}
