// From manifests to one prepared part: what would be created, what would change, and nothing else.
import type { Actor } from '../audit/events.ts'
import type { Location } from '../model/failure.ts'
import { createClient, updateClient } from './clients.ts'
import { putDeviceType } from './device-types.ts'
import { createDevice, updateDevice } from './devices.ts'
import type { Draft, PreparedPart } from './draft.ts'
import { checkFamily } from './families.ts'
import type { ClientManifest, DeviceManifest, DeviceTypeManifest, Manifests } from './manifests.ts'
import { type FieldChange, fieldChanges, replacementOf } from './owner-fields.ts'
import type { Circumstances } from './owners.ts'
import type { Registry } from './registry.ts'
import { clientAt, deviceAt, typeAt } from './slots.ts'

export interface PlanStep {
  readonly action: 'create' | 'update' | 'unchanged'
  readonly kind: 'device-type' | 'device' | 'client'
  readonly id: string
  /** What differs; of something new, all that it has. */
  readonly fields: readonly FieldChange[]
  readonly location: Location
}

export interface Plan {
  readonly steps: readonly PlanStep[]
  /** Holds only while nothing that was read has changed: a commit of it throws Conflict otherwise. */
  readonly part: PreparedPart
}

/**
 * What a manifest does not name stays as it is; what it names is the whole of that field. Nothing is removed.
 * The order of documents and files does not matter. Throws `invalid-manifest` with the place.
 */
export function planManifests(manifests: Manifests, registry: Registry, actor: Actor): Plan {
  const draft = registry.draft()
  const by = registry.circumstances(actor)
  const steps = [
    ...manifests.deviceTypes.map(manifest => planDeviceType(draft, manifest, by)),
    ...manifests.devices.map(manifest => planDevice(draft, manifest, by)),
    ...manifests.clients.map(manifest => planClient(draft, manifest, by)),
  ]
  // Only now every parent is there, and everybody who moves has moved.
  for (const { id, place } of manifests.devices) place.located(() => checkFamily(draft, id))
  return { steps, part: draft.part() }
}

function planDeviceType(draft: Draft, manifest: DeviceTypeManifest, by: Circumstances): PlanStep {
  const { id, place, location } = manifest
  const before = draft.read(typeAt(id))
  const { fields, created } = place.located(() => putDeviceType(draft, { ...before, ...manifest }, by))
  return { action: created ? 'create' : changed(fields), kind: 'device-type', id, fields, location }
}

function planDevice(draft: Draft, manifest: DeviceManifest, by: Circumstances): PlanStep {
  const { id, place, location } = manifest
  const before = draft.read(deviceAt(id))
  return place.located(() => {
    if (!before) {
      const device = createDevice(draft, manifest, by, { family: 'later' })
      return { action: 'create', kind: 'device', id, fields: fieldChanges(undefined, device), location }
    }
    const { attributes, type, groups, roles, parent, clientIds } = manifest
    const replaced = attributes && replacementOf(before.attributes, attributes)
    const patch = { type, groups, roles, parent, clientIds, attributes: replaced }
    const { fields } = updateDevice(draft, id, patch, by, { family: 'later' })
    return { action: changed(fields), kind: 'device', id, fields, location }
  })
}

function planClient(draft: Draft, manifest: ClientManifest, by: Circumstances): PlanStep {
  const { id, place, location, principal } = manifest
  const before = draft.read(clientAt(id))
  return place.located(() => {
    if (!before) {
      const client = createClient(draft, { ...manifest, kind: principal }, by)
      return { action: 'create', kind: 'client', id, fields: fieldChanges(undefined, client), location }
    }
    if (principal !== undefined && principal !== before.kind) {
      place.fail(`client ${id} is of kind ${before.kind} and stays so: remove it first, or choose another id`)
    }
    const { attributes, groups, roles, scopes, authMethod, tokenLifetime, clientIds } = manifest
    const replaced = attributes && replacementOf(before.attributes, attributes)
    const patch = { groups, roles, scopes, authMethod, tokenLifetime, clientIds, attributes: replaced }
    const { fields } = updateClient(draft, id, patch, by)
    return { action: changed(fields), kind: 'client', id, fields, location }
  })
}

function changed(fields: readonly FieldChange[]): 'update' | 'unchanged' {
  return fields.length > 0 ? 'update' : 'unchanged'
}
