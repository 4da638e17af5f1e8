// How many handshakes are under way, in all and from one address: a stranger with a true address gets past the cookie.
export class PendingHandshakes {
  readonly #most: number
  readonly #mostPerAddress: number
  readonly #byAddress = new Map<string, number>()
  #count = 0

  constructor(most: number, mostPerAddress: number) {
    this.#most = most
    this.#mostPerAddress = mostPerAddress
  }

  get count(): number {
    return this.#count
  }

  hasRoom(address: string): boolean {
    return this.#count < this.#most && (this.#byAddress.get(address) ?? 0) < this.#mostPerAddress
  }

  begin(address: string): void {
    this.#count += 1
    this.#byAddress.set(address, (this.#byAddress.get(address) ?? 0) + 1)
  }

  end(address: string): void {
    this.#count -= 1
    const left = (this.#byAddress.get(address) ?? 1) - 1
    if (left > 0) this.#byAddress.set(address, left)
    else this.#byAddress.delete(address)
  }
}
