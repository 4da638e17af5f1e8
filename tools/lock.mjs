// One lock file that several processes may want at once. It holds who has it, so that a dead holder's lock is taken over.
import { closeSync, mkdirSync, openSync, readFileSync, statSync, unlinkSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

const POLL_MS = 200
/** A lock file without readable contents is being written; older than this its writer died in between. */
const TORN_MS = 10_000

/** Runs `work` while holding the lock at `path`; waits for a living holder, takes over from a dead one. */
export async function withLock(path, work, say = () => {}) {
  mkdirSync(dirname(path), { recursive: true })
  let told = false
  while (!create(path)) {
    const holder = read(path)
    if (holder === 'gone') continue
    if (holder === 'dead') {
      takeOver(path)
    } else if (!told) {
      say(`waiting for another Latchkey process${holder.pid ? ` (pid ${holder.pid})` : ''} that installs or builds`)
      told = true
    }
    await pause(POLL_MS)
  }
  try {
    return await work()
  } finally {
    remove(path)
  }
}

function create(path) {
  try {
    const file = openSync(path, 'wx')
    writeSync(file, JSON.stringify({ pid: process.pid, started: startOf(process.pid) }))
    closeSync(file)
    return true
  } catch (error) {
    if (error.code === 'EEXIST') return false
    throw error
  }
}

/** The living holder, 'dead', or 'gone' when the file vanished meanwhile. */
function read(path) {
  try {
    const text = readFileSync(path, 'utf8')
    if (text === '') return Date.now() - statSync(path).mtimeMs > TORN_MS ? 'dead' : { pid: 0 }
    const holder = JSON.parse(text)
    return isAlive(holder) ? holder : 'dead'
  } catch (error) {
    if (error.code === 'ENOENT') return 'gone'
    if (error instanceof SyntaxError) return 'dead'
    throw error
  }
}

/**
 * Removes a dead holder's file. A second file serialises the removers: without it, one that looked early would remove
 * the fresh lock of one that was quicker.
 */
function takeOver(path) {
  const claim = `${path}.takeover`
  if (!create(claim)) {
    if (read(claim) === 'dead') remove(claim)
    return
  }
  try {
    if (read(path) === 'dead') remove(path)
  } finally {
    remove(claim)
  }
}

function remove(path) {
  try {
    unlinkSync(path)
  } catch (error) {
    if (error.code !== 'ENOENT') throw error
  }
}

function isAlive({ pid, started }) {
  try {
    process.kill(pid, 0)
  } catch (error) {
    if (error.code === 'ESRCH') return false
    if (error.code !== 'EPERM') throw error
  }
  const now = startOf(pid)
  return now === null || started === null || now === started // a process number may have been given out again
}

/** Start time of a process in clock ticks since boot; null where /proc does not tell. */
function startOf(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null
  } catch {
    return null
  }
}
