// What a CoAP payload is called in MQTT 5 and the other way round: Content-Format and content type.
import { isUtf8 } from 'node:buffer'
import { contentFormatOf, mimeOf } from '../coap-wire/content-formats.ts'
import type { MessageProperties } from '../model/message.ts'

/** User property with the number of a Content-Format that has no media type. */
export const CONTENT_FORMAT_PROPERTY = 'coap-ct'

const TEXT = 0

/** Properties of a message that came with this Content-Format and lives so many seconds; undefined when there are none. */
export function propertiesOf(
  contentFormat: number | null,
  expiry: number | null,
  payload: Buffer,
): MessageProperties | undefined {
  if (contentFormat === null && expiry === null) return undefined
  return {
    ...(expiry !== null && { messageExpiryInterval: expiry }),
    ...(contentFormat !== null && contentProperties(contentFormat, payload)),
  }
}

function contentProperties(contentFormat: number, payload: Buffer): MessageProperties {
  const contentType = mimeOf(contentFormat)
  if (contentType === null) return { userProperties: [[CONTENT_FORMAT_PROPERTY, String(contentFormat)]] }
  // Receivers may check what the indicator promises (MQTT 5, 3.3.2.3.2).
  if (contentFormat === TEXT && isUtf8(payload)) return { contentType, payloadFormatIndicator: true }
  return { contentType }
}

/** The Content-Format of a message; null when CoAP has no number for it. */
export function contentFormatOfMessage(properties: MessageProperties | undefined): number | null {
  if (properties === undefined) return null
  const { contentType, payloadFormatIndicator, userProperties } = properties
  if (contentType !== undefined) {
    const known = contentFormatOf(contentType)
    if (known !== null) return known
  }
  for (const [name, value] of userProperties ?? []) {
    if (name === CONTENT_FORMAT_PROPERTY && /^\d{1,5}$/.test(value) && Number(value) <= 0xffff) return Number(value)
  }
  return contentType === undefined && payloadFormatIndicator === true ? TEXT : null
}
