import type { Clock } from '../model/clock.ts'
import { Failure } from '../model/failure.ts'
import { whyUnusable } from '../registry/credentials.ts'
import type { PskCredential } from '../registry/records.ts'
import type { Registry } from '../registry/registry.ts'
import type { Trace } from './proof.ts'

/**
 * The credential of a PSK identity whose key a TLS or DTLS handshake proved. The empty identity stands for a session
 * that was resumed without showing one. Throws `psk-without-identity`, `unknown-identity`, `credential-revoked`,
 * `credential-expired` or `credential-not-active`.
 */
export function verifyPsk(identity: string, registry: Registry, clock: Clock, trace: Trace): PskCredential {
  trace.credentialKind = 'psk'
  if (identity === '') throw new Failure('psk-without-identity')
  const record = registry.credentialByPskIdentity(identity)
  if (record?.kind !== 'psk') throw new Failure('unknown-identity', 'The PSK identity is no longer registered')
  trace.credential = record.id
  trace.principal = record.owner
  const why = whyUnusable(record, clock.now())
  if (why !== null) throw new Failure(why, `Pre-shared key ${record.id} of ${record.owner}: ${why}`)
  return record
}

/** The key for a handshake; null for an identity that is unknown, revoked or expired. */
export function pskKeyOf(identity: string, registry: Registry, clock: Clock): Buffer | null {
  const record = registry.credentialByPskIdentity(identity)
  if (record?.kind !== 'psk' || whyUnusable(record, clock.now()) !== null) return null
  return registry.pskKey(record)
}
