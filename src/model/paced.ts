/**
 * Work that is gathered: done at the end of the turn in which it is first asked for, and then no sooner than `rest`
 * milliseconds after the last time. Who asks seldom waits for nothing; who asks in every turn is served in groups.
 */
export class Paced {
  readonly #act: () => void
  readonly #rest: number
  #isAsked = false
  #isWaiting = false

  constructor(act: () => void, rest: number) {
    this.#act = act
    this.#rest = rest
  }

  ask(): void {
    if (this.#isAsked) return
    this.#isAsked = true
    if (!this.#isWaiting) setImmediate(() => this.#run())
  }

  #run(): void {
    if (!this.#isAsked) {
      this.#isWaiting = false
      return
    }
    this.#isAsked = false
    this.#isWaiting = true
    setTimeout(() => this.#run(), this.#rest).unref()
    this.#act()
  }
}
