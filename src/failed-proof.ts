// Handshakes that did not prove what they claimed, as the audit trail has them; and what voids proofs of the past.
import type { AuditEvent } from './audit/events.ts'
import type { Change } from './model/change.ts'
import type { Transport } from './model/transport.ts'

export interface FailedProof {
  readonly transport: Transport
  readonly address: string
  /** The registered identity that was claimed; null when there was none. */
  readonly pskIdentity: string | null
}

/** Null when nobody whom we know was claimed to be there. */
export function failedProofEvent({ transport, address, pskIdentity }: FailedProof): AuditEvent | null {
  if (pskIdentity === null) return null
  return {
    type: 'authentication',
    result: 'refused',
    failure: 'bad-secret',
    transport,
    address,
    clientId: null,
    principal: pskIdentity,
    credential: null,
    credentialKind: 'psk',
  }
}

/** Somebody's proof does not hold any more: what was given out so that it need not be repeated is void. */
export function endsProofs(change: Change): boolean {
  switch (change.kind) {
    case 'credential':
      return change.what === 'revoked' || change.what === 'expired'
    case 'device':
    case 'client':
      return change.what === 'suspended' || change.what === 'removed'
    case 'issuer':
      return true
    default:
      return false
  }
}
