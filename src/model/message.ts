/** What travels with a message besides its payload, under MQTT 5's names; CoAP maps onto these. */
export interface MessageProperties {
  readonly payloadFormatIndicator?: boolean
  /** Seconds at arrival; the message itself keeps the absolute time. */
  readonly messageExpiryInterval?: number
  readonly contentType?: string
  readonly responseTopic?: string
  readonly correlationData?: Buffer
  /** In the order of arrival [MQTT-3.3.2-18]. */
  readonly userProperties?: readonly (readonly [string, string])[]
}

/** An application message as it enters the bus. */
export interface IncomingMessage {
  readonly topic: string
  readonly payload: Buffer
  readonly qos: 0 | 1 | 2
  readonly retain: boolean
  readonly properties?: MessageProperties
}
