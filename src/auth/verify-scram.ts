// SCRAM-SHA-256 (RFC 5802, RFC 7677) as the method of enhanced authentication of that name (MQTT 5, 4.12).
import { timingSafeEqual } from 'node:crypto'
import type { Clock, Random } from '../model/clock.ts'
import { Failure } from '../model/failure.ts'
import { whyUnusable } from '../registry/credentials.ts'
import type { ScramCredential } from '../registry/records.ts'
import type { Registry } from '../registry/registry.ts'
import {
  decodeScramKeys,
  encodeScramKeys,
  hmac,
  SCRAM_ITERATIONS,
  SCRAM_SALT_BYTES,
  type ScramKeys,
  sha256,
} from '../vault/scram-keys.ts'
import type { Vault } from '../vault/vault.ts'
import type { Trace } from './proof.ts'
import { readClientFinal, readClientFirst, refused, serverFirst } from './scram-messages.ts'

export const SCRAM_METHOD = 'SCRAM-SHA-256'

export interface ScramVerification {
  readonly registry: Registry
  readonly vault: Vault
  readonly clock: Clock
  readonly random: Random
}

/** Bytes of the server's half of the nonce. */
const NONCE_BYTES = 18
const SALT_LABEL = 'scram salt'
const DECOY = 'scram decoy'

/** Answers client-first messages. A username that nobody has gets what anybody would: a salt that stays the same. */
export class ScramServer {
  readonly #parts: ScramVerification
  /** Nobody knows its password: what is proved by it is refused. */
  readonly #decoy: Buffer

  constructor(parts: ScramVerification) {
    this.#parts = parts
    const { random, vault } = parts
    const [salt, storedKey, serverKey] = [random.bytes(SCRAM_SALT_BYTES), random.bytes(32), random.bytes(32)]
    this.#decoy = vault.seal(encodeScramKeys({ salt, iterations: SCRAM_ITERATIONS, storedKey, serverKey }), DECOY)
  }

  /** Throws `bad-secret` when the message is none, or asks for what is not served. `most`: bytes of a message. */
  begin(data: Buffer | null, most: number): ScramConversation {
    const { random } = this.#parts
    const first = readClientFirst(data, most)
    const { record, keys } = this.#lookUp(first.username)
    const nonce = first.nonce + random.bytes(NONCE_BYTES).toString('base64url')
    const challenge = serverFirst(nonce, keys)
    const { gs2Header, bare, username } = first
    return new ScramConversation({ gs2Header, bare, username, nonce, challenge, keys, record, most }, this.#parts)
  }

  /** The same work whether somebody has this username or not. */
  #lookUp(username: string): { record: ScramCredential | null; keys: ScramKeys } {
    const { registry, vault } = this.#parts
    const record = registry.scramCredential(username) ?? null
    const fake = vault.mac(SALT_LABEL, Buffer.from(username)).subarray(0, SCRAM_SALT_BYTES)
    if (record !== null) return { record, keys: registry.scramKeys(record) }
    return { record, keys: { ...decodeScramKeys(vault.unseal(this.#decoy, DECOY)), salt: fake } }
  }
}

interface ScramState {
  readonly gs2Header: string
  readonly bare: string
  readonly username: string
  readonly nonce: string
  readonly challenge: string
  readonly keys: ScramKeys
  readonly record: ScramCredential | null
  readonly most: number
}

/** One challenge and the one answer to it. */
export class ScramConversation {
  readonly #state: ScramState
  readonly #parts: ScramVerification
  #isAnswered = false
  /** server-final: what proves to the client that we have its key; null until the client has proved itself. */
  signature: Buffer | null = null

  constructor(state: ScramState, parts: ScramVerification) {
    this.#state = state
    this.#parts = parts
  }

  /** server-first. */
  get challenge(): Buffer {
    return Buffer.from(this.#state.challenge)
  }

  /** Names the conversation for the attempt limiter. */
  get reference(): string {
    return `scram:${sha256(Buffer.from(this.#state.username)).toString('hex')}`
  }

  /**
   * The credential whose password the client has. Throws `bad-secret`, and only for whoever has the password
   * `credential-revoked`, `credential-expired` or `credential-not-active`.
   */
  verify(data: Buffer | null, trace: Trace): ScramCredential {
    const { gs2Header, bare, nonce, challenge, keys, record: begun, most } = this.#state
    trace.credentialKind = 'scram'
    trace.credential = begun?.id ?? null
    if (this.#isAnswered) throw refused('A SCRAM challenge is answered once')
    this.#isAnswered = true
    const final = readClientFinal(data, most)
    const authMessage = `${bare},${challenge},${final.withoutProof}`
    const isProved = proves(final.proof, keys, authMessage)
    const isBound = final.channelBinding === Buffer.from(gs2Header).toString('base64')
    if (begun === null || !isProved || !isBound || final.nonce !== nonce)
      throw refused(isBound ? 'The SCRAM proof, its nonce or its username is wrong' : 'The channel binding was changed')
    trace.principal = begun.owner
    const record = this.#parts.registry.credential(begun.id)
    if (record?.kind !== 'scram') throw new Failure('credential-revoked')
    const why = whyUnusable(record, this.#parts.clock.now())
    if (why !== null) throw new Failure(why, `The SCRAM password ${record.id} of ${record.owner}: ${why}`)
    this.signature = Buffer.from(`v=${hmac(keys.serverKey, authMessage).toString('base64')}`)
    return record
  }
}

/** RFC 5802 3: the ClientKey that the proof hides must hash to the StoredKey. */
function proves(proof: Buffer, { storedKey }: ScramKeys, authMessage: string): boolean {
  const signature = hmac(storedKey, authMessage)
  const clientKey = Buffer.alloc(signature.length)
  for (let i = 0; i < clientKey.length; i++) clientKey[i] = (signature[i] ?? 0) ^ (proof[i] ?? 0)
  return timingSafeEqual(sha256(clientKey), storedKey) && proof.length === signature.length
}
