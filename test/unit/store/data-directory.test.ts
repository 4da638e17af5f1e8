import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdir, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { openDataDirectory } from '../../../src/store/data-directory.ts'
import { temporaryDirectory, temporaryStore } from './temporary-store.ts'

const random = { bytes: randomBytes }
const openData = (path: string) => openDataDirectory(path, { random })

async function madeDirectory(): Promise<string> {
  const path = join(await temporaryDirectory(), 'data')
  await (await openData(path)).release()
  return path
}

/** A process that lives until it is told to end. */
async function withProcess<T>(use: (pid: number) => Promise<T>): Promise<T> {
  const child = spawn(process.execPath, ['-e', 'process.stdin.resume()'], { stdio: ['pipe', 'ignore', 'ignore'] })
  const ended = new Promise(resolve => child.once('exit', resolve))
  try {
    return await use(child.pid ?? 0)
  } finally {
    child.kill('SIGKILL')
    await ended
  }
}

describe('a data directory', () => {
  test('absent: it is made with mode 0700, a marker and a database', async () => {
    const path = join(await temporaryDirectory(), 'deep', 'data')
    const data = await openData(path)
    expect(data).toMatchObject({
      path,
      databasePath: join(path, 'db'),
      fresh: true,
      id: expect.stringMatching(/^[0-9a-f]{32}$/),
    })
    expect((await stat(path)).mode & 0o777).toBe(0o700)
    expect(JSON.parse(await readFile(join(path, 'latchkey.json'), 'utf8'))).toEqual({ format: 1, id: data.id })
    const store = await temporaryStore({ directory: data.databasePath })
    await store.commit([{ put: 'a', value: 'kept' }])
    await store.close()
    await data.release()
    const again = await openData(path)
    expect(again).toMatchObject({ fresh: false, id: data.id })
    const reopened = await temporaryStore({ directory: again.databasePath })
    expect(reopened.get('a')?.value.toString()).toBe('kept')
    await again.release()
    expect((await readdir(path)).sort()).toEqual(['db', 'latchkey.json'])
  })

  test('empty, with wide permissions: it is narrowed and used', async () => {
    const path = join(await temporaryDirectory(), 'data')
    await mkdir(path, { mode: 0o755 })
    await mkdir(join(path, 'lost+found'))
    const data = await openData(path)
    expect(data.fresh).toBe(true)
    expect((await stat(path)).mode & 0o777).toBe(0o700)
    await data.release()
  })

  test('with anything else in it: refused, and left as it was', async () => {
    const path = await temporaryDirectory()
    await writeFile(join(path, 'holiday.jpg'), '')
    await expect(openData(path)).rejects.toMatchObject({
      code: 'not-a-data-directory',
      message: expect.stringContaining('holiday.jpg'),
    })
    expect(await readdir(path)).toEqual(['holiday.jpg'])
  })

  test.each(['db', 'latchkey.json.bak'])('a %s without our marker is foreign', async name => {
    const path = await temporaryDirectory()
    await mkdir(join(path, name))
    await expect(openData(path)).rejects.toMatchObject({ code: 'not-a-data-directory' })
  })

  test('a file is no directory', async () => {
    const path = join(await temporaryDirectory(), 'file')
    await writeFile(path, '')
    await expect(openData(path)).rejects.toMatchObject({ code: 'not-a-data-directory' })
  })

  test.each([
    ['', /not Latchkey's/],
    ['null', /not Latchkey's/],
    ['{"format":1}', /not Latchkey's/],
    ['{"format":2,"id":"x"}', /format 2/],
  ])('a marker of %j is refused', async (marker, message) => {
    const path = await madeDirectory()
    await writeFile(join(path, 'latchkey.json'), marker)
    await expect(openData(path)).rejects.toMatchObject({
      code: 'not-a-data-directory',
      message: expect.stringMatching(message),
    })
    expect(await readdir(path)).not.toContain('lock')
  })

  test('an initialisation that was interrupted begins anew', async () => {
    const path = await temporaryDirectory()
    await writeFile(join(path, 'latchkey.json.new'), '')
    await mkdir(join(path, 'db'))
    await writeFile(join(path, 'db', 'LOG'), 'half made')
    const data = await openData(path)
    expect(data.fresh).toBe(true)
    await (await temporaryStore({ directory: data.databasePath })).close()
    await data.release()
  })

  test('a database that is gone is not replaced by an empty one', async () => {
    const path = await madeDirectory()
    await rm(join(path, 'db'), { recursive: true })
    await expect(openData(path)).rejects.toMatchObject({ code: 'store-failed' })
    await mkdir(join(path, 'db'))
    await expect(openData(path)).rejects.toMatchObject({ code: 'store-failed' })
  })
})

describe('the lock of a data directory', () => {
  test('a second open, also by another name of it, is refused and names the process', async () => {
    const path = join(await temporaryDirectory(), 'data')
    const alias = join(await temporaryDirectory(), 'alias')
    const data = await openData(path)
    await symlink(path, alias)
    for (const name of [path, alias]) {
      await expect(openData(name)).rejects.toMatchObject({
        code: 'store-locked',
        message: expect.stringContaining(`process ${process.pid}`),
      })
    }
    await data.release()
    await (await openData(alias)).release()
  })

  test('of a living process: refused; once it has died: taken over', async () => {
    const path = await madeDirectory()
    await withProcess(async pid => {
      await writeFile(join(path, 'lock'), JSON.stringify({ pid, started: null, boot: null, nonce: 'x' }))
      await expect(openData(path)).rejects.toMatchObject({
        code: 'store-locked',
        message: expect.stringContaining(`process ${pid}`),
      })
    })
    await (await openData(path)).release()
  })

  test.runIf(process.platform === 'linux')('of a process whose number was given to another: taken over', async () => {
    const path = await madeDirectory()
    await withProcess(async pid => {
      for (const holder of [
        { pid, started: '1', boot: null, nonce: 'x' },
        { pid, started: null, boot: 'another boot', nonce: 'x' },
      ]) {
        await writeFile(join(path, 'lock'), JSON.stringify(holder))
        await (await openData(path)).release()
      }
    })
  })

  test.each(['', 'rubbish', '{"pid":-1}', 'null'])('that says %j belongs to nobody', async text => {
    const path = await madeDirectory()
    await writeFile(join(path, 'lock'), text)
    await (await openData(path)).release()
    expect(await readdir(path)).not.toContain('lock')
  })

  test('of many who race for a dead lock exactly one wins', async () => {
    const path = await madeDirectory()
    for (let round = 0; round < 10; round++) {
      await writeFile(join(path, 'lock'), '{"pid":-1}')
      const results = await Promise.allSettled(Array.from({ length: 8 }, () => openData(path)))
      const won = results.flatMap(result => (result.status === 'fulfilled' ? [result.value] : []))
      const lost = results.flatMap(result => (result.status === 'rejected' ? [result.reason.code] : []))
      expect(won).toHaveLength(1)
      expect(new Set(lost)).toEqual(new Set(['store-locked']))
      await won[0]?.release()
    }
    expect((await readdir(path)).sort()).toEqual(['db', 'latchkey.json'])
  })

  test('what a process left that died while taking it is cleared away', async () => {
    const path = await madeDirectory()
    const pid = await withProcess(async pid => pid)
    await writeFile(join(path, `lock.${pid}.00ff`), '')
    await (await openData(path)).release()
    expect((await readdir(path)).sort()).toEqual(['db', 'latchkey.json'])
  })

  test('release takes away only our own', async () => {
    const path = await madeDirectory()
    const data = await openData(path)
    await writeFile(join(path, 'lock'), JSON.stringify({ pid: process.pid, nonce: 'of another' }))
    await data.release()
    expect(await readdir(path)).toContain('lock')
  })
})
