// The two ways in which messages are told apart on a reliable transport.
import { encodeFrame, encodeWebSocketFrame, type FramedMessage } from '../coap-wire/frame.ts'
import { type FrameBounds, FrameReader, type MessageReader, WebSocketFrameReader } from '../coap-wire/frame-reader.ts'

export interface Framing {
  /** Each message is written by itself; else as many as there are leave together. */
  readonly keepsMessages: boolean
  /** Throws RangeError for what has no encoding. */
  encode(message: FramedMessage): Buffer
  reader(bounds: FrameBounds): MessageReader
}

/** RFC 8323 3.2. */
export const STREAM_FRAMING: Framing = {
  keepsMessages: false,
  encode: encodeFrame,
  reader: bounds => new FrameReader(bounds),
}

/** RFC 8323 4.2. */
export const WEBSOCKET_FRAMING: Framing = {
  keepsMessages: true,
  encode: encodeWebSocketFrame,
  reader: bounds => new WebSocketFrameReader(bounds),
}
