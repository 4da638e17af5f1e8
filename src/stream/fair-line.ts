// Work that takes the processor for long, and waits its turn.
import type { Clock } from '../model/clock.ts'

export interface LineLimits {
  /** Under way at once. */
  readonly places: number
  /** Milliseconds after which whoever is still under way gives way, where all places are taken and others wait. */
  readonly grace: number
  /** Begun in one turn of the event loop: between two turns everybody else is served. */
  readonly perTurn: number
}

/** In line, or under way. */
export interface Place {
  /** Gives it up; whoever is next begins. */
  leave(): void
}

/**
 * So many at once, and the others wait: one of each network in turn, so that whoever comes in masses waits for itself.
 * How long the line may grow is for others to say.
 */
export class FairLine {
  readonly #limits: LineLimits
  readonly #clock: Clock
  readonly #nextTurn: (act: () => void) => void
  /** Who waits, in order of arrival; the first network is the next one to be served. */
  readonly #waiting = new Map<string, Set<Member>>()
  #inLine = 0
  /** In the order in which they began. */
  readonly #underWay = new Set<Member>()
  /** Left to begin in this turn. */
  #left: number

  /** `nextTurn` calls back in the next turn of the event loop. */
  constructor(limits: LineLimits, clock: Clock, nextTurn: (act: () => void) => void = setImmediate) {
    this.#limits = limits
    this.#clock = clock
    this.#nextTurn = nextTurn
    this.#left = limits.perTurn
  }

  get underWay(): number {
    return this.#underWay.size
  }

  get inLine(): number {
    return this.#inLine
  }

  /**
   * Calls `begin` when it is this one's turn: at once where nobody waits. `drop` ends what holds a place beyond the grace;
   * without it, it is waited for.
   */
  enter(network: string, begin: (place: Place) => void, drop?: () => void): Place {
    const member = new Member(this, network, begin, drop)
    if (this.#inLine === 0 && this.#mayBegin) this.#begin(member)
    else this.#add(member)
    return member
  }

  /** Whoever does nothing with a place must not keep it from those who would. Returns how many were dropped. */
  sweep(): number {
    const { places, grace } = this.#limits
    if (this.#underWay.size < places) return 0
    const overdue: (() => void)[] = []
    for (const { since, drop } of this.#underWay) {
      if (overdue.length === this.#inLine || this.#clock.now() - since < grace) break
      if (drop !== undefined) overdue.push(drop)
    }
    for (const drop of overdue) drop()
    return overdue.length
  }

  /** For members alone. */
  leave(member: Member): void {
    if (this.#underWay.delete(member)) this.#serve()
    else this.#remove(member)
  }

  get #mayBegin(): boolean {
    return this.#underWay.size < this.#limits.places && this.#left > 0
  }

  #serve(): void {
    while (this.#inLine > 0 && this.#mayBegin) {
      const [first] = this.#waiting
      if (first === undefined) return
      const [network, members] = first
      const [next] = members
      if (next === undefined) return
      this.#remove(next)
      // the network goes to the end of the line
      if (members.size > 0) {
        this.#waiting.delete(network)
        this.#waiting.set(network, members)
      }
      this.#begin(next)
    }
  }

  #begin(member: Member): void {
    if (this.#left-- === this.#limits.perTurn)
      this.#nextTurn(() => {
        this.#left = this.#limits.perTurn
        this.#serve()
      })
    member.since = this.#clock.now()
    this.#underWay.add(member)
    member.begin(member)
  }

  #add(member: Member): void {
    const members = this.#waiting.get(member.network) ?? new Set<Member>()
    members.add(member)
    this.#waiting.set(member.network, members)
    this.#inLine++
  }

  #remove(member: Member): void {
    const members = this.#waiting.get(member.network)
    if (!members?.delete(member)) return
    if (members.size === 0) this.#waiting.delete(member.network)
    this.#inLine--
  }
}

class Member implements Place {
  readonly network: string
  readonly drop: (() => void) | undefined
  /** Milliseconds since the epoch at which it began. */
  since = 0
  readonly #line: FairLine
  readonly begin: (place: Place) => void
  #isGone = false

  constructor(line: FairLine, network: string, begin: (place: Place) => void, drop: (() => void) | undefined) {
    this.#line = line
    this.network = network
    this.begin = begin
    this.drop = drop
  }

  leave(): void {
    if (this.#isGone) return
    this.#isGone = true
    this.#line.leave(this)
  }
}
