// The OSCORE contexts in use (RFC 8613 3), found by what a request says of itself.
import type { Authenticator } from '../auth/authenticator.ts'
import { deriveKeys, type OscoreKeys } from '../coap-wire/oscore-keys.ts'
import type { ReplayWindow } from '../coap-wire/oscore-replay.ts'
import type { Meter } from '../model/meter.ts'
import type { Store } from '../store/store.ts'
import type { CoapLimits } from './limits.ts'
import type { OscorePeer } from './oscore-peer.ts'
import { SenderSequence, STATE_PREFIX } from './oscore-sequence.ts'

export interface OscoreContextParts {
  readonly store: Pick<Store, 'get' | 'commit' | 'list' | 'flush'>
  readonly credentials: Pick<Authenticator, 'oscoreContext' | 'isOscoreOver'>
  readonly meter: Meter
  readonly limits: CoapLimits
}

/** One context, as long as it is remembered. */
export interface ServerContext {
  /** Of the credential. */
  readonly id: string
  /** Unlike that of any other, also of one with the same credential. */
  readonly instance: number
  readonly keys: OscoreKeys
  readonly sequence: SenderSequence
  /** null: what came before is not known, so that the first request must show that it is new (RFC 8613 B.1.2). */
  window: ReplayWindow | null
  /** Resolves when sequence numbers may be used, with what is known of the past; null before and after. */
  opening: ReturnType<SenderSequence['open']> | null
  isOpen: boolean
  /** Whoever speaks by it now. */
  peer: OscorePeer | null
}

const DAY = 86_400_000

export class OscoreContexts {
  readonly #parts: OscoreContextParts
  /** By credential; those used longest ago first. */
  readonly #known = new Map<string, ServerContext>()
  #instances = 0

  constructor(parts: OscoreContextParts) {
    this.#parts = parts
    parts.meter.gauge('latchkey_coap_oscore_contexts', 'OSCORE contexts in memory', () => this.#known.size)
  }

  /** null alike for what is unknown, revoked or expired. Nothing is written yet: anybody can name a `kid`. */
  find(kid: Buffer, kidContext: Buffer | null): ServerContext | null {
    const found = this.#parts.credentials.oscoreContext(kid, kidContext)
    if (found === null) return null
    const known = this.#known.get(found.id)
    if (known !== undefined) return known
    const { id, senderId, recipientId, idContext, expiresAt } = found
    const { store, limits } = this.#parts
    const sequence = new SenderSequence(id, {
      store,
      stretch: limits.oscoreReserve,
      last: limits.oscoreSequences,
      expiresAt: expiresAt === null ? undefined : expiresAt + DAY,
    })
    this.#instances += 1
    const context: ServerContext = {
      id,
      instance: this.#instances,
      // The credential speaks as the device does.
      keys: deriveKeys({ ...found.secrets(), senderId: recipientId, recipientId: senderId, idContext }),
      sequence,
      window: null,
      opening: null,
      isOpen: false,
      peer: null,
    }
    this.#known.set(id, context)
    this.#makeRoom()
    return context
  }

  /** It goes last when room is made. */
  used(context: ServerContext): void {
    if (this.#known.get(context.id) !== context) return
    this.#known.delete(context.id)
    this.#known.set(context.id, context)
  }

  /** The session by this context has ended. What was seen before is still known, unless it is the end of the context. */
  left(context: ServerContext): void {
    if (this.#parts.credentials.isOscoreOver(context.id)) this.forget(context)
    else context.peer?.gone()
  }

  /** Whoever comes back by it must show that what he says is new. */
  forget(context: ServerContext): void {
    if (this.#known.get(context.id) === context) this.#known.delete(context.id)
    context.peer?.gone()
    this.#clear(context.id)
  }

  /** Removes what is kept of contexts that will never be used again. */
  async sweepStore(): Promise<void> {
    const { store } = this.#parts
    await store.flush()
    for await (const { key } of store.list(STATE_PREFIX)) this.#clear(key.slice(STATE_PREFIX.length))
  }

  close(): void {
    this.#known.clear()
  }

  /** Only when its keys can never be used again: a context that looks unused would begin anew with its nonces. */
  #clear(id: string): void {
    const { store, credentials } = this.#parts
    if (credentials.isOscoreOver(id)) store.commit([{ del: STATE_PREFIX + id }]).catch(() => {}) // swept at the next start
  }

  #makeRoom(): void {
    while (this.#known.size > this.#parts.limits.oscoreContexts) {
      const [oldest] = this.#known.values()
      if (oldest === undefined) return
      this.forget(oldest)
    }
  }
}
