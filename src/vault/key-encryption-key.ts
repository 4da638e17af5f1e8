import { createCipheriv, createDecipheriv, createHash } from 'node:crypto'
import { type FileHandle, mkdir, open } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Random } from '../model/clock.ts'
import { Failure } from '../model/failure.ts'

/** Wraps the vault's keys. It lives outside the data directory and its backups. */
export interface KeyEncryptionKey {
  /** Tells one such key from another; says nothing about its bytes. */
  readonly id: string
  wrap(dataKey: Buffer): Buffer
  /** Throws `vault-key` when it was wrapped by another key or altered. */
  unwrap(wrapped: Buffer): Buffer
}

const KEY_BYTES = 32
const WRAPPED_BYTES = KEY_BYTES + 8
/** RFC 3394 2.2.3.1 */
const INITIAL_VALUE = Buffer.from('a6a6a6a6a6a6a6a6', 'hex')
const MAXIMUM_FILE_BYTES = 4_096

/**
 * The key in a file: base64 of 32 bytes in one line, mode 0600. With `create` (`Vault.isNew`) a missing file is made,
 * exclusively; without, it is `vault-key`. A file that its group or the world can read is refused.
 */
export async function fileKey(
  path: string,
  options: { readonly create: boolean; readonly random: Random },
): Promise<KeyEncryptionKey> {
  if (options.create) await createKeyFile(path, options.random)
  return keyFrom(await readKeyFile(path), path)
}

/** From an environment variable or another secret store: base64 of 32 bytes. */
export function environmentKey(base64: string): KeyEncryptionKey {
  return keyFrom(base64, 'the environment')
}

async function createKeyFile(path: string, random: Random): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  let file: FileHandle
  try {
    file = await open(path, 'wx', 0o600)
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return
    throw new Failure('vault-key', `the vault key ${path} could not be made (${codeOf(error)}): check the directory`, {
      cause: error,
    })
  }
  try {
    await file.writeFile(`${random.bytes(KEY_BYTES).toString('base64')}\n`)
    await file.sync()
  } finally {
    await file.close()
  }
}

async function readKeyFile(path: string): Promise<string> {
  let file: FileHandle
  try {
    file = await open(path, 'r')
  } catch (error) {
    const why = codeOf(error) === 'ENOENT' ? 'does not exist' : `cannot be read (${codeOf(error)})`
    throw new Failure('vault-key', `the vault key ${path} ${why}: restore it from where it is kept`, { cause: error })
  }
  try {
    const { mode, size } = await file.stat()
    // Windows has no such bits; there the directory's access list protects it.
    if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
      const shown = (mode & 0o777).toString(8).padStart(4, '0')
      throw new Failure(
        'vault-key',
        `the vault key ${path} has mode ${shown}: run chmod 600 on it, and consider it known`,
      )
    }
    if (size > MAXIMUM_FILE_BYTES) throw notAKey(path)
    return await file.readFile('utf8')
  } finally {
    await file.close()
  }
}

function keyFrom(text: string, source: string): KeyEncryptionKey {
  const base64 = text.trim()
  const key = Buffer.from(base64, 'base64')
  if (!/^[A-Za-z0-9+/]{43}=?$/.test(base64) || key.length !== KEY_BYTES) throw notAKey(source)
  return {
    id: createHash('sha256').update('latchkey key-encryption key\0').update(key).digest('hex').slice(0, 16),
    // AES key wrap (RFC 3394) needs no nonce and proves integrity.
    wrap(dataKey) {
      const cipher = createCipheriv('id-aes256-wrap', key, INITIAL_VALUE)
      return Buffer.concat([cipher.update(dataKey), cipher.final()])
    },
    unwrap(wrapped) {
      const plain = wrapped.length === WRAPPED_BYTES ? decrypt(key, wrapped) : null
      if (plain !== null) return plain
      throw new Failure('vault-key', `the vault key from ${source} is not the one this database was sealed with`)
    },
  }
}

function decrypt(key: Buffer, wrapped: Buffer): Buffer | null {
  try {
    const decipher = createDecipheriv('id-aes256-wrap', key, INITIAL_VALUE)
    return Buffer.concat([decipher.update(wrapped), decipher.final()])
  } catch {
    return null
  }
}

function notAKey(source: string): Failure {
  return new Failure(
    'vault-key',
    `the vault key from ${source} is not base64 of ${KEY_BYTES} bytes: restore the right one`,
  )
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error)
}
