// The life cycle of clients: services and operators, who get tokens and use the HTTP API or MQTT.
import { Failure } from '../model/failure.ts'
import { parseIdentifier } from '../model/identifier.ts'
import { revokeAll } from './credentials.ts'
import type { Draft } from './draft.ts'
import { type RegistryLimits, withinLimit } from './limits.ts'
import { checkedClientIds, checkedList, type FieldChange, fieldChanges, mergedAttributes } from './owner-fields.ts'
import {
  audited,
  type Circumstances,
  claim,
  count,
  detailOf,
  missing,
  nextEpoch,
  resumed,
  suspended,
} from './owners.ts'
import type { AuthMethod, ClientInput, ClientPatch, ClientRecord } from './records.ts'
import { clientAt, ownerAt } from './slots.ts'

export function newClient(input: ClientInput, epoch: number, now: number, limits: RegistryLimits): ClientRecord {
  const id = parseIdentifier(input.id, 'client id')
  const holder = `client ${id}`
  const kind = input.kind ?? 'service'
  if (kind !== 'service' && kind !== 'operator') {
    throw new Failure('invalid-input', `kind of ${holder} must be service or operator`)
  }
  return {
    id,
    kind,
    status: 'active',
    attributes: mergedAttributes({}, input.attributes ?? {}, limits, holder),
    groups: checkedList(input.groups ?? [], 'groups', limits, holder),
    roles: checkedList(input.roles ?? [], 'roles', limits, holder),
    scopes: checkedScopes(input.scopes ?? null, limits, holder),
    authMethod: checkedAuthMethod(input.authMethod ?? 'client_secret_basic', holder),
    tokenLifetime: checkedTokenLifetime(input.tokenLifetime ?? null, limits, holder),
    clientIds: checkedClientIds(input.clientIds ?? 'own', holder),
    epoch,
    createdAt: now,
    updatedAt: now,
  }
}

/** Returns `client` itself when the patch changes nothing. Epoch and time are left to the caller. */
export function patchedClient(client: ClientRecord, patch: ClientPatch, limits: RegistryLimits): ClientRecord {
  const holder = `client ${client.id}`
  const { attributes, groups, roles, scopes, authMethod, tokenLifetime, clientIds } = patch
  const after: ClientRecord = {
    ...client,
    ...(attributes !== undefined && {
      attributes: mergedAttributes(client.attributes, attributes, limits, holder),
    }),
    ...(groups !== undefined && { groups: checkedList(groups, 'groups', limits, holder) }),
    ...(roles !== undefined && { roles: checkedList(roles, 'roles', limits, holder) }),
    ...(scopes !== undefined && { scopes: checkedScopes(scopes, limits, holder) }),
    ...(authMethod !== undefined && { authMethod: checkedAuthMethod(authMethod, holder) }),
    ...(tokenLifetime !== undefined && { tokenLifetime: checkedTokenLifetime(tokenLifetime, limits, holder) }),
    ...(clientIds !== undefined && { clientIds: checkedClientIds(clientIds, holder) }),
  }
  return fieldChanges(client, after).length === 0 ? client : after
}

/** scope-token = 1*( %x21 / %x23-5B / %x5D-7E ) (RFC 6749 3.3); what a scope means is the policy's business. */
const SCOPE_TOKEN = /^[\x21\x23-\x5b\x5d-\x7e]{1,256}$/

function checkedScopes(value: unknown, limits: RegistryLimits, holder: string): readonly string[] | null {
  if (value === null) return null
  if (!Array.isArray(value)) throw new Failure('invalid-input', `scopes of ${holder} must be a list, or null for all`)
  const scopes = [...new Set(value)]
  for (const scope of scopes) {
    if (typeof scope !== 'string' || !SCOPE_TOKEN.test(scope)) {
      throw new Failure(
        'invalid-input',
        `a scope of ${holder} is not 1 to 256 printable ASCII characters without space, " and \\ (RFC 6749 3.3)`,
      )
    }
  }
  withinLimit(limits, 'scopes', scopes.length, `these scopes of ${holder}`)
  return scopes
}

function checkedAuthMethod(value: unknown, holder: string): AuthMethod {
  if (value === 'client_secret_basic' || value === 'client_secret_post') return value
  throw new Failure('invalid-input', `authMethod of ${holder} must be client_secret_basic or client_secret_post`)
}

function checkedTokenLifetime(value: unknown, limits: RegistryLimits, holder: string): number | null {
  if (value === null) return null
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= limits.tokenLifetime) return value
  throw new Failure(
    'invalid-input',
    `tokenLifetime of ${holder} must be 1 to ${limits.tokenLifetime} whole seconds, or null for the default`,
  )
}

export function createClient(draft: Draft, input: ClientInput, by: Circumstances): ClientRecord {
  claim(draft, parseIdentifier(input.id, 'client id'), 'client')
  count(draft, 'clients', 1, by.limits)
  const client = newClient(input, nextEpoch(draft), by.now, by.limits)
  draft.write(clientAt(client.id), client)
  audited(draft, 'client.created', client.id, by, detailOf(fieldChanges(undefined, client)))
  draft.changes.push({ kind: 'client', id: client.id, what: 'created' })
  return client
}

export function updateClient(
  draft: Draft,
  id: string,
  patch: ClientPatch,
  by: Circumstances,
): { record: ClientRecord; fields: FieldChange[] } {
  const before = clientOf(draft, id)
  const patched = patchedClient(before, patch, by.limits)
  if (patched === before) return { record: before, fields: [] }
  const narrower = before.clientIds === 'under' && patched.clientIds === 'own'
  const record = { ...patched, epoch: narrower ? nextEpoch(draft) : before.epoch, updatedAt: by.now }
  const fields = fieldChanges(before, record)
  draft.write(clientAt(id), record)
  audited(draft, 'client.updated', id, by, detailOf(fields))
  draft.changes.push({ kind: 'client', id, what: 'updated' })
  return { record, fields }
}

export function suspendClient(draft: Draft, id: string, by: Circumstances): ClientRecord {
  const record = suspended(clientOf(draft, id), nextEpoch(draft), by.now)
  draft.write(clientAt(id), record)
  audited(draft, 'client.suspended', id, by)
  draft.changes.push({ kind: 'client', id, what: 'suspended' })
  return record
}

export function resumeClient(draft: Draft, id: string, by: Circumstances): ClientRecord {
  const record = resumed(clientOf(draft, id), by.now)
  draft.write(clientAt(id), record)
  audited(draft, 'client.resumed', id, by)
  draft.changes.push({ kind: 'client', id, what: 'resumed' })
  return record
}

/** Takes its credentials with it. */
export function removeClient(draft: Draft, id: string, by: Circumstances): ClientRecord {
  const client = clientOf(draft, id)
  const credentials = revokeAll(draft, id, 'owner removed', by)
  draft.remove(clientAt(id))
  draft.remove(ownerAt(id))
  count(draft, 'clients', -1, by.limits)
  audited(draft, 'client.removed', id, by, { credentials })
  draft.changes.push({ kind: 'client', id, what: 'removed' })
  return client
}

function clientOf(draft: Draft, id: string): ClientRecord {
  const client = draft.read(clientAt(id))
  if (!client) throw missing('client', id)
  return client
}
