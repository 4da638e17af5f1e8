// The life cycle of devices: pure steps from record and command to record, then the same over a draft with its indexes.
import { parseDeviceId, parseIdentifier } from '../model/identifier.ts'
import { revokeAll } from './credentials.ts'
import { checkAgainstType } from './device-types.ts'
import type { Draft } from './draft.ts'
import { checkFamily, disown, moveUnder } from './families.ts'
import type { RegistryLimits } from './limits.ts'
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
import type { DeviceInput, DevicePatch, DeviceRecord, DeviceTypeRecord } from './records.ts'
import { deviceAt, ofTypeAt, ownerAt, typeAt } from './slots.ts'

export function newDevice(
  input: DeviceInput,
  type: DeviceTypeRecord | undefined,
  epoch: number,
  now: number,
  limits: RegistryLimits,
): DeviceRecord {
  const id = parseDeviceId(input.id)
  const holder = `device ${id}`
  return {
    id,
    type: parseIdentifier(input.type, `type of ${holder}`),
    status: 'active',
    attributes: mergedAttributes({}, input.attributes ?? {}, limits, holder),
    groups: checkedList(input.groups ?? [], 'groups', limits, holder),
    roles: checkedList(input.roles ?? [], 'roles', limits, holder),
    parent: checkedParent(input.parent ?? null, holder),
    clientIds: checkedClientIds(input.clientIds ?? type?.clientIds ?? 'own', holder),
    epoch,
    createdAt: now,
    updatedAt: now,
  }
}

/** Returns `device` itself when the patch changes nothing. Epoch and time are left to the caller. */
export function patchedDevice(device: DeviceRecord, patch: DevicePatch, limits: RegistryLimits): DeviceRecord {
  const holder = `device ${device.id}`
  const { type, attributes, groups, roles, parent, clientIds } = patch
  const after: DeviceRecord = {
    ...device,
    ...(type !== undefined && { type: parseIdentifier(type, `type of ${holder}`) }),
    ...(attributes !== undefined && {
      attributes: mergedAttributes(device.attributes, attributes, limits, holder),
    }),
    ...(groups !== undefined && { groups: checkedList(groups, 'groups', limits, holder) }),
    ...(roles !== undefined && { roles: checkedList(roles, 'roles', limits, holder) }),
    ...(parent !== undefined && { parent: checkedParent(parent, holder) }),
    ...(clientIds !== undefined && { clientIds: checkedClientIds(clientIds, holder) }),
  }
  return fieldChanges(device, after).length === 0 ? device : after
}

function checkedParent(parent: unknown, holder: string): string | null {
  return parent === null ? null : parseIdentifier(parent, `parent of ${holder}`)
}

/** `family: 'later'`: the caller calls `checkFamily` when all devices of its set are written. */
export interface DeviceOptions {
  readonly family?: 'now' | 'later'
}

export function createDevice(
  draft: Draft,
  input: DeviceInput,
  by: Circumstances,
  options: DeviceOptions = {},
): DeviceRecord {
  const type = draft.read(typeAt(parseIdentifier(input.type, 'type')))
  claim(draft, parseDeviceId(input.id), 'device')
  count(draft, 'devices', 1, by.limits)
  // Later than the epoch of any removed device of this name: nothing admitted before stands again.
  const device = newDevice(input, type, nextEpoch(draft), by.now, by.limits)
  checkAgainstType(device, type)
  audited(draft, 'device.created', device.id, by, detailOf(fieldChanges(undefined, device)))
  draft.changes.push({ kind: 'device', id: device.id, what: 'created' })
  writeDevice(draft, undefined, device, by.limits)
  if (options.family !== 'later') checkFamily(draft, device.id)
  return device
}

export function updateDevice(
  draft: Draft,
  id: string,
  patch: DevicePatch,
  by: Circumstances,
  options: DeviceOptions = {},
): { record: DeviceRecord; fields: FieldChange[] } {
  const before = deviceOf(draft, id)
  const patched = patchedDevice(before, patch, by.limits)
  if (patched === before) return { record: before, fields: [] }
  // Sessions were admitted with client ids that this owner may no longer use.
  const narrower = before.clientIds === 'under' && patched.clientIds === 'own'
  const record = { ...patched, epoch: narrower ? nextEpoch(draft) : before.epoch, updatedAt: by.now }
  if (patch.attributes !== undefined || patch.type !== undefined) {
    checkAgainstType(record, draft.read(typeAt(record.type)))
  }
  const fields = fieldChanges(before, record)
  audited(draft, 'device.updated', id, by, detailOf(fields))
  draft.changes.push({ kind: 'device', id, what: 'updated' })
  writeDevice(draft, before, record, by.limits)
  if (options.family !== 'later') checkFamily(draft, id)
  return { record, fields }
}

export function suspendDevice(draft: Draft, id: string, by: Circumstances): DeviceRecord {
  const record = suspended(deviceOf(draft, id), nextEpoch(draft), by.now)
  draft.write(deviceAt(id), record)
  audited(draft, 'device.suspended', id, by)
  draft.changes.push({ kind: 'device', id, what: 'suspended' })
  tellGateway(draft, record)
  return record
}

export function resumeDevice(draft: Draft, id: string, by: Circumstances): DeviceRecord {
  const record = resumed(deviceOf(draft, id), by.now)
  draft.write(deviceAt(id), record)
  audited(draft, 'device.resumed', id, by)
  draft.changes.push({ kind: 'device', id, what: 'resumed' })
  tellGateway(draft, record)
  return record
}

/** Whom a gateway speaks for changes with the state of its children. */
function tellGateway(draft: Draft, { parent }: DeviceRecord): void {
  if (parent !== null) draft.changes.push({ kind: 'device', id: parent, what: 'updated' })
}

/** Takes its credentials with it and lets its children go. */
export function removeDevice(draft: Draft, id: string, by: Circumstances): DeviceRecord {
  const device = deviceOf(draft, id)
  const credentials = revokeAll(draft, id, 'owner removed', by)
  const children = disown(draft, id, by)
  moveUnder(draft, id, device.parent, null, by.limits)
  draft.remove(deviceAt(id))
  draft.remove(ownerAt(id))
  draft.remove(ofTypeAt(device.type, id))
  count(draft, 'devices', -1, by.limits)
  audited(draft, 'device.removed', id, by, { credentials, children })
  draft.changes.push({ kind: 'device', id, what: 'removed' })
  return device
}

function deviceOf(draft: Draft, id: string): DeviceRecord {
  const device = draft.read(deviceAt(id))
  if (!device) throw missing('device', id)
  return device
}

function writeDevice(draft: Draft, before: DeviceRecord | undefined, after: DeviceRecord, limits: RegistryLimits) {
  draft.write(deviceAt(after.id), after)
  if (before?.type !== after.type) {
    if (before) draft.remove(ofTypeAt(before.type, before.id))
    draft.write(ofTypeAt(after.type, after.id), after.id)
  }
  moveUnder(draft, after.id, before?.parent ?? null, after.parent, limits)
}
