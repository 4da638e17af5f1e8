// Block-wise transfers under way (RFC 7959 2.5, 2.7): bodies that are not whole yet, and answers not fetched whole yet. All
// of it is somebody's memory to fill, so it is bounded by peer, by bytes and by time; whoever was used longest ago gives way.
import type { Peer } from './resource.ts'

export interface TransferBounds {
  readonly transfersPerPeer: number
  /** Bytes of all transfers. */
  readonly transferBytes: number
  /** Milliseconds since the last block. */
  readonly transferTimeout: number
}

/** What a transfer holds. */
export interface Body {
  /** Bytes of memory. */
  readonly bytes: number
}

/** Why a transfer was given up. */
export type GivenUp = 'peer' | 'bytes' | 'time'

interface Transfer<B extends Body> {
  readonly peer: Peer
  readonly key: string
  readonly body: B
  bytes: number
  usedAt: number
}

/** What a transfer costs beside its bytes, roughly. */
const OVERHEAD = 512

export class Transfers<B extends Body> {
  readonly #bounds: TransferBounds
  readonly #givenUp: (why: GivenUp) => void
  /** Those of a peer in the order of their use. */
  readonly #byPeer = new Map<Peer, Map<string, Transfer<B>>>()
  /** Used longest ago first. */
  readonly #all = new Set<Transfer<B>>()
  readonly #followed = new WeakSet<Peer>()
  #bytes = 0

  constructor(bounds: TransferBounds, givenUp: (why: GivenUp) => void) {
    this.#bounds = bounds
    this.#givenUp = givenUp
  }

  get size(): number {
    return this.#all.size
  }

  get bytes(): number {
    return this.#bytes
  }

  get(peer: Peer, key: string, now: number): B | null {
    const transfer = this.#byPeer.get(peer)?.get(key)
    if (transfer === undefined) return null
    if (this.#isOver(transfer, now)) {
      this.#giveUp(transfer, 'time')
      return null
    }
    return transfer.body
  }

  /** Keeps it, or keeps it on: it was used, and may have grown. Others give way. */
  put(peer: Peer, key: string, body: B, now: number): void {
    const known = this.#byPeer.get(peer)?.get(key)
    if (known !== undefined) this.#remove(known)
    const transfer = { peer, key, body, bytes: body.bytes + OVERHEAD, usedAt: now }
    const ofPeer = this.#ofPeer(peer)
    ofPeer.set(key, transfer)
    this.#all.add(transfer)
    this.#bytes += transfer.bytes
    if (ofPeer.size > this.#bounds.transfersPerPeer) this.#giveUpFirst(ofPeer.values(), 'peer')
    while (this.#bytes > this.#bounds.transferBytes && this.#all.size > 1) this.#giveUpFirst(this.#all, 'bytes')
  }

  delete(peer: Peer, key: string): void {
    const known = this.#byPeer.get(peer)?.get(key)
    if (known !== undefined) this.#remove(known)
  }

  /** Gives up what nobody went on with. */
  sweep(now: number): void {
    for (const transfer of this.#all) {
      if (!this.#isOver(transfer, now)) break
      this.#giveUp(transfer, 'time')
    }
  }

  #isOver({ usedAt }: Transfer<B>, now: number): boolean {
    return Math.abs(now - usedAt) >= this.#bounds.transferTimeout
  }

  #giveUpFirst(transfers: Iterable<Transfer<B>>, why: GivenUp): void {
    for (const first of transfers) {
      this.#giveUp(first, why)
      return
    }
  }

  #giveUp(transfer: Transfer<B>, why: GivenUp): void {
    this.#remove(transfer)
    this.#givenUp(why)
  }

  #remove(transfer: Transfer<B>): void {
    const { peer, key, bytes } = transfer
    const ofPeer = this.#byPeer.get(peer)
    ofPeer?.delete(key)
    if (ofPeer?.size === 0) this.#byPeer.delete(peer)
    this.#all.delete(transfer)
    this.#bytes -= bytes
  }

  #ofPeer(peer: Peer): Map<string, Transfer<B>> {
    const known = this.#byPeer.get(peer)
    if (known !== undefined) return known
    const made = new Map<string, Transfer<B>>()
    this.#byPeer.set(peer, made)
    if (!this.#followed.has(peer)) {
      this.#followed.add(peer)
      peer.onGone(() => {
        for (const transfer of [...(this.#byPeer.get(peer)?.values() ?? [])]) this.#remove(transfer)
      })
    }
    return made
  }
}
