import { execFile } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { withLock } from '../../../tools/lock.mjs'

const run = promisify(execFile)
/** No process has it: the largest number that Linux gives out is 2^22. */
const NOBODY = 2 ** 22 + 1

let folder: string
let lock: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'latchkey-lock-'))
  lock = join(folder, 'below', 'lock')
})
afterEach(() => rm(folder, { recursive: true }))

test('the lock is there while work is done, and gone after it, also when it fails', async () => {
  const holder = await withLock(lock, async () => JSON.parse(await readFile(lock, 'utf8')))
  expect(holder.pid).toBe(process.pid)
  await expect(
    withLock(lock, async () => {
      throw new Error('failed')
    }),
  ).rejects.toThrow('failed')
  expect(await readdir(join(folder, 'below'))).toEqual([])
})

test.each([
  ['a dead process', JSON.stringify({ pid: NOBODY, started: '1' })],
  ['a process whose number was given out again', JSON.stringify({ pid: process.pid, started: '1' })],
  ['nobody: it is damaged', '{"pid":'],
])('the lock of %s is taken over', async (_, content) => {
  await withLock(lock, async () => {})
  await writeFile(lock, content)
  expect(await withLock(lock, async () => 'inside')).toBe('inside')
})

test('processes that find the lock of a dead one together enter one after the other', async () => {
  await withLock(lock, async () => {})
  await writeFile(lock, JSON.stringify({ pid: NOBODY, started: '1' }))
  const log = join(folder, 'log')
  const program = `
    import { appendFileSync } from 'node:fs'
    import { setTimeout as pause } from 'node:timers/promises'
    import { withLock } from ${JSON.stringify(resolve(import.meta.dirname, '../../../tools/lock.mjs'))}
    await withLock(${JSON.stringify(lock)}, async () => {
      appendFileSync(${JSON.stringify(log)}, 'in\\n')
      await pause(20)
      appendFileSync(${JSON.stringify(log)}, 'out\\n')
    })`
  await Promise.all(Array.from({ length: 6 }, () => run(process.execPath, ['--input-type=module', '-e', program])))
  expect(await readFile(log, 'utf8')).toBe('in\nout\n'.repeat(6))
  expect(await readdir(join(folder, 'below'))).toEqual([])
})

test('whoever waits is told for whom', async () => {
  const said: string[] = []
  let release: () => void = () => {}
  const first = withLock(lock, () => new Promise<void>(resolve => (release = resolve)))
  const second = withLock(
    lock,
    async () => {},
    text => {
      said.push(text)
      release()
    },
  )
  await Promise.all([first, second])
  expect(said).toEqual([expect.stringContaining(`pid ${process.pid}`)])
})
