// A registry over a real store, vault and audit trail, in a directory that goes after the test.
import { randomBytes } from 'node:crypto'
import { expect } from 'vitest'
import { Audit } from '../../../src/audit/audit.ts'
import type { Actor } from '../../../src/audit/events.ts'
import { type Change, ChangeFeed } from '../../../src/model/change.ts'
import { Failure, type FailureCode } from '../../../src/model/failure.ts'
import { silentMeter } from '../../../src/model/meter.ts'
import type { Principal, PrincipalKind } from '../../../src/model/principal.ts'
import type { RegistryLimits } from '../../../src/registry/limits.ts'
import type { CredentialRecord } from '../../../src/registry/records.ts'
import { Registry } from '../../../src/registry/registry.ts'
import type { LevelStore } from '../../../src/store/level-store.ts'
import type { Store } from '../../../src/store/store.ts'
import { environmentKey } from '../../../src/vault/key-encryption-key.ts'
import { Vault } from '../../../src/vault/vault.ts'
import { collect, ManualClock, temporaryDirectory, temporaryStore } from '../store/temporary-store.ts'

export const ACTOR: Actor = { kind: 'operator', id: 'ada', address: '127.0.0.1' }
export const random = { bytes: (count: number) => randomBytes(count) }

export interface House {
  readonly registry: Registry
  readonly store: LevelStore
  readonly vault: Vault
  readonly audit: Audit
  readonly changes: ChangeFeed
  readonly clock: ManualClock
  /** All that was published so far. */
  readonly told: Change[]
  /** Another registry over the same store and trail, as if it ran beside; `store` may be a view of it. */
  beside(store?: Store): Registry
  /** Keys on disk under a prefix. */
  keys(prefix: string): Promise<string[]>
  /** What the trail says was changed, as `what target`. */
  trail(): Promise<string[]>
  /** The same data after a restart. */
  reopened(): Promise<House>
}

interface HouseOptions {
  readonly limits?: Partial<RegistryLimits>
  readonly directory?: string
  readonly kek?: string
  readonly clock?: ManualClock
}

export async function openHouse(options: HouseOptions = {}): Promise<House> {
  const directory = options.directory ?? (await temporaryDirectory())
  const kek = options.kek ?? randomBytes(32).toString('base64')
  const clock = options.clock ?? new ManualClock()
  const { limits } = options
  const store = await temporaryStore({ directory, clock })
  const vault = await Vault.open({ store, kek: environmentKey(kek), random })
  const audit = await Audit.open({ store, vault, clock, meter: silentMeter })
  const changes = new ChangeFeed()
  const told: Change[] = []
  changes.subscribe(change => told.push(change))
  const beside = (view: Store = store) =>
    new Registry({ store: view, vault, audit, changes, clock, random, limits: limits ?? {} })
  return {
    registry: beside(),
    store,
    vault,
    audit,
    changes,
    clock,
    told,
    beside,
    async keys(prefix) {
      await store.flush()
      return (await collect(store.list(prefix))).map(entry => entry.key)
    },
    async trail() {
      const records = await audit.list({ type: 'change', limit: 10_000 })
      return records.map(({ event }) => (event.type === 'change' ? `${event.what} ${event.target}` : ''))
    },
    async reopened() {
      await audit.close()
      await store.close()
      return openHouse({ ...options, directory, kek, clock })
    },
  }
}

/** Expects a Failure with this code, whose message holds `text`. */
export async function refused(
  action: Promise<unknown> | (() => unknown),
  code: FailureCode,
  text = '',
): Promise<Failure> {
  let thrown: unknown
  try {
    await (typeof action === 'function' ? action() : action)
  } catch (error) {
    thrown = error
  }
  expect(thrown, `expected the failure ${code}`).toBeInstanceOf(Failure)
  const failure = thrown as Failure
  expect({ code: failure.code, message: failure.message }).toMatchObject({
    code,
    message: expect.stringContaining(text),
  })
  return failure
}

/** What the door would make of this owner and credential now. */
export function principalOf(registry: Registry, owner: string, credential: CredentialRecord | null): Principal {
  const subject = registry.subjectOf(owner)
  const record = registry.device(owner) ?? registry.client(owner)
  if (!subject || !record) throw new Error(`there is no ${owner}`)
  return {
    subject,
    credential: credential && { id: credential.id, kind: credential.kind },
    expiresAt: credential?.expiresAt ?? null,
    scopes: null,
    issuer: null,
    jti: null,
    ownerEpoch: record.epoch,
    credentialEpoch: credential?.epoch ?? 0,
    transport: 'mqtts',
    address: '192.0.2.1',
  }
}

/** Somebody without a record: anonymous, or the operator by the per-start key. */
export function unregistered(kind: PrincipalKind): Principal {
  return {
    subject: { kind, id: kind, type: null, groups: [], roles: [], attributes: new Map(), children: [] },
    credential: null,
    expiresAt: null,
    scopes: null,
    issuer: null,
    jti: null,
    ownerEpoch: 0,
    credentialEpoch: 0,
    transport: 'https',
    address: '127.0.0.1',
  }
}
