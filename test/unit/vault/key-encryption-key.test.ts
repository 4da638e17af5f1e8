import { randomBytes } from 'node:crypto'
import { chmod, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { environmentKey, fileKey } from '../../../src/vault/key-encryption-key.ts'
import { temporaryDirectory } from '../store/temporary-store.ts'

const random = { bytes: randomBytes }
const keyPath = async () => join(await temporaryDirectory(), 'keys', 'vault.key')

describe('AES key wrap', () => {
  test('RFC 3394 4.6: a 256-bit key under a 256-bit key', () => {
    const kek = environmentKey(
      Buffer.from('000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f', 'hex').toString('base64'),
    )
    const key = Buffer.from('00112233445566778899aabbccddeeff000102030405060708090a0b0c0d0e0f', 'hex')
    const wrapped = Buffer.from(
      '28c9f404c4b810f4cbccb35cfb87f8263f5786e2d80ed326cbc7f0e71a99f43bfb988b9b7a02dd21',
      'hex',
    )
    expect(kek.wrap(key)).toEqual(wrapped)
    expect(kek.unwrap(wrapped)).toEqual(key)
  })

  test('altered, cut or wrapped by another key: vault-key', () => {
    const kek = environmentKey(randomBytes(32).toString('base64'))
    const wrapped = kek.wrap(randomBytes(32))
    const altered = Buffer.from(wrapped)
    altered[5] = (altered[5] ?? 0) ^ 1
    const other = environmentKey(randomBytes(32).toString('base64')).wrap(randomBytes(32))
    for (const wrong of [altered, wrapped.subarray(0, 32), wrapped.subarray(0, 7), Buffer.alloc(0), other]) {
      expect(() => kek.unwrap(wrong)).toThrow(expect.objectContaining({ code: 'vault-key' }))
    }
  })
})

describe('a key file', () => {
  test('is made with mode 0600, and read again', async () => {
    const path = await keyPath()
    const made = await fileKey(path, { create: true, random })
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    const again = await fileKey(path, { create: false, random })
    expect(again.id).toBe(made.id)
    const dataKey = randomBytes(32)
    expect(again.unwrap(made.wrap(dataKey))).toEqual(dataKey)
    expect(environmentKey(await readFile(path, 'utf8')).id).toBe(made.id)
  })

  test('that exists is never replaced', async () => {
    const path = await keyPath()
    const made = await fileKey(path, { create: true, random })
    const text = await readFile(path, 'utf8')
    expect((await fileKey(path, { create: true, random })).id).toBe(made.id)
    expect(await readFile(path, 'utf8')).toBe(text)
  })

  test('that is missing is not made unless asked for', async () => {
    await expect(fileKey(await keyPath(), { create: false, random })).rejects.toMatchObject({
      code: 'vault-key',
      message: expect.stringContaining('does not exist'),
    })
  })

  test.runIf(process.platform !== 'win32').each([0o640, 0o604, 0o660, 0o644, 0o610])(
    'of mode %o is refused',
    async mode => {
      const path = await keyPath()
      await fileKey(path, { create: true, random })
      await chmod(path, mode)
      await expect(fileKey(path, { create: true, random })).rejects.toMatchObject({
        code: 'vault-key',
        message: expect.stringContaining('chmod 600'),
      })
    },
  )

  test.each([
    ['nothing', ''],
    ['a password', 'password'],
    ['31 bytes', randomBytes(31).toString('base64')],
    ['33 bytes', randomBytes(33).toString('base64')],
    ['hexadecimal digits', randomBytes(32).toString('hex')],
    ['10 000 characters', 'A'.repeat(10_000)],
  ])('that holds %s is no key, and its text is not repeated', async (_, text) => {
    const path = await keyPath()
    await fileKey(path, { create: true, random })
    await writeFile(path, text)
    const error = await fileKey(path, { create: false, random }).catch((thrown: Error) => thrown)
    expect(error).toMatchObject({ code: 'vault-key' })
    if (text !== '') expect(String(error)).not.toContain(text)
  })

  test('its id does not tell its bytes', async () => {
    const bytes = randomBytes(32)
    const { id } = environmentKey(bytes.toString('base64'))
    expect(id).toMatch(/^[0-9a-f]{16}$/)
    expect(bytes.toString('hex')).not.toContain(id)
  })
})
