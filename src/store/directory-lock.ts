import { createHash } from 'node:crypto'
import { link, readdir, readFile, unlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Random } from '../model/clock.ts'
import { Failure } from '../model/failure.ts'

/** Who holds the lock. A process id alone may belong to somebody else by now: start time and boot make it certain. */
interface Holder {
  readonly pid: number
  /** Clock ticks since boot; null where there is no /proc. */
  readonly started: string | null
  readonly boot: string | null
  readonly nonce: string
}

export interface DirectoryLock {
  release(): Promise<void>
}

const LOCK = 'lock'
/** Bounds the race of several processes for the lock of a crashed one. */
const ATTEMPTS = 20

/** True for the lock itself and for what a process that died while taking it may have left. */
export function isLockFile(name: string): boolean {
  return name === LOCK || /^lock\.(?:\d+|over)\.[0-9a-f]+$/.test(name)
}

/**
 * One process at a time. The lock of a process that is gone is taken over; `store-locked` names one that lives. Level has a
 * lock of its own, kept by the kernel, behind this one.
 */
export async function lockDirectory(directory: string, random: Random): Promise<DirectoryLock> {
  const path = join(directory, LOCK)
  const nonce = random.bytes(8).toString('hex')
  const text = JSON.stringify({ pid: process.pid, started: await startOf(process.pid), boot: await bootId(), nonce })
  const own = join(directory, `${LOCK}.${process.pid}.${nonce}`)
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    if (await appears(path, own, text)) {
      await removeLeftovers(directory)
      return { release: () => release(path, text) }
    }
    const found = await readIfThere(path)
    if (found === undefined) continue
    const holder = parse(found)
    if (holder !== null && (await lives(holder))) {
      throw new Failure(
        'store-locked',
        `${directory} is open in process ${holder.pid}: stop it, or talk to it over HTTP`,
      )
    }
    await takeAway(path, found, own, text)
  }
  throw new Failure(
    'store-locked',
    `${directory} is being opened by several processes at once: start one of them again`,
  )
}

/**
 * Removes a dead lock. Whoever holds the guard named after its content is the only one who may, so a live lock that was
 * put in its place meanwhile is never taken. A guard whose holder died is itself a dead lock.
 */
async function takeAway(path: string, expected: string, own: string, text: string): Promise<void> {
  const guard = join(dirname(path), `${LOCK}.over.${createHash('sha256').update(expected).digest('hex').slice(0, 32)}`)
  if (!(await appears(guard, own, text))) {
    const other = await readIfThere(guard)
    const holder = other === undefined ? null : parse(other)
    if (other !== undefined && (holder === null || !(await lives(holder)))) await takeAway(guard, other, own, text)
    return
  }
  try {
    if ((await readIfThere(path)) === expected) await unlinkIfThere(path)
  } finally {
    await unlinkIfThere(guard)
  }
}

/** Makes a file with its content in one step, so whoever finds it can read it; false when it is there already. */
async function appears(path: string, own: string, text: string): Promise<boolean> {
  await writeFile(own, text, { mode: 0o600 })
  try {
    await link(own, path)
    return true
  } catch (error) {
    if (isCode(error, 'EEXIST')) return false
    throw new Failure('store-failed', `${path} cannot be made: ${String(error)}`, { cause: error })
  } finally {
    await unlinkIfThere(own)
  }
}

async function release(path: string, text: string): Promise<void> {
  if ((await readIfThere(path)) === text) await unlinkIfThere(path)
}

async function removeLeftovers(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    const pid = Number(name.split('.')[1])
    if (isLockFile(name) && Number.isInteger(pid) && pid !== process.pid && !isRunning(pid)) {
      await unlinkIfThere(join(directory, name))
    }
  }
}

function parse(text: string): Holder | null {
  try {
    const holder = JSON.parse(text) as Holder
    return Number.isSafeInteger(holder.pid) && holder.pid > 0 ? holder : null
  } catch {
    return null
  }
}

async function lives(holder: Holder): Promise<boolean> {
  if (!isRunning(holder.pid)) return false
  if (holder.boot !== null && holder.boot !== (await bootId())) return false
  return holder.started === null || holder.started === (await startOf(holder.pid))
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return isCode(error, 'EPERM')
  }
}

/** Field 22 of /proc/<pid>/stat; null without /proc, and for a process that is dead but not yet collected. */
async function startOf(pid: number): Promise<string | null> {
  const stat = await readIfThere(`/proc/${pid}/stat`)
  // The program's name, in parentheses, may hold anything; what follows it has fixed places.
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ')
  return fields?.[0] === 'Z' ? null : (fields?.[19] ?? null)
}

async function bootId(): Promise<string | null> {
  return (await readIfThere('/proc/sys/kernel/random/boot_id'))?.trim() ?? null
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (isCode(error, 'ENOENT') || isCode(error, 'ESRCH')) return undefined
    throw error
  }
}

async function unlinkIfThere(path: string): Promise<void> {
  try {
    await unlink(path)
  } catch (error) {
    if (!isCode(error, 'ENOENT')) throw error
  }
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
