import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach } from 'vitest'
import { silentLog } from '../../../src/model/log.ts'
import { silentMeter } from '../../../src/model/meter.ts'
import { LevelStore, type LevelStoreOptions } from '../../../src/store/level-store.ts'

/** A clock that stands still until it is moved. */
export class ManualClock {
  time: number

  constructor(time = Date.UTC(2026, 0, 1)) {
    this.time = time
  }

  now(): number {
    return this.time
  }
}

const cleanups: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

/** Removed after the test. */
export async function temporaryDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'latchkey-store-'))
  cleanups.push(() => rm(directory, { recursive: true, force: true }))
  return directory
}

/** Closed after the test; in a new directory unless one is given. */
export async function temporaryStore(options: Partial<LevelStoreOptions> = {}): Promise<LevelStore> {
  const directory = options.directory ?? (await temporaryDirectory())
  const store = await LevelStore.open({
    clock: { now: Date.now },
    meter: silentMeter,
    log: silentLog,
    ...options,
    directory,
  })
  cleanups.push(() => store.close())
  return store
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}
