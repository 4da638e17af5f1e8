import type { Fate } from './resource.ts'

/** Kept alone: the notification itself would live on for many rounds. */
type OnFate = (fate: Fate) => void

/** The last non-confirmable notifications to a peer, so that a reset finds the one it means (RFC 7641 3.6). */
export class SentNotifications {
  readonly #capacity: number
  readonly #ids: number[] = []
  readonly #sent: (OnFate | null)[] = []
  #next = 0

  constructor(capacity: number) {
    this.#capacity = capacity
  }

  remember(messageId: number, onFate: OnFate): void {
    if (this.#ids.length < this.#capacity) {
      this.#ids.push(messageId)
      this.#sent.push(onFate)
      return
    }
    this.#ids[this.#next] = messageId
    this.#sent[this.#next] = onFate
    this.#next = this.#next + 1 === this.#capacity ? 0 : this.#next + 1
  }

  /** Finds it once. */
  take(messageId: number): OnFate | null {
    const at = this.#ids.indexOf(messageId)
    if (at < 0) return null
    const onFate = this.#sent[at] ?? null
    this.#ids[at] = -1
    this.#sent[at] = null
    return onFate
  }
}
