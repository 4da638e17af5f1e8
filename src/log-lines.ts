import { Paced } from './model/paced.ts'

/** What takes text: a file descriptor's writer, a terminal. */
export interface TextSink {
  write(text: string): unknown
}

/** Characters that are written at once. */
const WRITE_NOW = 64 * 1024
/** Milliseconds between two writes. */
const GATHER = 5

/**
 * Lines of a few milliseconds as one write: a system call for each would be a tenth of what a short connection costs.
 * Whoever ends the process calls `flush`, so that only a kill can lose a line, and no more than these.
 */
export class LogLines {
  readonly #sink: TextSink
  readonly #flushSoon = new Paced(() => this.flush(), GATHER)
  #pending = ''

  constructor(sink: TextSink) {
    this.#sink = sink
  }

  write(line: string): void {
    this.#pending += line
    if (this.#pending.length >= WRITE_NOW) this.flush()
    else this.#flushSoon.ask()
  }

  flush(): void {
    const text = this.#pending
    this.#pending = ''
    if (text !== '') this.#sink.write(text)
  }
}
