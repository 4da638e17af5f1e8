// What a client may send (MQTT 5, 2.1.2), parsed and checked. The names are the standard's.

export type Qos = 0 | 1 | 2
/** 3 is MQTT 3.1, 4 is MQTT 3.1.1. */
export type ProtocolVersion = 3 | 4 | 5

/** Packet types: the upper half of a packet's first byte. */
export const TYPE = {
  connect: 1,
  connack: 2,
  publish: 3,
  puback: 4,
  pubrec: 5,
  pubrel: 6,
  pubcomp: 7,
  subscribe: 8,
  suback: 9,
  unsubscribe: 10,
  pingreq: 12,
  disconnect: 14,
  auth: 15,
} as const

/** Properties under the standard's names (MQTT 5, 2.2.2.2). User properties keep their order [MQTT-3.3.2-18]. */
export interface Properties {
  payloadFormatIndicator?: boolean
  messageExpiryInterval?: number
  contentType?: string
  responseTopic?: string
  correlationData?: Buffer
  subscriptionIdentifier?: number
  sessionExpiryInterval?: number
  authenticationMethod?: string
  authenticationData?: Buffer
  requestProblemInformation?: boolean
  requestResponseInformation?: boolean
  willDelayInterval?: number
  receiveMaximum?: number
  topicAliasMaximum?: number
  topicAlias?: number
  maximumPacketSize?: number
  reasonString?: string
  userProperties?: [string, string][]
}

export interface WillPacket {
  readonly topic: string
  readonly payload: Buffer
  readonly qos: Qos
  readonly retain: boolean
  readonly properties: Properties
}

export interface ConnectPacket {
  readonly type: 'connect'
  readonly version: ProtocolVersion
  /** Clean Session or Clean Start. */
  readonly clean: boolean
  /** Seconds; 0 = none. */
  readonly keepAlive: number
  readonly clientId: string
  readonly username: string | null
  /** null also once it was judged; so is `will`. */
  password: Buffer | null
  will: WillPacket | null
  readonly properties: Properties
}

export interface PublishPacket {
  readonly type: 'publish'
  /** Empty when the topic alias stands for it. */
  readonly topic: string
  /** Lies in the bytes that were parsed. */
  readonly payload: Buffer
  readonly qos: Qos
  readonly retain: boolean
  readonly dup: boolean
  /** 0 for QoS 0. */
  readonly packetId: number
  readonly properties: Properties | undefined
}

/** PUBACK, PUBREC, PUBREL or PUBCOMP. */
export interface AcknowledgementPacket {
  readonly type: 'puback' | 'pubrec' | 'pubrel' | 'pubcomp'
  readonly packetId: number
  readonly reason: number
}

export interface SubscriptionRequest {
  /** As written, `$share/...` included; not yet checked. */
  readonly name: string
  readonly qos: Qos
  readonly noLocal: boolean
  readonly retainAsPublished: boolean
  readonly retainHandling: 0 | 1 | 2
}

export interface SubscribePacket {
  readonly type: 'subscribe'
  readonly packetId: number
  readonly subscriptions: readonly SubscriptionRequest[]
  readonly properties: Properties
}

export interface UnsubscribePacket {
  readonly type: 'unsubscribe'
  readonly packetId: number
  readonly names: readonly string[]
}

export interface DisconnectPacket {
  readonly type: 'disconnect'
  readonly reason: number
  readonly properties: Properties
}

export interface AuthPacket {
  readonly type: 'auth'
  readonly reason: number
  readonly properties: Properties
}

export type ClientPacket =
  | ConnectPacket
  | PublishPacket
  | AcknowledgementPacket
  | SubscribePacket
  | UnsubscribePacket
  | DisconnectPacket
  | AuthPacket
  | { readonly type: 'pingreq' }

/** MQTT 5 reason codes that are not failures of our catalogue (MQTT 5, 2.4). */
export const REASON = {
  success: 0x00,
  disconnectWithWill: 0x04,
  continueAuthentication: 0x18,
  reAuthenticate: 0x19,
  packetIdentifierNotFound: 0x92,
} as const
