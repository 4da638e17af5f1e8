/** Something that has bytes to write. */
export interface Flushable {
  flush(): void
}

/** What went over all MQTT connections since the start: plain numbers, for they rise with every packet. */
export class Traffic {
  bytesReceived = 0
  bytesSent = 0
  packetsReceived = 0
  packetsSent = 0
  publishesReceived = 0
  publishesSent = 0
}

/**
 * Gathers what one turn of the event loop makes for each connection, so that it leaves in one system call: that call is
 * what a message costs most. Shared by all connections of a server; it also counts what waits for all of them and what
 * has passed.
 */
export class WriteTurn {
  /** Bytes handed to sockets that their peers have not taken yet. */
  backlog = 0
  readonly traffic = new Traffic()
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
