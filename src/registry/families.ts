// Gateways and the devices behind them. The list of children lives with the parent, so that it can be read at once.
import { Failure } from '../model/failure.ts'
import type { Draft } from './draft.ts'
import { type RegistryLimits, withinLimit } from './limits.ts'
import { audited, type Circumstances } from './owners.ts'
import { childrenAt, deviceAt, ownerAt } from './slots.ts'

/** Keeps both lists of children true. Both gateways are told: whom they speak for has changed. */
export function moveUnder(
  draft: Draft,
  id: string,
  from: string | null,
  to: string | null,
  limits: RegistryLimits,
): void {
  if (from === to) return
  if (from !== null) {
    const left = (draft.read(childrenAt(from)) ?? []).filter(child => child !== id)
    if (left.length === 0) draft.remove(childrenAt(from))
    else draft.write(childrenAt(from), left)
    draft.changes.push({ kind: 'device', id: from, what: 'updated' })
  }
  if (to !== null) {
    const children = [...(draft.read(childrenAt(to)) ?? []), id].sort()
    withinLimit(limits, 'children', children.length, `one more device behind ${to}`)
    draft.write(childrenAt(to), children)
    draft.changes.push({ kind: 'device', id: to, what: 'updated' })
  }
}

/** The parent is a device, and nobody is both behind a gateway and a gateway. */
export function checkFamily(draft: Draft, id: string): void {
  const parent = draft.read(deviceAt(id))?.parent ?? null
  if (parent === null) return
  if (parent === id) throw new Failure('invalid-input', `device ${id} cannot be its own parent`)
  const gateway = draft.read(deviceAt(parent))
  if (!gateway) {
    const other = draft.read(ownerAt(parent))
    throw new Failure(
      'invalid-input',
      other
        ? `the parent of device ${id} must be a device, and ${parent} is a ${other.kind}`
        : `device ${id} names the parent ${parent}, which does not exist: create it first`,
    )
  }
  if (gateway.parent !== null) {
    throw new Failure(
      'invalid-input',
      `device ${id} cannot be behind ${parent}, which is itself behind ${gateway.parent}: a gateway's child has no children`,
    )
  }
  const child = draft.read(childrenAt(id))?.[0]
  if (child !== undefined) {
    throw new Failure(
      'invalid-input',
      `device ${id} cannot be behind ${parent}, because ${child} is behind ${id}: a gateway's child has no children`,
    )
  }
}

/** Lets every child of a device go that is being removed; returns how many there were. */
export function disown(draft: Draft, parent: string, by: Circumstances): number {
  const children = draft.read(childrenAt(parent)) ?? []
  for (const id of children) {
    const child = draft.read(deviceAt(id))
    if (!child) continue
    draft.write(deviceAt(id), { ...child, parent: null, updatedAt: by.now })
    audited(draft, 'device.updated', id, by, { parent: null })
    draft.changes.push({ kind: 'device', id, what: 'updated' })
  }
  if (children.length > 0) draft.remove(childrenAt(parent))
  return children.length
}
