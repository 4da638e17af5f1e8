/** Steps that are taken one after the other, as far as there is room. A step returns true when it is done for good. */
export class Backlog {
  #steps: (() => boolean)[] = []
  #running = false

  get isEmpty(): boolean {
    return this.#steps.length === 0
  }

  add(step: () => boolean): void {
    this.#steps.push(step)
    this.goOn()
  }

  goOn(): void {
    if (this.#running) return
    this.#running = true
    try {
      while (this.#steps[0]?.()) this.#steps.shift()
      if (this.#steps.length === 0) this.#steps = [] // an emptied array keeps its room
    } finally {
      this.#running = false
    }
  }

  clear(): void {
    this.#steps = []
  }
}
