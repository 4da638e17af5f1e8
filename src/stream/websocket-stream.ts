import { Duplex } from 'node:stream'
import type { RawData, WebSocket } from 'ws'

/** RFC 6455 7.4.1: a frame of a type that the endpoint does not accept. */
const UNSUPPORTED_DATA = 1003
const NORMAL_CLOSURE = 1000
const NOTHING = Buffer.alloc(0)
const ignore = () => {}

/**
 * A WebSocket as the byte stream that MQTT expects: packets may span frames and frames may hold several packets
 * [MQTT-6.0.0-2]; or, for CoAP, as messages: what is read is one of them each, and so is what is written. Backpressure holds in both ways: a reader that stops stops the socket, and a write is done when its
 * frame has left. What is written within one turn travels in one frame.
 */
export class WebSocketStream extends Duplex {
  readonly #socket: WebSocket
  readonly #keepsMessages: boolean

  /** `keepsMessages`: messages are not joined. */
  constructor(socket: WebSocket, keepsMessages: boolean) {
    super({ allowHalfOpen: false, readableObjectMode: keepsMessages })
    this.#keepsMessages = keepsMessages
    this.#socket = socket
    socket.binaryType = 'nodebuffer'
    socket.on('message', (data: RawData, isBinary: boolean) => this.#received(data, isBinary))
    socket.on('error', error => this.destroy(error))
    // What arrived before the end is still read; the stream destroys itself once both ways have ended.
    socket.on('close', () => {
      if (!this.destroyed) this.push(null)
    })
  }

  #received(data: RawData, isBinary: boolean): void {
    if (this.destroyed) return
    // [MQTT-6.0.0-1], RFC 8323 4.2: packets and messages travel in binary frames; after anything else the connection is closed.
    if (!isBinary) {
      this.#socket.close(UNSUPPORTED_DATA)
      this.destroy()
      return
    }
    const chunk = Array.isArray(data) ? Buffer.concat(data) : Buffer.isBuffer(data) ? data : Buffer.from(data)
    if ((this.#keepsMessages || chunk.length > 0) && !this.push(chunk)) this.#socket.pause()
  }

  override _read(): void {
    if (this.#socket.isPaused) this.#socket.resume()
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#socket.send(chunk, { binary: true }, error => done(error ?? null))
  }

  override _writev(chunks: { chunk: Buffer }[], done: (error?: Error | null) => void): void {
    const parts = chunks.map(({ chunk }) => chunk)
    const last = this.#keepsMessages ? parts.pop() : Buffer.concat(parts)
    if (this.#keepsMessages) for (const part of parts) this.#socket.send(part, { binary: true }, ignore)
    this.#socket.send(last ?? NOTHING, { binary: true }, error => done(error ?? null))
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#socket.close(NORMAL_CLOSURE)
    done()
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    if (this.#socket.readyState === this.#socket.CLOSED) {
      done(error)
      return
    }
    this.#socket.once('close', () => done(error))
    this.#socket.terminate()
  }
}
