// OSCORE contexts (RFC 8613): made here whole, because two contexts with the same keys would use the same nonces.
import { Failure } from '../model/failure.ts'
import { addCredential, endCredential, holderOf, whyUnusable } from './credentials.ts'
import type { Draft } from './draft.ts'
import { type Makers, newBase, overlapEnd, rotatable, sameLifetime, sealContext } from './issuing.ts'
import type { Circumstances } from './owners.ts'
import type { OscoreCredential, OscoreInput, OscoreRotationInput } from './records.ts'
import { oscoreAt } from './slots.ts'

/** What keys are derived from. */
export interface OscoreSecrets {
  readonly masterSecret: Buffer
  readonly masterSalt: Buffer
}

export interface IssuedOscore {
  readonly credential: OscoreCredential
  /** Shown once. */
  readonly secrets: OscoreSecrets
}

const SECRET_BYTES = 16
const SALT_BYTES = 8
/** Of a sender id that is made here: short, since it stands in every request. */
const SENDER_ID_BYTES = 3
/** What we call ourselves unless somebody says otherwise. */
const RECIPIENT_ID = '00'
/** RFC 8613 3.3: at most 7 bytes with AES-CCM-16-64-128. */
const ID = /^(?:[0-9a-f]{2}){0,7}$/
const ID_CONTEXT = /^(?:[0-9a-f]{2}){1,64}$/

export function issueOscore(
  draft: Draft,
  owner: string,
  input: OscoreInput,
  by: Circumstances,
  makers: Makers,
): IssuedOscore {
  const base = newBase(draft, owner, input, by, makers)
  const senderId = senderIdFor(draft, input.senderId, by, makers)
  const recipientId = input.recipientId ?? (senderId === RECIPIENT_ID ? '01' : RECIPIENT_ID)
  const idContext = input.idContext ?? null
  if (!ID.test(recipientId)) throw wrongId('recipientId')
  if (senderId === recipientId)
    throw new Failure('invalid-input', 'senderId and recipientId must differ: each end has its own (RFC 8613 3.3)')
  if (idContext !== null && !ID_CONTEXT.test(idContext))
    throw new Failure('invalid-input', 'idContext must be the lower-case hex of 1 to 64 bytes')
  const secrets = {
    masterSecret: makers.random.bytes(SECRET_BYTES),
    masterSalt: makers.random.bytes(SALT_BYTES),
  }
  const both = Buffer.concat([secrets.masterSecret, secrets.masterSalt])
  const sealed = makers.vault.seal(both, sealContext(base)).toString('base64')
  const credential: OscoreCredential = { ...base, kind: 'oscore', senderId, recipientId, idContext, sealed }
  addCredential(draft, credential, by)
  return { credential, secrets }
}

/** A new context with ids of its own, so that both work during the overlap. */
export function rotateOscore(draft: Draft, id: string, input: OscoreRotationInput, by: Circumstances, makers: Makers) {
  const old = rotatable(draft, id, 'oscore', by)
  endCredential(draft, old, overlapEnd(input, by), by)
  const { label, owner, idContext } = old
  const fresh = {
    senderId: input.senderId,
    idContext: idContext ?? undefined,
    label,
    lifetime: sameLifetime(old, input),
  }
  return issueOscore(draft, owner, fresh, by, makers)
}

/** Of what `issueOscore` has sealed. */
export const secretsIn = (both: Buffer): OscoreSecrets => ({
  masterSecret: both.subarray(0, SECRET_BYTES),
  masterSalt: both.subarray(SECRET_BYTES),
})

/** Requests are told apart by it, so that it is one device's alone in the whole house. */
function senderIdFor(draft: Draft, wanted: string | undefined, by: Circumstances, { random }: Makers): string {
  if (wanted === undefined) {
    const made = random.bytes(SENDER_ID_BYTES).toString('hex')
    if (isTaken(draft, made, by)) throw new Failure('conflict', 'this sender id is taken: try again')
    return made
  }
  if (!ID.test(wanted)) throw wrongId('senderId')
  if (isTaken(draft, wanted, by))
    throw new Failure(
      'already-exists',
      `the sender id '${wanted}' is taken: choose another, or rotate or revoke its context`,
    )
  return wanted
}

function isTaken(draft: Draft, senderId: string, by: Circumstances): boolean {
  const holder = holderOf(draft, oscoreAt(senderId))
  return holder !== undefined && whyUnusable(holder, by.now) === null
}

const wrongId = (name: string): Failure =>
  new Failure('invalid-input', `${name} must be the lower-case hex of 0 to 7 bytes (RFC 8613 3.3)`)
