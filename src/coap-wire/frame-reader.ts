// From what a connection brings to messages, bounded: nobody makes us keep more than one message of the size we offered.
import { type FramedMessage, type FrameFault, layoutOf, messageIn } from './frame.ts'

/** May be altered between two messages. */
export interface FrameBounds {
  /** The longest message, in bytes, head included (RFC 8323 5.3.1). */
  messageBytes: number
  /** RFC 8974 2.2.2. */
  tokenBytes: number
}

export interface MessageReader {
  readonly bounds: FrameBounds
  /** Bytes that have come and are not read yet. */
  readonly held: number
  push(chunk: Buffer): void
  /** Null: more must come. After a fault there is nothing more to read. */
  next(): FramedMessage | FrameFault | null
}

const NOTHING: Buffer = Buffer.alloc(0)

/** Frames of a byte stream (RFC 8323 3.2), however they are cut. What comes whole is not copied. */
export class FrameReader implements MessageReader {
  readonly bounds: FrameBounds
  #bytes: Buffer = NOTHING
  #start = 0
  #end = 0
  /** `#bytes` was made here, and there may be room behind `#end`. */
  #isOwn = false
  /** Bytes of the frame that begins at `#start`, as far as is known. */
  #wanted = 0
  readonly #least = (size: number) => {
    this.#wanted = size
  }

  constructor(bounds: FrameBounds) {
    this.bounds = bounds
  }

  get held(): number {
    return this.#end - this.#start
  }

  push(chunk: Buffer): void {
    const { held } = this
    if (held === 0) {
      this.#bytes = chunk
      this.#start = 0
      this.#end = chunk.length
      this.#isOwn = false
      return
    }
    const size = held + chunk.length
    if (!this.#isOwn || this.#bytes.length - this.#end < chunk.length) {
      // Twice the size each time: bytes that come one by one are copied twice on the average, not each time anew.
      const room = Buffer.allocUnsafeSlow(Math.max(size, Math.min(this.#wanted, 2 * size)))
      this.#bytes.copy(room, 0, this.#start, this.#end)
      this.#bytes = room
      this.#start = 0
      this.#end = held
      this.#isOwn = true
    }
    chunk.copy(this.#bytes, this.#end)
    this.#end += chunk.length
  }

  next(): FramedMessage | FrameFault | null {
    this.#wanted = 0
    const layout = layoutOf(this.#bytes, this.#start, this.#end, this.#least)
    if (layout === 'malformed') return layout
    const { messageBytes, tokenBytes } = this.bounds
    if (this.#wanted > messageBytes) return 'too-large'
    if (layout === null) return null
    if (layout.bodyAt - layout.tokenAt > tokenBytes) return 'malformed'
    if (layout.end > messageBytes) return 'too-large'
    this.#wanted = layout.end
    if (this.held < layout.end) return null
    const message = messageIn(this.#bytes, this.#start, layout)
    this.#start += layout.end
    if (this.#start === this.#end) {
      this.#bytes = NOTHING
      this.#start = this.#end = 0
    }
    return message
  }
}

/** Each WebSocket message is one of CoAP (RFC 8323 4.2). */
export class WebSocketFrameReader implements MessageReader {
  readonly bounds: FrameBounds
  readonly #waiting: Buffer[] = []
  #held = 0

  constructor(bounds: FrameBounds) {
    this.bounds = bounds
  }

  get held(): number {
    return this.#held
  }

  push(chunk: Buffer): void {
    this.#waiting.push(chunk)
    this.#held += chunk.length
  }

  next(): FramedMessage | FrameFault | null {
    const bytes = this.#waiting.shift()
    if (bytes === undefined) return null
    const size = bytes.length
    this.#held -= size
    if (size > this.bounds.messageBytes) return 'too-large'
    // RFC 8323 4.2: Len is 0, and the message goes to the end.
    if (size === 0 || bytes[0]! >> 4 !== 0) return 'malformed'
    const layout = layoutOf(bytes, 0, size, () => {})
    if (layout === null || layout === 'malformed' || layout.bodyAt > size) return 'malformed'
    if (layout.bodyAt - layout.tokenAt > this.bounds.tokenBytes) return 'malformed'
    return messageIn(bytes, 0, { ...layout, end: size })
  }
}
