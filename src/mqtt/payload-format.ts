import { isUtf8 } from 'node:buffer'
import type { PublishPacket } from './packets.ts'

/** Whether what says that it is text is UTF-8 (Payload Format Indicator; MQTT 5, 3.3.2.3.2). */
export const keepsItsFormat = ({ payload, properties }: Pick<PublishPacket, 'payload' | 'properties'>): boolean =>
  properties?.payloadFormatIndicator !== true || isUtf8(payload)
