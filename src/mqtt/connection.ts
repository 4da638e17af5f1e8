// One byte stream: packets in, a bounded out-queue, one write per turn of the event loop.
import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { TLSSocket } from 'node:tls'
import type { Clock } from '../model/clock.ts'
import { Failure } from '../model/failure.ts'
import { malformed } from './byte-reader.ts'
import type { CountedTurn, Traffic } from './traffic.ts'

export interface ConnectionLimits {
  /** Bytes of a packet before the peer is authenticated. */
  readonly connectBytes: number
  /** Bytes of a packet afterwards. */
  readonly maximumPacketSize: number
  /** Bytes that wait for one slow reader; beyond it QoS 0 is dropped and QoS 1 and 2 stay queued. */
  readonly outQueueBytes: number
  /** The same for all readers together; beyond it each may have a sixteenth of its own. */
  readonly totalOutQueueBytes: number
  /** Bytes that are read ahead while CONNECT, SUBSCRIBE or UNSUBSCRIBE is answered. */
  readonly heldBytes: number
  /** Milliseconds for a last packet to arrive before the connection is cut. */
  readonly lingerTimeout: number
}

/** What acts on the packets of a connection. */
export interface Peer {
  /** CONNECT was accepted. */
  readonly isConnected: boolean
  /** One whole packet: its first byte, the byte after its Remaining Length, the byte after it. */
  packet(bytes: Buffer, at: number, body: number, end: number): void
  /** All whole packets of one read have been given out, so many bytes. */
  endOfRead(bytes: number): void
  /** The socket takes bytes again. */
  drained(): void
  /** The network connection is gone, for whatever reason. */
  gone(): void
  /** A packet was not valid, or acting on it went wrong. */
  failed(error: unknown): void
}

/** Bytes gathered before they are written without waiting for the end of the turn. */
const FLUSH_NOW = 128 * 1024
/** Bytes of a part, on average, below which parts are copied together to be written. */
const GATHER_BELOW = 512

export class Connection {
  lastSeen: number
  closed = false
  readonly #stream: Duplex
  readonly #limits: ConnectionLimits
  readonly #clock: Clock
  readonly #turn: CountedTurn
  #peer: Peer | null = null
  #out: Buffer[] = []
  #outBytes = 0
  #isDirty = false
  /** Bytes that were handed to the stream and not taken from it yet. */
  #backlog = 0
  #holding = false
  /** Of those who asked for a pause and not yet for its end. */
  #pauses = 0
  #held: Buffer | null = null
  /** The beginning of a packet larger than one read, and how many bytes it takes until something can be done with it. */
  #parts: Buffer[] = []
  #partBytes = 0
  #needed = 0

  constructor(stream: Duplex, limits: ConnectionLimits, clock: Clock, turn: CountedTurn) {
    this.#stream = stream
    this.#limits = limits
    this.#clock = clock
    this.#turn = turn
    this.lastSeen = clock.now()
  }

  /** Begins to read. */
  start(peer: Peer): void {
    this.#peer = peer
    this.#stream.on('data', (chunk: Buffer) => {
      if (!this.closed) this.#received(chunk)
    })
    this.#stream.on('drain', () => {
      this.#setBacklog(this.#stream.writableLength)
      if (this.closed) return
      try {
        peer.drained()
      } catch (error) {
        peer.failed(error)
      }
    })
    this.#stream.on('close', () => {
      this.closed = true
      this.#setBacklog(0)
      peer.gone()
    })
  }

  /** Resolves when the stream is closed. */
  whenClosed(): Promise<void> {
    return new Promise(resolve => {
      if (this.#stream.closed) resolve()
      else this.#stream.once('close', () => resolve())
    })
  }

  // --- out --------------------------------------------------------------------------------------------------------------

  /** This reader is too slow. */
  get congested(): boolean {
    const { outQueueBytes, totalOutQueueBytes } = this.#limits
    const waiting = this.#backlog + this.#outBytes
    return waiting > outQueueBytes || (this.#turn.backlog > totalOutQueueBytes && waiting > outQueueBytes / 16)
  }

  /** Of all connections. */
  get traffic(): Traffic {
    return this.#turn.traffic
  }

  /** So many packets, or part of one; the bytes may be shared with other connections. */
  push(bytes: Buffer, packets = 1): void {
    if (this.closed) return
    this.#turn.traffic.packetsSent += packets
    this.#out.push(bytes)
    this.#outBytes += bytes.length
    if (!this.#isDirty) {
      this.#isDirty = true
      this.#turn.add(this)
    } else if (this.#outBytes > FLUSH_NOW) this.flush()
  }

  flush(): void {
    this.#isDirty = false
    const out = this.#out
    if (this.closed || out.length === 0) return
    const bytes = this.#outBytes
    this.#turn.traffic.bytesSent += bytes
    // What is large is not copied; but a slow reader must not pin the read buffers of whoever sent it.
    const taken =
      this.#backlog === 0 && bytes > GATHER_BELOW * out.length
        ? this.#writeEach(out)
        : this.#stream.write(this.#gather(out))
    // Never another array: V8 puts those that live long into the old space at once, where each dead one keeps its buffers alive.
    if (out.length === 1) out.pop()
    else out.length = 0
    this.#outBytes = 0
    if (taken) return
    this.#setBacklog(this.#stream.writableLength)
    // It takes nothing, yet makes us answer.
    if (this.#backlog > 2 * this.#limits.outQueueBytes)
      this.#peer?.failed(new Failure('queue-full', 'The client takes nothing from its socket and goes on asking.'))
  }

  /** In one system call all the same. */
  #writeEach(out: readonly Buffer[]): boolean {
    const stream = this.#stream
    if (out.length > 1) stream.cork()
    for (const part of out) stream.write(part)
    if (out.length > 1) stream.uncork()
    return !stream.writableNeedDrain
  }

  #gather(out: readonly Buffer[]): Buffer {
    const [first] = out
    if (out.length === 1 && first !== undefined) return this.#backlog > 0 ? Buffer.from(first) : first
    const bytes = Buffer.allocUnsafe(this.#outBytes)
    let at = 0
    for (const part of out) at += part.copy(bytes, at)
    return bytes
  }

  #setBacklog(bytes: number): void {
    this.#turn.backlog += bytes - this.#backlog
    this.#backlog = bytes
  }

  /** The peer has said goodbye (MQTT 5, 3.14.4): what is queued goes out, and nothing more is waited for. */
  leave(): void {
    if (this.closed) return
    this.flush()
    // TCP delivers what the kernel has taken; TLS and WebSocket have a goodbye of their own.
    const isDelivered = isPlainTcp(this.#stream) && this.#stream.writableLength === 0
    if (isDelivered) this.destroy()
    else this.#close()
  }

  /** Closes without sending what is queued: nothing leaves after this but the last packet. */
  cut(last: Buffer | null = null): void {
    if (this.closed) return
    this.#out = []
    this.#outBytes = 0
    if (this.#backlog > 0) {
      // Whoever has not taken what was written would get it first: the peer loses the last packet instead.
      this.destroy()
      return
    }
    if (last !== null) {
      this.#turn.traffic.packetsSent++
      this.#turn.traffic.bytesSent += last.length
      this.#stream.write(last)
    }
    this.#close()
  }

  destroy(): void {
    this.closed = true
    this.#stream.destroy()
  }

  /** Half-closes and goes on reading: to close with unread bytes would reset the connection and lose the last packet. */
  #close(): void {
    this.closed = true
    this.#stream.end()
    this.#stream.resume()
    const timer = setTimeout(() => this.#stream.destroy(), this.#limits.lingerTimeout).unref()
    this.#stream.once('close', () => clearTimeout(timer))
  }

  // --- in ---------------------------------------------------------------------------------------------------------------

  /** Bytes that follow CONNECT, SUBSCRIBE and UNSUBSCRIBE wait until those are answered. */
  hold(): void {
    this.#holding = true
  }

  release(): void {
    this.#holding = false
    const bytes = this.#held
    this.#held = null
    if (bytes !== null && !this.closed) this.#split(bytes)
    this.#flow()
  }

  /** We do not read just now, so that silence says nothing about the peer. */
  get isDeaf(): boolean {
    return this.#pauses > 0 || this.#isFull
  }

  get #isFull(): boolean {
    return this.#held !== null && this.#held.length > this.#limits.heldBytes
  }

  /** Stops reading, until `resume` has been called as often. */
  pause(): void {
    this.#pauses++
    this.#flow()
  }

  resume(): void {
    this.#pauses--
    this.#flow()
  }

  #flow(): void {
    if (!this.closed && this.isDeaf) this.#stream.pause()
    else this.#stream.resume()
  }

  #received(chunk: Buffer): void {
    this.lastSeen = this.#clock.now()
    this.#turn.traffic.bytesReceived += chunk.length
    if (this.#holding) {
      this.#held = this.#held === null ? chunk : Buffer.concat([this.#held, chunk])
      this.#flow()
      return
    }
    if (this.#needed === 0) {
      this.#split(chunk)
      return
    }
    this.#parts.push(chunk)
    this.#partBytes += chunk.length
    if (this.#partBytes < this.#needed) return
    const whole = Buffer.concat(this.#parts)
    this.#parts = []
    this.#needed = this.#partBytes = 0
    this.#split(whole)
  }

  #split(bytes: Buffer): void {
    const peer = this.#peer
    if (peer === null) return
    let at = 0
    try {
      at = this.#givePackets(bytes, peer)
      peer.endOfRead(at)
    } catch (error) {
      peer.failed(error)
      return
    }
    if (at === bytes.length || this.closed) return
    const rest = at === 0 ? bytes : bytes.subarray(at)
    if (this.#holding) {
      this.#held = rest
      this.#needed = 0
    } else {
      this.#parts = [rest]
      this.#partBytes = rest.length
      this.#needed = Math.max(this.#needed, rest.length + 1)
    }
  }

  /** Gives out whole packets; returns where the first one begins that is not whole, or has to wait. */
  #givePackets(bytes: Buffer, peer: Peer): number {
    const end = bytes.length
    const limit = peer.isConnected ? this.#limits.maximumPacketSize : this.#limits.connectBytes
    let at = 0
    while (end - at >= 2 && !this.closed) {
      let body = at + 1
      let digit = 0
      let length = 0
      let shift = 0
      do {
        digit = bytes[body++] ?? 0
        length |= (digit & 127) << shift // Remaining Length (MQTT 5, 1.5.5)
        shift += 7
      } while (digit > 127 && shift < 28 && body < end)
      if (digit > 127) {
        if (shift >= 28) throw malformed('remaining length')
        break
      }
      const next = body + length
      if (next - at > limit)
        throw new Failure(
          'too-large',
          `A packet of ${next - at} bytes came, ${limit} are allowed; raise limits.${peer.isConnected ? 'maximumPacketSize' : 'connectBytes'} if that is meant.`,
        )
      if (next > end) {
        this.#needed = next - at
        break
      }
      this.#turn.traffic.packetsReceived++
      peer.packet(bytes, at, body, next)
      at = next
      if (this.#holding) break
    }
    return at
  }
}

const isPlainTcp = (stream: Duplex): boolean => stream instanceof Socket && !(stream instanceof TLSSocket)
