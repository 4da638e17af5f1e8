import type { Change } from '../model/change.ts'
import type { Principal } from '../model/principal.ts'

/** Whom a change takes what they were admitted by: their wills are not sent any more. null: nobody. */
export function silencedBy(change: Change): ((principal: Principal) => boolean) | null {
  switch (change.kind) {
    case 'device':
    case 'client':
      return change.what === 'suspended' ? ({ subject }) => subject.id === change.id : null
    case 'credential':
      return change.what === 'revoked' ? ({ credential }) => credential?.id === change.id : null
    case 'token':
      return ({ jti, issuer }) => jti === change.jti && issuer === change.issuer
    default:
      return null
  }
}
