// Who is remembered, and who makes room. Strangers have a room of their own: whoever sends from invented addresses drives
// out other strangers, and nobody who has proved that he can read where he claims to be.
import { peerNetwork } from '../auth/peer-address.ts'
import type { Meter } from '../model/meter.ts'
import type { KeptBytes } from './recent-exchanges.ts'

export interface PeerBounds {
  readonly peers: number
  readonly peersPerAddress: number
  readonly strangers: number
  readonly keptAnswerBytes: number
  readonly exchangeLifetime: number
}

/** A peer as it stands in a list; the fields below belong to `Peers`. */
export interface Listed {
  readonly endpoint: { readonly address: string }
  /** Milliseconds since the epoch when it was last of use. */
  usedAt: number
  lane: Lane | null
  newer: Listed | null
  older: Listed | null
  /** Gives up what is kept for duplicates. */
  forgetExchanges(): void
  /** It is forgotten: called once, when it is in no list any more. */
  gone(): void
}

/** Newest first. */
export class Lane {
  newest: Listed | null = null
  oldest: Listed | null = null
  size = 0

  put(peer: Listed): void {
    peer.lane = this
    peer.newer = null
    peer.older = this.newest
    if (this.newest !== null) this.newest.newer = peer
    this.newest = peer
    this.oldest ??= peer
    this.size += 1
  }

  take(peer: Listed): void {
    if (peer.newer === null) this.newest = peer.older
    else peer.newer.older = peer.older
    if (peer.older === null) this.oldest = peer.newer
    else peer.older.newer = peer.newer
    peer.newer = null
    peer.older = null
    peer.lane = null
    this.size -= 1
  }
}

/** Least recently used first to go, over all listeners of a server. */
export class Peers {
  readonly #bounds: PeerBounds
  readonly #kept: KeptBytes
  readonly #strangers = new Lane()
  readonly #proved = new Lane()
  /** Proved peers by address or /64. */
  readonly #networks = new Map<string, number>()

  constructor(bounds: PeerBounds, kept: KeptBytes, meter: Meter) {
    this.#bounds = bounds
    this.#kept = kept
    const help = 'CoAP peers that are remembered, by whether they have proved their address.'
    meter.gauge('latchkey_coap_peers', help, () => this.#proved.size, { proved: 'yes' })
    meter.gauge('latchkey_coap_peers', help, () => this.#strangers.size, { proved: 'no' })
    meter.gauge('latchkey_coap_kept_answer_bytes', 'Bytes of answers kept for duplicates.', () => kept.total)
  }

  get size(): number {
    return this.#strangers.size + this.#proved.size
  }

  /** A new peer; `proved` when its channel has proved somebody, who is known however many come from one address. */
  add(peer: Listed, proved: boolean): void {
    this.#strangers.put(peer)
    if (proved) this.#settle(peer)
    if (this.#strangers.size > this.#bounds.strangers) this.#forgetOldest(this.#strangers)
  }

  /** It sent or was sent something. */
  used(peer: Listed, now: number): void {
    peer.usedAt = now
    const { lane } = peer
    if (lane !== null && lane.newest !== peer) {
      lane.take(peer)
      lane.put(peer)
    }
    if (this.#kept.total > this.#bounds.keptAnswerBytes) this.#forgetAnswers(peer)
  }

  /** From now on it stands among the proved, unless its address has enough of them. */
  proved(peer: Listed): void {
    if (peer.lane !== this.#strangers) return
    if (this.#neighboursOf(peer) < this.#bounds.peersPerAddress) this.#settle(peer)
  }

  #neighboursOf({ endpoint }: Listed): number {
    return this.#networks.get(peerNetwork(endpoint.address)) ?? 0
  }

  #settle(peer: Listed): void {
    this.#networks.set(peerNetwork(peer.endpoint.address), this.#neighboursOf(peer) + 1)
    this.#strangers.take(peer)
    this.#proved.put(peer)
    if (this.#proved.size > this.#bounds.peers) this.#forgetOldest(this.#proved)
  }

  remove(peer: Listed): void {
    const { lane } = peer
    if (lane === null) return
    lane.take(peer)
    if (lane === this.#proved) this.#leaveNetwork(peer)
    peer.gone()
  }

  /** Strangers who were silent for so long that no duplicate can come are forgotten; of the others, their exchanges. */
  sweep(now: number): void {
    const idle = ({ usedAt }: Listed) => now - usedAt > this.#bounds.exchangeLifetime
    for (let peer = this.#strangers.oldest; peer !== null && idle(peer); peer = this.#strangers.oldest)
      this.remove(peer)
    for (let peer = this.#proved.oldest; peer !== null && idle(peer); peer = peer.newer) peer.forgetExchanges()
  }

  close(): void {
    for (const lane of [this.#strangers, this.#proved])
      for (let peer = lane.oldest; peer !== null; peer = lane.oldest) this.remove(peer)
  }

  #forgetOldest(lane: Lane): void {
    if (lane.oldest !== null) this.remove(lane.oldest)
  }

  /**
   * From those used longest ago, strangers first, but not of the one that is being served. A quarter at once, so that
   * looking for it costs little for each request.
   */
  #forgetAnswers(served: Listed): void {
    const enough = this.#bounds.keptAnswerBytes * 0.75
    for (const lane of [this.#strangers, this.#proved]) {
      for (let peer = lane.oldest; peer !== null; peer = peer.newer) {
        if (this.#kept.total <= enough) return
        if (peer !== served) peer.forgetExchanges()
      }
    }
  }

  #leaveNetwork(peer: Listed): void {
    const network = peerNetwork(peer.endpoint.address)
    const left = (this.#networks.get(network) ?? 1) - 1
    if (left > 0) this.#networks.set(network, left)
    else this.#networks.delete(network)
  }
}
