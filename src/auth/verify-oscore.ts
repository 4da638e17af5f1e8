import type { Clock } from '../model/clock.ts'
import { Failure } from '../model/failure.ts'
import { whyUnusable } from '../registry/credentials.ts'
import type { OscoreSecrets } from '../registry/oscore-issuing.ts'
import type { OscoreCredential } from '../registry/records.ts'
import type { Registry } from '../registry/registry.ts'
import type { Trace } from './proof.ts'

/** An OSCORE context (RFC 8613 3) as the device sees it, without its secrets. */
export interface OscoreContextOf {
  /** Of the credential. */
  readonly id: string
  readonly senderId: Buffer
  readonly recipientId: Buffer
  readonly idContext: Buffer | null
  /** Milliseconds since the epoch; null: it does not end by itself. */
  readonly expiresAt: number | null
  secrets(): OscoreSecrets
}

/**
 * The credential whose OSCORE context verified a message. Throws `unknown-identity`, `credential-revoked`,
 * `credential-expired` or `credential-not-active`.
 */
export function verifyOscore(id: string, registry: Registry, clock: Clock, trace: Trace): OscoreCredential {
  trace.credentialKind = 'oscore'
  const record = registry.credential(id)
  if (record?.kind !== 'oscore') throw new Failure('unknown-identity', 'The OSCORE context is no longer registered')
  trace.credential = record.id
  trace.principal = record.owner
  const why = whyUnusable(record, clock.now())
  if (why !== null) throw new Failure(why, `OSCORE context ${record.id} of ${record.owner}: ${why}`)
  return record
}

/**
 * What a request with this `kid` is read with; null for one that is unknown, revoked or expired, and for a `kid context`
 * that is not its own (RFC 8613 5.1).
 */
export function oscoreContextOf(
  kid: Buffer,
  kidContext: Buffer | null,
  registry: Registry,
  clock: Clock,
): OscoreContextOf | null {
  const record = registry.credentialByOscoreId(kid.toString('hex'))
  if (record === undefined || whyUnusable(record, clock.now()) !== null) return null
  if (kidContext !== null && kidContext.toString('hex') !== record.idContext) return null
  const { id, senderId, recipientId, idContext, expiresAt } = record
  return {
    id,
    senderId: Buffer.from(senderId, 'hex'),
    recipientId: Buffer.from(recipientId, 'hex'),
    idContext: idContext === null ? null : Buffer.from(idContext, 'hex'),
    expiresAt,
    secrets: () => registry.oscoreSecrets(record),
  }
}
