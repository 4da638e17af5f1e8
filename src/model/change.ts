/** One ordered feed of what altered. Live sessions, routes, queues and caches follow it. Sent after the store has it. */
export type Change =
  | {
      readonly kind: 'device'
      readonly id: string
      readonly what: 'created' | 'updated' | 'suspended' | 'resumed' | 'removed'
    }
  | {
      readonly kind: 'client'
      readonly id: string
      readonly what: 'created' | 'updated' | 'suspended' | 'resumed' | 'removed'
    }
  | {
      readonly kind: 'credential'
      readonly id: string
      /** Device or client that holds it. */
      readonly owner: string
      readonly what: 'issued' | 'activated' | 'revoked' | 'expired'
    }
  | { readonly kind: 'token'; readonly jti: string; readonly issuer: string }
  | { readonly kind: 'issuer'; readonly id: string }
  | { readonly kind: 'key'; readonly id: string; readonly what: 'created' | 'retired' | 'removed' }
  | { readonly kind: 'policy'; readonly version: number }

export type ChangeListener = (change: Change) => void

/** Listeners run in order of subscription, synchronously: when `publish` returns, everybody has acted. */
export interface Changes {
  publish(change: Change): void
  /** Returns a function that ends the subscription. */
  subscribe(listener: ChangeListener): () => void
}

export class ChangeFeed implements Changes {
  readonly #listeners = new Set<ChangeListener>()

  publish(change: Change): void {
    for (const listener of this.#listeners) listener(change)
  }

  subscribe(listener: ChangeListener): () => void {
    this.#listeners.add(listener)
    return () => {
      this.#listeners.delete(listener)
    }
  }
}
