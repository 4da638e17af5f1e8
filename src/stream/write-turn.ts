/** Something that has bytes to write. */
export interface Flushable {
  flush(): void
}

/**
 * Gathers what one turn of the event loop makes for each connection, so that it leaves in one system call: that call is
 * what a message costs most. Shared by all connections of a server; it also counts what waits for all of them.
 */
export class WriteTurn {
  /** Bytes that wait for readers who have not taken them yet. */
  backlog = 0
  #dirty: Flushable[] = []
  #scheduled = false

  add(connection: Flushable): void {
    this.#dirty.push(connection)
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(() => {
      const dirty = this.#dirty
      this.#scheduled = false
      this.#dirty = []
      for (const each of dirty) each.flush()
    })
  }
}
