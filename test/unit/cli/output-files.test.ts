import { mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Misuse } from '../../../src/cli/misuse.ts'
import { inFolder, withOutput } from '../../../src/cli/output-files.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'latchkey-out-'))
})
afterEach(() => rm(folder, { recursive: true }))

test('files are readable by the owner alone, and so is a folder made for them', async () => {
  const made = join(folder, 'keys')
  const path = await withOutput(inFolder(made, { key: 't1.key' }), output => output.write('key', 'secret'))
  expect(await readFile(path, 'utf8')).toBe('secret')
  expect((await stat(path)).mode & 0o777).toBe(0o600)
  expect((await stat(made)).mode & 0o777).toBe(0o700)
})

test('a file that exists stops everything before the secret is made', async () => {
  await writeFile(join(folder, 'b'), 'old')
  let asked = false
  const refused = withOutput({ first: join(folder, 'a'), second: join(folder, 'b') }, async () => {
    asked = true
  })
  await expect(refused).rejects.toThrow(Misuse)
  await expect(refused).rejects.toThrow(/b exists; nothing was overwritten/)
  expect(asked).toBe(false)
  expect(await readdir(folder)).toEqual(['b'])
  expect(await readFile(join(folder, 'b'), 'utf8')).toBe('old')
})

test("nothing is written through somebody's symbolic link", async () => {
  await symlink(join(folder, 'elsewhere'), join(folder, 'key'))
  await expect(withOutput({ key: join(folder, 'key') }, async () => {})).rejects.toThrow(/exists/)
  expect(await readdir(folder)).toEqual(['key'])
})

test('when the broker refuses, no empty file is left', async () => {
  const refused = withOutput({ key: join(folder, 'key') }, async () => {
    throw new Error('refused')
  })
  await expect(refused).rejects.toThrow('refused')
  expect(await readdir(folder)).toEqual([])
})
