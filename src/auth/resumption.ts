// Sessions that are taken up again: what once proved them is asked about anew, in the moment of the handshake.
import type { Clock } from '../model/clock.ts'
import { whyUnusable } from '../registry/credentials.ts'
import type { CredentialRecord } from '../registry/records.ts'
import type { Registry } from '../registry/registry.ts'
import { fingerprintOf, parse } from './verify-x509.ts'

/** What an earlier handshake has proved. */
export interface ProvedBefore {
  readonly pskIdentity: string | null
  /** DER. */
  readonly certificate: Buffer | null
}

/**
 * Whether it is still worth something: known, usable, and of somebody who is active. Only a first look, which spares
 * those a session who would lose it at once: whoever passes still goes through the door.
 */
export function mayResume({ pskIdentity, certificate }: ProvedBefore, registry: Registry, clock: Clock): boolean {
  const records: (CredentialRecord | undefined)[] = []
  if (pskIdentity !== null) records.push(registry.credentialByPskIdentity(pskIdentity))
  if (certificate !== null) records.push(registry.credentialByFingerprint(fingerprintOf(parse(certificate))))
  return records.length > 0 && records.every(record => record !== undefined && stands(record, registry, clock.now()))
}

function stands(record: CredentialRecord, registry: Registry, now: number): boolean {
  const owner = registry.device(record.owner) ?? registry.client(record.owner)
  return owner?.status === 'active' && whyUnusable(record, now) === null
}
