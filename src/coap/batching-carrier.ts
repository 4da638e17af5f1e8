// Datagrams in batches by native/udp: one system call for those of one turn of the event loop, in and out. They lie in memory
// that JavaScript and the addon share, so that sending one is a copy and no call.
import { BATCH, type NativeSocket, OUTGOING, PLACE, RECEIVED, SENT, type UdpAddon } from './udp-addon.ts'
import { addressText, addressWords } from './udp-address.ts'
import {
  LONGEST_DATAGRAM,
  type UdpCarrier,
  type UdpCarrierOptions,
  type UdpDestination,
  type UdpRemote,
} from './udp-carrier.ts'

/** Bytes that wait before they are sent in the midst of a turn: what stays in the nearest cache is sent cheapest. */
const FLUSH_BYTES = 16 * 1024
/** Peers whose address is known as an object; beyond that they are all made anew. */
const REMOTES = 16_384
/** Of the Fowler-Noll-Vo hash. A stranger who makes hashes meet makes objects, and nothing else. */
const FNV_PRIME = 0x01000193
const WORD_BYTES = Uint32Array.BYTES_PER_ELEMENT

class Remote implements UdpRemote {
  readonly address: string
  readonly port: number
  readonly name: string
  /** Null for IPv4, whose address and ours lie here in halves: small integers of the object itself. Fan-outs look at very many. */
  readonly #place: Uint32Array | null
  readonly #high: number
  readonly #low: number
  readonly #ownHigh: number
  readonly #ownLow: number

  constructor(heads: Uint32Array, at: number, family: 4 | 6) {
    const place = heads.slice(at, at + PLACE.words)
    const own = place.subarray(PLACE.own)
    const scope = place[PLACE.scope]
    const address = addressText(place.subarray(PLACE.peer, PLACE.own), family)
    const [peer, ours] = [place[PLACE.peer]!, place[PLACE.own]!]
    this.port = place[PLACE.port]!
    this.address = scope === 0 ? address : `${address}%${scope}`
    const name = `${this.address} ${this.port}`
    this.name = own.some(word => word !== 0) ? `${name} ${addressText(own, family)}` : name
    this.#place = family === 4 ? null : place
    this.#high = peer >>> 16
    this.#low = peer & 0xffff
    this.#ownHigh = ours >>> 16
    this.#ownLow = ours & 0xffff
  }

  isAt(heads: Uint32Array, at: number): boolean {
    const place = this.#place
    if (place === null) {
      const [peer, own] = [heads[at + PLACE.peer]!, heads[at + PLACE.own]!]
      const isPeer = heads[at + PLACE.port] === this.port && peer >>> 16 === this.#high && (peer & 0xffff) === this.#low
      return isPeer && own >>> 16 === this.#ownHigh && (own & 0xffff) === this.#ownLow
    }
    for (let word = 0; word < PLACE.words; word += 1) if (place[word] !== heads[at + word]) return false
    return true
  }

  write(outgoing: Uint32Array, at: number): void {
    const place = this.#place
    if (place !== null) {
      for (let word = 0; word < PLACE.words; word += 1) outgoing[at + word] = place[word]!
      return
    }
    // The addon looks at no other word of an IPv4 socket.
    outgoing[at + PLACE.port] = this.port
    outgoing[at + PLACE.peer] = (this.#high << 16) | this.#low
    outgoing[at + PLACE.own] = (this.#ownHigh << 16) | this.#ownLow
  }
}

export class BatchingCarrier implements UdpCarrier {
  readonly port: number
  readonly #native: NativeSocket
  readonly #options: UdpCarrierOptions
  readonly #incoming: Uint8Array<ArrayBuffer>
  readonly #heads = new Uint32Array(BATCH * RECEIVED.words)
  readonly #outgoing: Uint32Array<ArrayBuffer>
  readonly #outgoingBytes: Uint8Array<ArrayBuffer>
  /** By a hash of their addresses and port. */
  readonly #remotes = new Map<number, Remote>()
  #refused = 0
  #closed = false

  /** Throws the error of the system. */
  constructor(addon: UdpAddon, options: UdpCarrierOptions) {
    const { address, port, receiveBufferBytes, sendQueueBytes, datagramBytes } = options
    const datagram = datagramBytes + 1
    this.#options = options
    this.#incoming = new Uint8Array(BATCH * datagram)
    // Memory that nothing was ever written to is none: only a network that stands still makes use of all of it.
    this.#outgoing = new Uint32Array(OUTGOING.prelude + Math.ceil(sendQueueBytes / WORD_BYTES))
    this.#outgoingBytes = new Uint8Array(this.#outgoing.buffer)
    this.#native = new addon.Socket(
      {
        address,
        port,
        receiveBuffer: receiveBufferBytes,
        datagram,
        incoming: this.#incoming,
        heads: this.#heads,
        outgoing: this.#outgoing,
      },
      count => this.#deliver(count),
    )
    this.port = this.#native.port()
  }

  send(bytes: Buffer, to: UdpDestination): void {
    if (this.#closed) return
    const outgoing = this.#outgoing
    const needed = SENT.words + ((bytes.length + WORD_BYTES - 1) >> 2)
    if (outgoing[OUTGOING.used]! + needed > outgoing.length) this.#flush()
    const at = outgoing[OUTGOING.used]!
    if (at + needed > outgoing.length || bytes.length > LONGEST_DATAGRAM) {
      this.#options.dropped()
      return
    }
    const remote = to instanceof Remote ? to : this.#remoteAt(to)
    outgoing[at + SENT.bytes] = bytes.length
    remote.write(outgoing, at + SENT.place)
    this.#outgoingBytes.set(bytes, (at + SENT.words) * WORD_BYTES)
    outgoing[OUTGOING.used] = at + needed
    if (at + needed > FLUSH_BYTES / WORD_BYTES) this.#flush()
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#native.close()
    this.#account()
  }

  #flush(): void {
    this.#native.flush()
    this.#account()
  }

  /** What the network refused since the last look. */
  #account(): void {
    for (const refused = this.#outgoing[OUTGOING.refused]!; this.#refused !== refused; ) {
      this.#refused = (this.#refused + 1) >>> 0
      this.#options.dropped()
    }
  }

  #deliver(count: number): void {
    const heads = this.#heads
    const last = (count - 1) * RECEIVED.words
    // One piece of memory for all of them, and never used again: who keeps a part of a datagram keeps the batch, and no more.
    const whole = this.#incoming.buffer.slice(0, heads[last + RECEIVED.offset]! + heads[last + RECEIVED.bytes]!)
    for (let head = 0; head <= last && !this.#closed; head += RECEIVED.words) {
      const bytes = Buffer.from(whole, heads[head + RECEIVED.offset], heads[head + RECEIVED.bytes])
      this.#options.received(bytes, this.#sender(head))
    }
    this.#account()
  }

  /** The same object for the same peer, most of the time. */
  #sender(head: number): Remote {
    const heads = this.#heads
    const at = head + RECEIVED.place
    let key = 0
    for (let word = 0; word < PLACE.words; word += 1) key = Math.imul(key ^ heads[at + word]!, FNV_PRIME)
    const known = this.#remotes.get(key)
    if (known?.isAt(heads, at)) return known
    if (this.#remotes.size >= REMOTES) this.#remotes.clear()
    const made = new Remote(heads, at, this.#options.family)
    this.#remotes.set(key, made)
    return made
  }

  #remoteAt({ address, port }: UdpDestination): Remote {
    const place = new Uint32Array(PLACE.words)
    const [bare = '', scope = '0'] = address.split('%')
    place[PLACE.port] = port
    place[PLACE.scope] = Number(scope)
    place.set(addressWords(bare, this.#options.family), PLACE.peer)
    return new Remote(place, 0, this.#options.family)
  }
}
