/** What takes text: a file descriptor's writer, a terminal. */
export interface TextSink {
  write(text: string): unknown
}

/** Characters that are written without waiting for the end of the turn. */
const WRITE_NOW = 64 * 1024

/**
 * Lines of one turn of the event loop as one write: a system call for each would be a tenth of what a short connection
 * costs. Whoever ends the process calls `flush`, so that only a kill can lose a line, and no more than this turn's.
 */
export class LogLines {
  readonly #sink: TextSink
  #pending = ''

  constructor(sink: TextSink) {
    this.#sink = sink
  }

  write(line: string): void {
    if (this.#pending === '') setImmediate(() => this.flush())
    this.#pending += line
    if (this.#pending.length >= WRITE_NOW) this.flush()
  }

  flush(): void {
    const text = this.#pending
    this.#pending = ''
    if (text !== '') this.#sink.write(text)
  }
}
