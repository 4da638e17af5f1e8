interface Slot<T> {
  readonly item: T
  at: number
  index: number
}

/** Items by the time at which they end (ms since the epoch): a binary heap that items can also leave early. */
export class ExpiryQueue<T> {
  readonly #heap: Slot<T>[] = []
  readonly #slots = new Map<T, Slot<T>>()

  get size(): number {
    return this.#heap.length
  }

  /** When the first one ends; null when none is waiting. */
  get next(): number | null {
    return this.#heap[0]?.at ?? null
  }

  /** Adds the item or moves its end; null takes it out. */
  set(item: T, at: number | null): void {
    const known = this.#slots.get(item)
    if (at === null) {
      if (known) this.#remove(known)
      return
    }
    if (known) {
      known.at = at
      this.#settle(known)
      return
    }
    const slot = { item, at, index: this.#heap.length }
    this.#heap.push(slot)
    this.#slots.set(item, slot)
    this.#settle(slot)
  }

  delete(item: T): void {
    this.set(item, null)
  }

  /** Takes out everything that has ended by `now`, first ends first. */
  takeDue(now: number): T[] {
    const due: T[] = []
    for (let first = this.#heap[0]; first && first.at <= now; first = this.#heap[0]) {
      due.push(first.item)
      this.#remove(first)
    }
    return due
  }

  #remove(slot: Slot<T>): void {
    this.#slots.delete(slot.item)
    const last = this.#heap.pop()
    if (!last || last === slot) return
    last.index = slot.index
    this.#heap[slot.index] = last
    this.#settle(last)
  }

  #settle(slot: Slot<T>): void {
    for (let parent = this.#at(parentOf(slot)); parent && parent.at > slot.at; parent = this.#at(parentOf(slot))) {
      this.#swap(slot, parent)
    }
    for (let child = this.#earlierChild(slot); child && child.at < slot.at; child = this.#earlierChild(slot)) {
      this.#swap(slot, child)
    }
  }

  #at(index: number): Slot<T> | undefined {
    return index < 0 ? undefined : this.#heap[index]
  }

  #earlierChild(slot: Slot<T>): Slot<T> | undefined {
    const left = this.#heap[2 * slot.index + 1]
    const right = this.#heap[2 * slot.index + 2]
    return left && right && right.at < left.at ? right : left
  }

  #swap(a: Slot<T>, b: Slot<T>): void {
    const index = a.index
    a.index = b.index
    b.index = index
    this.#heap[a.index] = a
    this.#heap[b.index] = b
  }
}

function parentOf(slot: { readonly index: number }): number {
  return slot.index === 0 ? -1 : (slot.index - 1) >> 1
}
