import { Failure } from '../model/failure.ts'
import { parseIdentifier } from '../model/identifier.ts'
import type { Draft } from './draft.ts'
import { type RegistryLimits, withinLimit } from './limits.ts'
import { checkAttributeName, checkedClientIds, checkedText, type FieldChange, fieldChanges } from './owner-fields.ts'
import { audited, type Circumstances, count, detailOf } from './owners.ts'
import type { DeviceRecord, DeviceTypeInput, DeviceTypeRecord } from './records.ts'
import { typeAt } from './slots.ts'

export function newDeviceType(input: DeviceTypeInput, limits: RegistryLimits): DeviceTypeRecord {
  const id = parseIdentifier(input.id, 'device type')
  const holder = `device type ${id}`
  const attributes: Record<string, { required: boolean }> = Object.create(null)
  const names = Object.entries(input.attributes ?? {})
  for (const [name, value] of names) {
    checkAttributeName(name, holder)
    const required = value?.required ?? false
    if (typeof required !== 'boolean') {
      throw new Failure('invalid-input', `required of attribute ${name} of ${holder} must be true or false`)
    }
    attributes[name] = { required }
  }
  withinLimit(limits, 'attributes', names.length, `these attributes of ${holder}`)
  return {
    id,
    description: checkedText(input.description ?? '', `description of ${holder}`, limits),
    attributes,
    clientIds: checkedClientIds(input.clientIds ?? 'own', holder),
  }
}

/** Devices that are there already are measured by the new type when their attributes or type change next. */
export function putDeviceType(
  draft: Draft,
  input: DeviceTypeInput,
  by: Circumstances,
): { record: DeviceTypeRecord; fields: FieldChange[]; created: boolean } {
  const record = newDeviceType(input, by.limits)
  const before = draft.read(typeAt(record.id))
  const fields = fieldChanges(before, record)
  if (before && fields.length === 0) return { record: before, fields, created: false }
  if (!before) count(draft, 'deviceTypes', 1, by.limits)
  draft.write(typeAt(record.id), record)
  audited(draft, before ? 'device-type.updated' : 'device-type.created', record.id, by, detailOf(fields))
  return { record, fields, created: !before }
}

/** A type without a record is a free name and asks for nothing. */
export function checkAgainstType(device: DeviceRecord, type: DeviceTypeRecord | undefined): void {
  const lacking = Object.entries(type?.attributes ?? {})
    .filter(([name, { required }]) => required && device.attributes[name] === undefined)
    .map(([name]) => name)
  if (lacking.length === 0) return
  throw new Failure(
    'invalid-input',
    `device ${device.id} of type ${device.type} lacks the required ${lacking.length === 1 ? 'attribute' : 'attributes'} ${lacking.join(', ')}`,
  )
}
