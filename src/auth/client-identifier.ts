import type { Random } from '../model/clock.ts'
import { Failure } from '../model/failure.ts'
import type { Principal } from '../model/principal.ts'
import { printable } from '../model/printable.ts'
import type { Registry } from '../registry/registry.ts'

const ASSIGNED_BYTES = 6

/**
 * Whether somebody may use this MQTT client identifier: its own id; `<id>/...` where the registry says `under`; a
 * gateway also the ids of its children that are not suspended. The anonymous use what belongs to nobody: nothing whose first level is
 * registered.
 */
export function admitsClientId(
  principal: Principal,
  clientId: string,
  registry: Registry,
  clientIdBytes: number,
): boolean {
  if (clientId === '' || Buffer.byteLength(clientId) > clientIdBytes) return false
  // It will stand in logs and topics: no control characters, no wildcards (CVE-2017-7650).
  if (printable(clientId, clientIdBytes) !== clientId || /[+#]/.test(clientId)) return false
  const { subject } = principal
  if (subject.kind === 'anonymous') {
    const [first = ''] = clientId.split('/', 1)
    return registry.device(first) === undefined && registry.client(first) === undefined
  }
  if (clientId === subject.id) return true
  if (subject.children.includes(clientId)) return registry.device(clientId)?.status === 'active'
  return clientId.startsWith(`${subject.id}/`) && clientIdsOf(subject.id, registry) === 'under'
}

/** Throws `client-id-not-yours`. */
export function checkClientId(principal: Principal, clientId: string, registry: Registry, clientIdBytes: number): void {
  if (admitsClientId(principal, clientId, registry, clientIdBytes)) return
  const who = principal.subject.kind === 'anonymous' ? 'The anonymous' : principal.subject.id
  throw new Failure('client-id-not-yours', `${who} may not use the client id ${printable(clientId, 80)}`)
}

/** For a peer that left the choice to us: its own id, or `<id>/<random>` where the registry says `under`. */
export function assignClientId(principal: Principal, registry: Registry, random: Random): string {
  const { subject } = principal
  // `~` begins no identifier, so this never becomes somebody's own.
  if (subject.kind === 'anonymous') return `~${random.bytes(2 * ASSIGNED_BYTES).toString('base64url')}`
  if (clientIdsOf(subject.id, registry) === 'own') return subject.id
  return `${subject.id}/${random.bytes(ASSIGNED_BYTES).toString('base64url')}`
}

const clientIdsOf = (id: string, registry: Registry) => (registry.device(id) ?? registry.client(id))?.clientIds ?? 'own'
