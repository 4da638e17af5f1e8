import { chmod, mkdir, open, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { Random } from '../model/clock.ts'
import { Failure } from '../model/failure.ts'
import { closeDatabase, openDatabase } from './database.ts'
import { isLockFile, lockDirectory } from './directory-lock.ts'

export interface DataDirectory {
  /** Absolute. */
  readonly path: string
  /** For `LevelStore.open`. */
  readonly databasePath: string
  /** It was made just now. */
  readonly fresh: boolean
  /** Random, stays with the directory for ever. */
  readonly id: string
  /** Gives the lock back; close the store before. */
  release(): Promise<void>
}

const MARKER = 'latchkey.json'
/** Becomes the marker when everything else is there. Until then nothing of value is in the directory. */
const UNFINISHED_MARKER = 'latchkey.json.new'
const DATABASE = 'db'
const FORMAT = 1

/**
 * Takes a data directory for this process. Absent or empty: it is initialised, mode 0700. Throws `not-a-data-directory` for
 * one that holds something else, `store-locked` when a living process has it, `store-failed` when its database is gone.
 */
export async function openDataDirectory(path: string, { random }: { random: Random }): Promise<DataDirectory> {
  const directory = resolve(path)
  refuseForeign(directory, await readOrMake(directory)) // before a lock is written into it
  const lock = await lockDirectory(directory, random)
  try {
    const databasePath = join(directory, DATABASE)
    const fresh = !(await readdir(directory)).includes(MARKER)
    if (fresh) await initialise(directory, databasePath, random)
    const id = await readMarker(directory)
    if (!fresh) await refuseWithoutDatabase(directory, databasePath)
    return { path: directory, databasePath, fresh, id, release: () => lock.release() }
  } catch (error) {
    await lock.release()
    throw error
  }
}

/** Names in it; made when absent. */
async function readOrMake(directory: string): Promise<string[]> {
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 })
    return await readdir(directory)
  } catch (error) {
    throw new Failure('not-a-data-directory', `the data directory ${directory} cannot be used: ${String(error)}`, {
      cause: error,
    })
  }
}

function refuseForeign(directory: string, names: readonly string[]): void {
  if (names.includes(MARKER)) return
  const interrupted = names.includes(UNFINISHED_MARKER)
  const foreign = names.find(
    name =>
      !isLockFile(name) &&
      name !== 'lost+found' && // every fresh ext4 volume has one
      !(interrupted && (name === UNFINISHED_MARKER || name === DATABASE)),
  )
  if (foreign === undefined) return
  throw new Failure(
    'not-a-data-directory',
    `${directory} is not empty (${JSON.stringify(foreign)}) and holds no Latchkey data: choose another directory`,
  )
}

/** The marker comes last: killed at any point before, the next start begins anew. */
async function initialise(directory: string, databasePath: string, random: Random): Promise<void> {
  await chmod(directory, 0o700).catch(() => undefined) // a mounted volume may belong to somebody else
  const unfinished = join(directory, UNFINISHED_MARKER)
  const marker = { format: FORMAT, id: random.bytes(16).toString('hex') }
  await writeFile(unfinished, `${JSON.stringify(marker)}\n`, { mode: 0o600, flush: true })
  await rm(databasePath, { recursive: true, force: true })
  await closeDatabase(await openDatabase(databasePath))
  await rename(unfinished, join(directory, MARKER))
  await syncDirectory(directory)
}

async function syncDirectory(directory: string): Promise<void> {
  if (process.platform === 'win32') return // directories cannot be opened there
  const handle = await open(directory, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

async function readMarker(directory: string): Promise<string> {
  const file = join(directory, MARKER)
  const text = await readFile(file, 'utf8')
  const marker = parseMarker(text)
  if (marker === null) throw new Failure('not-a-data-directory', `${file} is not Latchkey's: restore it from a backup`)
  if (marker.format !== FORMAT) {
    throw new Failure(
      'not-a-data-directory',
      `${file} has format ${marker.format}, this version of Latchkey reads ${FORMAT}: use the version that wrote it`,
    )
  }
  return marker.id
}

function parseMarker(text: string): { format: number; id: string } | null {
  try {
    const { format, id } = JSON.parse(text) as Record<string, unknown>
    return typeof format === 'number' && typeof id === 'string' ? { format, id } : null
  } catch {
    return null
  }
}

async function refuseWithoutDatabase(directory: string, databasePath: string): Promise<void> {
  const names = await readdir(databasePath).catch(() => [])
  if (names.length > 0) return
  throw new Failure(
    'store-failed',
    `${directory} is a data directory but its database ${databasePath} is gone: restore it from a backup`,
  )
}
