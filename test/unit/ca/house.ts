// The real parts behind a certificate authority, in a directory of their own: nothing here stands in for anything.
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { Audit } from '../../../src/audit/audit.ts'
import type { Actor } from '../../../src/audit/events.ts'
import { type AuthorityOptions, CertificateAuthority } from '../../../src/ca/certificate-authority.ts'
import { loadProfiles } from '../../../src/ca/profiles.ts'
import { ChangeFeed } from '../../../src/model/change.ts'
import { silentMeter } from '../../../src/model/meter.ts'
import { Registry } from '../../../src/registry/registry.ts'
import type { LevelStoreOptions } from '../../../src/store/level-store.ts'
import type { Store } from '../../../src/store/store.ts'
import { fileKey } from '../../../src/vault/key-encryption-key.ts'
import { Vault } from '../../../src/vault/vault.ts'
import { ManualClock, temporaryDirectory, temporaryStore } from '../store/temporary-store.ts'

export const SECOND = 1000
export const DAY = 86_400 * SECOND
export const operator: Actor = { kind: 'operator', id: 'olga' }

export interface House {
  readonly directory: string
  readonly clock: ManualClock
  readonly random: { bytes(count: number): Buffer }
  readonly store: Store
  readonly vault: Vault
  readonly audit: Audit
  readonly changes: ChangeFeed
  readonly registry: Registry
  readonly ca: CertificateAuthority
}

export interface HouseOptions {
  /** An earlier house's, to come back after a restart. */
  readonly directory?: string
  readonly clock?: ManualClock
  readonly faults?: NonNullable<LevelStoreOptions['faults']>
  readonly authority?: Partial<AuthorityOptions>
  /** Lets a test weaken the store, to see a check fail. */
  readonly through?: (store: Store) => Store
}

export async function openHouse(options: HouseOptions = {}): Promise<House> {
  const clock = options.clock ?? new ManualClock(Date.UTC(2026, 5, 1, 12))
  const directory = options.directory ?? (await temporaryDirectory())
  const { through = store => store, faults } = options
  const opened = await temporaryStore({ directory: join(directory, 'db'), clock, ...(faults && { faults }) })
  const store = through(opened)
  const random = { bytes: randomBytes }
  const kek = await fileKey(join(directory, 'vault.key'), { create: true, random })
  const vault = await Vault.open({ store, kek, random })
  const audit = await Audit.open({ store, vault, clock, meter: silentMeter })
  const changes = new ChangeFeed()
  const registry = new Registry({ store, vault, audit, changes, clock, random })
  const ca = await CertificateAuthority.open({
    store,
    vault,
    registry,
    audit,
    clock,
    random,
    profiles: await loadProfiles(),
    ...options.authority,
  })
  return { directory, clock, random, store, vault, audit, changes, registry, ca }
}

/** A device of a type that is made when it is missing. */
export async function withDevice(house: House, id: string, type = 'thermostat'): Promise<void> {
  await withType(house, type)
  await house.registry.createDevice({ id, type }, operator)
}

export async function withType({ registry }: House, id = 'thermostat'): Promise<void> {
  if (!registry.deviceType(id)) await registry.putDeviceType({ id }, operator)
}
