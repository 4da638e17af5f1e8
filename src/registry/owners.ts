// What devices and clients have in common: one name space, a status, an epoch, credentials.
import type { Actor } from '../audit/events.ts'
import { Failure } from '../model/failure.ts'
import { printable } from '../model/printable.ts'
import type { Draft } from './draft.ts'
import { type RegistryLimits, withinLimit } from './limits.ts'
import type { FieldChange } from './owner-fields.ts'
import type { ClientRecord, DeviceRecord, OwnerKind, OwnerStatus } from './records.ts'
import { type Counters, clientAt, countersSlot, deviceAt, type OwnerEntry, ownerAt } from './slots.ts'

/** Who changes something, when, and within which limits. */
export interface Circumstances {
  readonly actor: Actor
  readonly now: number
  readonly limits: RegistryLimits
}

const NO_COUNTERS: Counters = { epoch: 0, devices: 0, clients: 0, deviceTypes: 0 }

/** Counts one more (or one less) and refuses to pass the limit. */
export function count(draft: Draft, what: 'devices' | 'clients' | 'deviceTypes', by: 1 | -1, limits: RegistryLimits) {
  const counters = draft.read(countersSlot) ?? NO_COUNTERS
  const total = counters[what] + by
  if (by > 0) withinLimit(limits, what, total, `one more of the ${what}`)
  draft.write(countersSlot, { ...counters, [what]: total })
}

export function nextEpoch(draft: Draft): number {
  const counters = draft.read(countersSlot) ?? NO_COUNTERS
  const epoch = counters.epoch + 1
  draft.write(countersSlot, { ...counters, epoch })
  return epoch
}

/** Takes `id` in the one name space of devices and clients; `already-exists` when somebody has it. */
export function claim(draft: Draft, id: string, kind: OwnerKind): void {
  const taken = draft.read(ownerAt(id))
  if (taken) throw new Failure('already-exists', `${id} is already the name of a ${taken.kind}: choose another id`)
  draft.write(ownerAt(id), { kind, credentials: [] })
}

/** The owner of credentials called `id`; `not-found` when there is none. */
export function ownerOf(draft: Draft, id: string): { entry: OwnerEntry; record: DeviceRecord | ClientRecord } {
  const entry = draft.read(ownerAt(id))
  const record = entry && (entry.kind === 'device' ? draft.read(deviceAt(id)) : draft.read(clientAt(id)))
  if (!entry || !record) throw missing('device or client', id)
  return { entry, record }
}

export function missing(what: string, id: string): Failure {
  return new Failure('not-found', `there is no ${what} called ${printable(String(id), 80)}`)
}

interface Standing {
  readonly id: string
  readonly status: OwnerStatus
  readonly epoch: number
  readonly updatedAt: number
}

/** A new epoch voids everything admitted so far. */
export function suspended<R extends Standing>(record: R, epoch: number, now: number): R {
  if (record.status === 'suspended') throw new Failure('wrong-state', `${record.id} is already suspended`)
  return { ...record, status: 'suspended', epoch, updatedAt: now }
}

export function resumed<R extends Standing>(record: R, now: number): R {
  if (record.status === 'active') throw new Failure('wrong-state', `${record.id} is not suspended`)
  return { ...record, status: 'active', updatedAt: now }
}

/** Adds the audit event of a change. */
export function audited(
  draft: Draft,
  what: string,
  target: string,
  by: Circumstances,
  detail: Readonly<Record<string, string | number | boolean | null>> = {},
): void {
  draft.events.push({ type: 'change', what, target, actor: by.actor, detail })
}

/** Field changes as the detail of an audit event: bounded texts. */
export function detailOf(changes: readonly FieldChange[]): Record<string, string> {
  return Object.fromEntries(changes.map(({ name, after }) => [name, printable(JSON.stringify(after), 1_024)]))
}
