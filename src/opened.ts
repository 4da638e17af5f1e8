/** What has been opened so far; closed in reverse, whatever happens on the way. */
export class Opened {
  readonly #closers: (() => unknown)[] = []

  add(close: () => unknown): void {
    this.#closers.push(close)
  }

  async close(): Promise<void> {
    let first: unknown
    for (const close of this.#closers.splice(0).reverse()) {
      try {
        await close()
      } catch (error) {
        first ??= error
      }
    }
    if (first !== undefined) throw first
  }
}
