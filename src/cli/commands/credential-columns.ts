import type { Credential } from '../../client/client.ts'
import type { Column } from '../present.ts'

/** What tells one credential of a kind from the next. */
function detail(found: Credential): string {
  switch (found.kind) {
    case 'x509':
      return `serial ${found.serial}`
    case 'secret':
      return `opens ${found.audience}`
    case 'psk':
      return `identity ${found.identity}`
    case 'oscore':
      return `sender ${found.senderId}`
    case 'scram':
      return found.mechanism
    case 'jwt-key':
      return `${found.algorithm} ${found.kid}`
  }
}

export const CREDENTIAL_COLUMNS: readonly Column<Credential>[] = [
  { title: 'id', value: found => found.id },
  { title: 'owner', value: found => found.owner },
  { title: 'kind', value: found => found.kind },
  { title: 'status', value: found => found.status },
  { title: 'expires', value: found => found.expiresAt },
  { title: 'detail', value: detail },
  { title: 'label', value: found => found.label },
]
