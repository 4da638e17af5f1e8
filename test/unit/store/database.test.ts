import { mkdtemp, readdir, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Level } from 'level'
import { describe, expect, test } from 'vitest'
import { temporaryDirectory, temporaryStore } from './temporary-store.ts'

async function closedStore(): Promise<string> {
  const directory = await temporaryDirectory()
  const store = await temporaryStore({ directory })
  await store.commit([{ put: 'a', value: 'kept' }])
  await store.close()
  return directory
}

describe('a damaged database is refused, never emptied', () => {
  test('CURRENT missing, with which Level alone would open an empty one', async () => {
    const directory = await closedStore()
    await rm(join(directory, 'CURRENT'))
    await expect(temporaryStore({ directory })).rejects.toMatchObject({ code: 'store-failed' })
    await expect(temporaryStore({ directory })).rejects.toMatchObject({ code: 'store-failed' })
  })

  test('the manifest missing', async () => {
    const directory = await closedStore()
    for (const name of await readdir(directory)) {
      if (name.startsWith('MANIFEST')) await rm(join(directory, name))
    }
    await expect(temporaryStore({ directory })).rejects.toMatchObject({ code: 'store-failed' })
  })

  test('the log emptied: the sentinel is missing', async () => {
    const directory = await closedStore()
    for (const name of await readdir(directory)) if (name.endsWith('.log')) await truncate(join(directory, name))
    await expect(temporaryStore({ directory })).rejects.toMatchObject({
      code: 'store-failed',
      message: expect.stringContaining('sentinel'),
    })
  })

  test("another program's database", async () => {
    const directory = await temporaryDirectory()
    const other = new Level(directory)
    await other.put('a', 'b')
    await other.close()
    await expect(temporaryStore({ directory })).rejects.toMatchObject({ code: 'store-failed' })
  })

  test('a file in its place', async () => {
    const directory = join(await temporaryDirectory(), 'db')
    await writeFile(directory, '')
    await expect(temporaryStore({ directory })).rejects.toMatchObject({ code: 'store-failed' })
  })

  test('a directory of other files', async () => {
    const directory = await temporaryDirectory()
    await writeFile(join(directory, 'notes.txt'), '')
    await expect(temporaryStore({ directory })).rejects.toMatchObject({ code: 'store-failed' })
    expect(await readdir(directory)).not.toContain('CURRENT')
  })
})

describe('one process opens a database, once', () => {
  test('a second open, also by another name of it, fails and does not disturb the first', async () => {
    const directory = await temporaryDirectory()
    const store = await temporaryStore({ directory })
    const alias = join(await mkdtemp(`${directory}-`), 'alias')
    await symlink(directory, alias)
    for (const name of [directory, alias]) {
      await expect(temporaryStore({ directory: name })).rejects.toMatchObject({ code: 'store-locked' })
    }
    await store.commit([{ put: 'a', value: '1' }])
    await store.close()
    const again = await temporaryStore({ directory: alias })
    expect(again.get('a')?.value.toString()).toBe('1')
    await rm(join(alias, '..'), { recursive: true })
  })

  test('another process that has it is not disturbed', async () => {
    const directory = await temporaryDirectory()
    const other = new Level(directory) // in this process, but past our own list: what another process looks like to Level
    await other.open()
    await expect(temporaryStore({ directory })).rejects.toMatchObject({ code: 'store-locked' })
    await other.close()
  })
})
