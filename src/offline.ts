// A data directory without its broker: what `doctor` and the offline `audit verify` look at. Takes the directory's lock, so
// no broker starts meanwhile.
import { type X509Certificate as Certificate, randomBytes } from 'node:crypto'
import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { type Verification, verifyTrail } from './audit/verify.ts'
import { loadAuthority } from './ca/signing-authority.ts'
import type { Clock, Random } from './model/clock.ts'
import { Failure } from './model/failure.ts'
import { silentLog } from './model/log.ts'
import { silentMeter } from './model/meter.ts'
import { openDataDirectory } from './store/data-directory.ts'
import { LevelStore } from './store/level-store.ts'
import { TimeSeen } from './store/time-seen.ts'
import { environmentKey, fileKey } from './vault/key-encryption-key.ts'
import { Vault } from './vault/vault.ts'

export interface OfflineData {
  /** Milliseconds since the epoch; 0 when none was recorded. */
  readonly highestTimeSeen: number
  /** Issuing CA, then root; empty before the first start. */
  authorities(): Promise<Certificate[]>
  verifyAudit(): Promise<Verification>
  close(): Promise<void>
}

const clock: Clock = { now: () => Date.now() }
const random: Random = { bytes: count => randomBytes(count) }

/** Where the key-encryption key lies unless the configuration says otherwise. */
export const defaultKeyFile = (directory: string): string => join(directory, 'vault.key')

/** Opens what is there and makes nothing. Throws `not-found`, `store-locked`, `store-failed`, `vault-key`. */
export async function openOffline(directory: string, keyFile = defaultKeyFile(directory)): Promise<OfflineData> {
  await access(join(directory, 'latchkey.json')).catch(() => {
    throw new Failure(
      'not-found',
      `${directory} is no data directory: make one with \`latchkey init --data ${directory}\``,
    )
  })
  const data = await openDataDirectory(directory, { random })
  try {
    const store = await LevelStore.open({ directory: data.databasePath, clock, meter: silentMeter, log: silentLog })
    try {
      const vault = await openVault(store, keyFile)
      const timeSeen = new TimeSeen({ store, clock })
      const highestTimeSeen = timeSeen.highest
      timeSeen.close()
      return {
        highestTimeSeen,
        async authorities() {
          const found = await Promise.all(['latchkey', 'latchkey-root'].map(id => loadAuthority(store, vault, id)))
          return found.flatMap(authority => (authority ? [authority.certificate] : []))
        },
        verifyAudit: () => verifyTrail(store, vault),
        async close() {
          await store.close()
          await data.release()
        },
      }
    } catch (error) {
      await store.close()
      throw error
    }
  } catch (error) {
    await data.release()
    throw error
  }
}

async function openVault(store: LevelStore, keyFile: string): Promise<Vault> {
  if (Vault.isNew(store)) throw new Failure('not-found', 'the data directory was never used: start the broker once')
  const { LATCHKEY_VAULT_KEY: fromEnvironment } = process.env
  const kek = fromEnvironment ? environmentKey(fromEnvironment) : await fileKey(keyFile, { create: false, random })
  return Vault.open({ store, kek, random })
}
