// Asynchronous, paged reads for operators. They show what is durable.
import { Failure } from '../model/failure.ts'
import { isIdentifier } from '../model/identifier.ts'
import type { Store } from '../store/store.ts'
import type { RegistryLimits } from './limits.ts'
import type { ClientRecord, CredentialRecord, DevicePage, DeviceRecord, DeviceTypeRecord, Page } from './records.ts'
import {
  clientAt,
  credentialAt,
  credentialOfPrefix,
  deviceAt,
  ofTypePrefix,
  PREFIX,
  type Slot,
  typeAt,
} from './slots.ts'

export async function devices(store: Store, page: DevicePage, limits: RegistryLimits): Promise<DeviceRecord[]> {
  if (page.type === undefined) return records(store, PREFIX.device, deviceAt, page, limits)
  if (!isIdentifier(page.type)) return []
  const prefix = ofTypePrefix(page.type)
  const { limit, ...from } = listOptions(prefix, page, limits)
  const found: DeviceRecord[] = []
  for await (const { key } of store.list(prefix, from)) {
    const slot = deviceAt(key.slice(prefix.length))
    const entry = store.get(slot.key)
    // Removed since the listing began: the page is filled up from behind it, for a short page means the end.
    if (entry && found.push(slot.decode(entry.value)) === limit) break
  }
  return found
}

export async function clients(store: Store, page: Page, limits: RegistryLimits): Promise<ClientRecord[]> {
  return records(store, PREFIX.client, clientAt, page, limits)
}

export async function deviceTypes(store: Store): Promise<DeviceTypeRecord[]> {
  const found: DeviceTypeRecord[] = []
  for await (const entry of store.list(PREFIX.type)) found.push(typeAt('').decode(entry.value))
  return found
}

export async function credentials(store: Store, page: Page, limits: RegistryLimits): Promise<CredentialRecord[]> {
  return records(store, PREFIX.credential, credentialAt, page, limits)
}

/** Bounded by how many credentials an owner may have and how long their history is kept. */
export async function credentialsOf(store: Store, owner: string): Promise<CredentialRecord[]> {
  if (!isIdentifier(owner)) return []
  const prefix = credentialOfPrefix(owner)
  const found: CredentialRecord[] = []
  for await (const { key } of store.list(prefix)) {
    const slot = credentialAt(key.slice(prefix.length))
    const entry = store.get(slot.key)
    if (entry) found.push(slot.decode(entry.value))
  }
  return found.sort((a, b) => a.createdAt - b.createdAt)
}

/** The keys under `prefix` end in the ids of the records. */
async function records<T>(
  store: Store,
  prefix: string,
  slotAt: (id: string) => Slot<T>,
  page: Page,
  limits: RegistryLimits,
): Promise<T[]> {
  const options = listOptions(prefix, page, limits)
  const { decode } = slotAt('')
  const found: T[] = []
  for await (const entry of store.list(prefix, options)) found.push(decode(entry.value))
  return found
}

function listOptions(prefix: string, page: Page, limits: RegistryLimits): { limit: number; after?: string } {
  const { after, limit = limits.pageSize } = page
  if (!Number.isInteger(limit) || limit < 1 || limit > limits.pageSize) {
    throw new Failure('invalid-input', `limit must be a whole number from 1 to ${limits.pageSize}`)
  }
  if (after === undefined) return { limit }
  if (isIdentifier(after)) return { limit, after: prefix + after }
  throw new Failure('invalid-input', 'after must be the id with which the last page ended')
}
