/** What was read of a key and decoded; `value` is undefined where there is nothing. */
export interface Remembered {
  readonly value: unknown
  /** Milliseconds since the epoch from which it counts no more; Infinity: until it is written. */
  readonly expiresAt: number
  readonly bytes: number
}

/**
 * What was decoded of the keys that are read again and again. Half of the room is for what was used lately; when it is
 * full, what was not used since the last time goes.
 */
export class RememberedReads {
  readonly #half: number
  #recent = new Map<string, Remembered>()
  #older = new Map<string, Remembered>()
  #recentBytes = 0
  #olderBytes = 0

  /** `bytes`: of keys and stored values together. */
  constructor(bytes: number) {
    this.#half = bytes / 2
  }

  get bytes(): number {
    return this.#recentBytes + this.#olderBytes
  }

  get(key: string): Remembered | undefined {
    const recent = this.#recent.get(key)
    if (recent !== undefined) return recent
    const older = this.#older.get(key)
    if (older === undefined) return undefined
    this.#older.delete(key)
    this.#olderBytes -= older.bytes
    this.#keep(key, older)
    return older
  }

  set(key: string, read: Remembered): void {
    this.forget(key)
    if (read.bytes <= this.#half) this.#keep(key, read)
  }

  forget(key: string): void {
    const recent = this.#recent.get(key)
    if (recent !== undefined) {
      this.#recent.delete(key)
      this.#recentBytes -= recent.bytes
    }
    const older = this.#older.get(key)
    if (older !== undefined) {
      this.#older.delete(key)
      this.#olderBytes -= older.bytes
    }
  }

  clear(): void {
    this.#recent.clear()
    this.#older.clear()
    this.#recentBytes = this.#olderBytes = 0
  }

  #keep(key: string, read: Remembered): void {
    if (this.#recentBytes + read.bytes > this.#half) {
      this.#older = this.#recent
      this.#olderBytes = this.#recentBytes
      this.#recent = new Map()
      this.#recentBytes = 0
    }
    this.#recent.set(key, read)
    this.#recentBytes += read.bytes
  }
}
