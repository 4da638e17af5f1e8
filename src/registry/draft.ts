import type { AuditEvent } from '../audit/events.ts'
import type { Change } from '../model/change.ts'
import { Failure } from '../model/failure.ts'
import { keyOf, type Operation, type Store } from '../store/store.ts'
import type { Slot } from './slots.ts'

/** A change that is prepared but not yet made: commit `operations` and `events` in one batch, then publish `changes`. */
export interface PreparedPart {
  readonly operations: readonly Operation[]
  readonly events: readonly AuditEvent[]
  readonly changes: readonly Change[]
}

interface Write {
  /** null deletes. */
  readonly value: Buffer | null
  readonly expiresAt: number | undefined
}

/**
 * What one change reads and writes. Reads see the draft's own writes; everything read from the store becomes a
 * compare-and-set, so the batch is made only from what is still true.
 */
export class Draft {
  readonly events: AuditEvent[] = []
  readonly changes: Change[] = []
  readonly #store: Store
  /** What was read first, and its revision (0 = absent): all that follows rests on it, whatever the store holds later. */
  readonly #seen = new Map<string, { readonly revision: number; readonly value: Buffer | null }>()
  readonly #writes = new Map<string, Write>()
  /** What earlier parts of the same batch write: no compare-and-set of ours, theirs stands. */
  readonly #given = new Map<string, Buffer | null>()

  /** `within`: parts that go before this one into the same batch. */
  constructor(store: Store, within: readonly PreparedPart[] = []) {
    this.#store = store
    for (const operation of within.flatMap(part => part.operations)) {
      if ('put' in operation) this.#given.set(operation.put, Buffer.from(operation.value))
      else if ('del' in operation) this.#given.set(operation.del, null)
    }
  }

  read<T>(slot: Slot<T>): T | undefined {
    const value = this.#value(slot.key)
    return value === null ? undefined : slot.decode(value)
  }

  /** `expiresAt`: ms since the epoch from which the key reads as absent. */
  write<T>(slot: Slot<T>, value: T, expiresAt?: number): void {
    this.#value(slot.key)
    this.#writes.set(slot.key, { value: Buffer.from(JSON.stringify(value)), expiresAt })
  }

  remove(slot: Slot<unknown>): void {
    this.#value(slot.key)
    this.#writes.set(slot.key, { value: null, expiresAt: undefined })
  }

  get isEmpty(): boolean {
    return this.#writes.size === 0 && this.events.length === 0
  }

  part(): PreparedPart {
    const operations: Operation[] = []
    for (const [key, { value, expiresAt }] of this.#writes) {
      const seen = this.#seen.get(key)?.revision
      const condition = seen === undefined ? {} : { if: seen }
      if (value !== null)
        operations.push({ put: key, value, ...condition, ...(expiresAt !== undefined && { expiresAt }) })
      else if (seen === 0) operations.push({ check: key, if: 0 })
      else operations.push({ del: key, ...condition })
    }
    for (const [key, { revision }] of this.#seen) {
      if (!this.#writes.has(key)) operations.push({ check: key, if: revision })
    }
    return { operations, events: [...this.events], changes: distinct(this.changes) }
  }

  #value(key: string): Buffer | null {
    const written = this.#writes.get(key)
    if (written !== undefined) return written.value
    const given = this.#given.get(key)
    if (given !== undefined) return given
    const seen = this.#seen.get(key)
    if (seen !== undefined) return seen.value
    const entry = this.#store.get(key)
    this.#seen.set(key, { revision: entry?.revision ?? 0, value: entry?.value ?? null })
    return entry?.value ?? null
  }
}

/**
 * Several parts as one: of two writes to a key the later wins under the earlier's condition.
 * Two parts that both condition a write of one key were prepared without knowing of each other: `conflict`.
 */
export function combine(parts: readonly PreparedPart[]): PreparedPart {
  const writes = new Map<string, Operation>()
  const checks = new Map<string, Operation>()
  for (const operation of parts.flatMap(part => part.operations)) {
    const key = keyOf(operation)
    if ('check' in operation) {
      checks.set(key, operation)
      continue
    }
    const earlier = writes.get(key)
    if (earlier?.if !== undefined && operation.if !== undefined) {
      throw new Failure('conflict', `two parts of one batch both change ${key}: prepare the later within the earlier`)
    }
    writes.set(key, earlier?.if === undefined ? operation : { ...operation, if: earlier.if })
  }
  for (const [key, check] of checks) {
    if (writes.get(key)?.if === check.if) checks.delete(key)
  }
  return {
    operations: [...checks.values(), ...writes.values()],
    events: parts.flatMap(part => part.events),
    changes: distinct(parts.flatMap(part => part.changes)),
  }
}

/** Each thing is told once; who was created is not told as updated too. */
function distinct(changes: readonly Change[]): Change[] {
  const told = new Set<string>()
  return changes.filter(change => {
    if (!('what' in change)) return true
    const subject = `${change.kind} ${change.id} `
    if (told.has(subject + change.what) || (change.what === 'updated' && told.has(`${subject}created`))) return false
    told.add(subject + change.what)
    return true
  })
}
