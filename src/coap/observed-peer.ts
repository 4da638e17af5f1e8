// An observer as a peer, with all that it observes; and whether it is still there. Notifications show that only when there is
// something to tell (RFC 7641 4.5), and what is silent for long is forgotten by the NATs in between.
import type { Observation } from './observation.ts'
import type { Peer } from './resource.ts'

export interface CheckTimes {
  /** Milliseconds of silence after which it is asked; who does not answer observes nothing any more. */
  readonly checkEvery: number
  /** The same for one whose session by token would end for its silence; who does not answer is left to that. */
  readonly beforeIdle: number
  /** Notifications without an answer after which it is asked, whatever the time: to who is gone nobody must go on sending. */
  readonly unheard: number
}

export class ObservedPeer {
  /** By their tokens, as Latin-1. */
  readonly observations = new Map<string, Observation>()
  /** Milliseconds since the epoch. */
  #heardAt: number
  #asked = false

  constructor(now: number) {
    this.#heardAt = now
  }

  /** It has asked for something, or acknowledged it. */
  heard(now: number): void {
    this.#heardAt = now
    for (const observation of this.observations.values()) observation.unheard = 0
  }

  /** Asks whether somebody is there, when that is due. `lost` is called when nobody is, and it matters. */
  check(peer: Peer, clock: { now(): number }, times: CheckTimes, lost: () => void): void {
    if (this.#asked || this.observations.size === 0 || peer.probe === undefined) return
    const isDue = (now: number) => this.#isSilent(now, times.checkEvery) || this.#isUnheard(times.unheard)
    if (!isDue(clock.now()) && !this.#wouldIdle(clock.now(), times.beforeIdle)) return
    this.#asked = true
    peer.probe(isThere => {
      this.#asked = false
      const now = clock.now()
      if (isThere) this.#isThere(now)
      else if (isDue(now)) lost()
    })
  }

  #isThere(now: number): void {
    this.heard(now)
    for (const { session } of this.observations.values()) session.lastSeen = now
  }

  /** RFC 7252 4.7 (PROBING_RATE), RFC 7641 4.5. */
  #isUnheard(most: number): boolean {
    let unheard = 0
    for (const observation of this.observations.values()) unheard += observation.unheard
    return unheard >= most
  }

  #isSilent(now: number, milliseconds: number): boolean {
    return Math.abs(now - this.#heardAt) >= milliseconds
  }

  /** Sessions by token have a client id, and an end by idleness. */
  #wouldIdle(now: number, milliseconds: number): boolean {
    for (const { session } of this.observations.values())
      if (session.clientId !== null && Math.abs(now - session.lastSeen) >= milliseconds) return true
    return false
  }
}
