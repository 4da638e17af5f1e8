import { Failure } from '../model/failure.ts'
import type { Principal } from '../model/principal.ts'
import { printable } from '../model/printable.ts'
import type { Session } from './session.ts'

export interface SessionOwnersLimits {
  /** Sessions of one owner that outlive their connection. */
  readonly sessionsPerOwner: number
  /** The same for all who are anonymous together. */
  readonly anonymousSessions: number
}

/** Counts the sessions that outlive their connection, by owner. */
export class SessionOwners {
  readonly #limits: SessionOwnersLimits
  readonly #owned = new Map<string, Set<Session>>()

  constructor(limits: SessionOwnersLimits) {
    this.#limits = limits
  }

  /** Throws `quota-exceeded` when there is no room for one more in place of `replaced`. */
  checkRoom(principal: Principal, replaced: Session | undefined): void {
    const { kind, id } = principal.subject
    const setting = kind === 'anonymous' ? 'anonymousSessions' : 'sessionsPerOwner'
    const owned = this.#owned.get(ownerOf(principal))
    const count = (owned?.size ?? 0) - (replaced !== undefined && owned?.has(replaced) ? 1 : 0)
    if (count < this.#limits[setting]) return
    throw new Failure(
      'quota-exceeded',
      `${printable(id)} has ${count} sessions that outlive their connection, which is limits.${setting}; let some expire, or raise it.`,
    )
  }

  add(session: Session): void {
    const owner = ownerOf(session.principal)
    const owned = this.#owned.get(owner)
    if (owned === undefined) this.#owned.set(owner, new Set([session]))
    else owned.add(session)
  }

  remove(session: Session): void {
    const owner = ownerOf(session.principal)
    const owned = this.#owned.get(owner)
    owned?.delete(session)
    if (owned?.size === 0) this.#owned.delete(owner)
  }
}

const ownerOf = ({ subject }: Principal): string => `${subject.kind} ${subject.id}`
