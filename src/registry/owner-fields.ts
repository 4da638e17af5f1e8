// The fields that devices and clients share, checked: what comes out can stand in a topic, a key or a log line.
import { Failure } from '../model/failure.ts'
import { isAttributeValue, parseIdentifier } from '../model/identifier.ts'
import { type RegistryLimits, withinLimit } from './limits.ts'
import type { Attributes, ClientIds } from './records.ts'

/** `${device.id}` and `${device.type}` are given by the registry itself. */
const RESERVED_ATTRIBUTES = new Set(['id', 'type', 'children'])

export function checkedList(
  value: unknown,
  field: 'groups' | 'roles',
  limits: RegistryLimits,
  holder: string,
): readonly string[] {
  if (!Array.isArray(value)) throw new Failure('invalid-input', `${field} of ${holder} must be a list of names`)
  const names = [...new Set(value.map(name => parseIdentifier(name, field.slice(0, -1))))]
  withinLimit(limits, field, names.length, `these ${field} of ${holder}`)
  return names
}

/** `before` is what the owner has; in `wanted`, null removes an attribute. */
export function mergedAttributes(
  before: Attributes,
  wanted: Readonly<Record<string, string | null>>,
  limits: RegistryLimits,
  holder: string,
): Attributes {
  const merged = new Map(Object.entries(before))
  if (typeof wanted !== 'object' || wanted === null || Array.isArray(wanted)) {
    throw new Failure('invalid-input', `attributes of ${holder} must map names to values`)
  }
  for (const [name, value] of Object.entries(wanted)) {
    checkAttributeName(name, holder)
    if (value === null) merged.delete(name)
    else if (isAttributeValue(value)) merged.set(name, value)
    else {
      throw new Failure(
        'invalid-input',
        `attribute ${name} of ${holder} must be 1 to 128 characters of text without / + # $ or control characters, because it stands in topics`,
      )
    }
  }
  withinLimit(limits, 'attributes', merged.size, `these attributes of ${holder}`)
  return Object.assign(Object.create(null), Object.fromEntries([...merged].sort(([a], [b]) => (a < b ? -1 : 1))))
}

/** What makes `before` equal `wanted` when merged: everything not wanted is removed. */
export function replacementOf(
  before: Attributes,
  wanted: Readonly<Record<string, string>>,
): Readonly<Record<string, string | null>> {
  const gone = Object.keys(before).filter(name => !Object.hasOwn(wanted, name))
  return Object.fromEntries([...gone.map(name => [name, null]), ...Object.entries(wanted)])
}

export function checkAttributeName(name: string, holder: string): void {
  parseIdentifier(name, 'attribute name')
  if (!RESERVED_ATTRIBUTES.has(name)) return
  throw new Failure(
    'invalid-input',
    `attribute ${name} of ${holder} is reserved: the registry itself gives id, type and children; choose another name`,
  )
}

export function checkedClientIds(value: unknown, holder: string): ClientIds {
  if (value === 'own' || value === 'under') return value
  throw new Failure('invalid-input', `clientIds of ${holder} must be own or under`)
}

/** Text for people: bounded, without control characters. */
export function checkedText(value: unknown, field: string, limits: RegistryLimits): string {
  if (typeof value !== 'string' || value.length > limits.text || /[\u0000-\u001f\u007f-\u009f]/.test(value)) {
    throw new Failure('invalid-input', `${field} must be at most ${limits.text} characters without control characters`)
  }
  return value
}

export interface FieldChange {
  readonly name: string
  readonly before: unknown
  readonly after: unknown
}

/** What the registry itself counts: no news to an operator. */
const BOOKKEEPING = new Set(['id', 'epoch', 'createdAt', 'updatedAt'])

/** The fields in which two versions of a record differ; `before` undefined: all fields that are not null or empty. */
export function fieldChanges<R extends object>(before: R | undefined, after: R): FieldChange[] {
  const old = new Map<string, unknown>(Object.entries(before ?? {}))
  return Object.entries(after)
    .filter(([name]) => !BOOKKEEPING.has(name))
    .map(([name, value]) => ({ name, before: old.get(name) ?? null, after: value }))
    .filter(change => JSON.stringify(change.before) !== JSON.stringify(change.after))
}
