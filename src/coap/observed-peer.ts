// An observer as a peer, with all that it observes; and whether it is still there. Notifications show that only when there is
// something to tell (RFC 7641 4.5), and what is silent for long is forgotten by the NATs in between.
import type { Observation } from './observation.ts'
import type { Peer } from './resource.ts'

export interface CheckTimes {
  /** Milliseconds of silence after which it is asked; who does not answer observes nothing any more. */
  readonly checkEvery: number
  /** The same for one whose session by token would end for its silence; who does not answer is left to that. */
  readonly beforeIdle: number
}

export class ObservedPeer {
  /** By their tokens, as Latin-1. */
  readonly observations = new Map<string, Observation>()
  /** Milliseconds since the epoch. */
  heardAt: number
  #asked = false

  constructor(now: number) {
    this.heardAt = now
  }

  /** Asks whether somebody is there, when that is due. `lost` is called when nobody was for `checkEvery`. */
  check(peer: Peer, clock: { now(): number }, times: CheckTimes, lost: () => void): void {
    if (this.#asked || this.observations.size === 0 || peer.probe === undefined) return
    if (!this.#isSilent(clock.now(), times.checkEvery) && !this.#wouldIdle(clock.now(), times.beforeIdle)) return
    this.#asked = true
    peer.probe(isThere => {
      this.#asked = false
      const now = clock.now()
      if (isThere) this.#heard(now)
      else if (this.#isSilent(now, times.checkEvery)) lost()
    })
  }

  #heard(now: number): void {
    this.heardAt = now
    for (const { session } of this.observations.values()) session.lastSeen = now
  }

  #isSilent(now: number, milliseconds: number): boolean {
    return Math.abs(now - this.heardAt) >= milliseconds
  }

  /** Sessions by token have a client id, and an end by idleness. */
  #wouldIdle(now: number, milliseconds: number): boolean {
    for (const { session } of this.observations.values())
      if (session.clientId !== null && Math.abs(now - session.lastSeen) >= milliseconds) return true
    return false
  }
}
