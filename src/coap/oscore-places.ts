import type { Asker } from './dispatcher.ts'

/** Somebody who speaks from a place, and may move to another. */
export interface Placed {
  gone(): void
}

/** Who speaks by OSCORE through which endpoint, and ends with it. One listener for all: behind a gateway there are many. */
export class OscorePlaces {
  readonly #at = new WeakMap<Asker, Set<Placed>>()

  enter(outer: Asker, peer: Placed): void {
    const known = this.#at.get(outer)
    if (known !== undefined) {
      known.add(peer)
      return
    }
    const there = new Set([peer])
    this.#at.set(outer, there)
    outer.onGone(() => {
      for (const each of [...there]) each.gone()
    })
  }

  leave(outer: Asker, peer: Placed): void {
    this.#at.get(outer)?.delete(peer)
  }
}
