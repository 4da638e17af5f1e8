// What is answered without knowing the peer: pings, and what makes no sense (RFC 7252 4.2, 4.3).
import { CODE, isRequest } from '../coap-wire/codes.ts'
import { isMalformed, type Malformed } from '../coap-wire/decode.ts'
import { type CoapMessage, type MessageType, TYPE } from '../coap-wire/message.ts'

export const EMPTY_BYTES = 4

/** An empty message: acknowledgement or reset (RFC 7252 4.2, 4.3). */
export function emptyMessage(type: MessageType, messageId: number): Buffer {
  const bytes = Buffer.allocUnsafe(EMPTY_BYTES)
  bytes[0] = 0x40 | (type << 4)
  bytes[1] = CODE.Empty
  bytes.writeUInt16BE(messageId, 2)
  return bytes
}

/**
 * What becomes of anything but requests, acknowledgements and resets: a confirmable one is rejected, also ping
 * (RFC 7252 4.2, 4.3), the rest is ignored (null).
 */
export const rejectionOf = ({ type, messageId }: CoapMessage | Malformed): Buffer | null =>
  type === TYPE.CON ? emptyMessage(TYPE.RST, messageId) : null

type RequestMessage = CoapMessage & { readonly type: typeof TYPE.CON | typeof TYPE.NON }

/** A request that has a peer to be made for; whatever else comes needs none. */
export const isRequestMessage = (message: CoapMessage | Malformed): message is RequestMessage =>
  !isMalformed(message) && isRequest(message.code) && (message.type === TYPE.CON || message.type === TYPE.NON)
