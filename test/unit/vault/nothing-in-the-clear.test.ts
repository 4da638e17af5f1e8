import { createSecretKey, generateKeyPairSync, randomBytes } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { LevelStore } from '../../../src/store/level-store.ts'
import { environmentKey } from '../../../src/vault/key-encryption-key.ts'
import { newSecret } from '../../../src/vault/secret-format.ts'
import { Vault } from '../../../src/vault/vault.ts'
import { temporaryDirectory, temporaryStore } from '../store/temporary-store.ts'

/** Every byte of the directory, the write-ahead log among it. */
async function rawBytes(directory: string): Promise<Buffer> {
  const names = await readdir(directory)
  return Buffer.concat(await Promise.all(names.map(name => readFile(join(directory, name)))))
}

/** Where 12 bytes in a row would give it away, in every usual spelling. Base64 depends on the offset: all three are tried. */
function traces(secret: Buffer): Map<string, Buffer> {
  const part = secret.subarray(0, 24)
  const found = new Map([
    ['raw', part],
    ['hex', Buffer.from(part.toString('hex'))],
    ['upper-case hex', Buffer.from(part.toString('hex').toUpperCase())],
  ])
  for (const offset of [0, 1, 2]) {
    // Characters that no neighbouring byte takes part in.
    const shifted = part.subarray(offset, offset + 21)
    found.set(`base64, offset ${offset}`, Buffer.from(shifted.toString('base64')))
    found.set(`base64url, offset ${offset}`, Buffer.from(shifted.toString('base64url')))
  }
  return found
}

function found(raw: Buffer, secrets: ReadonlyMap<string, Buffer>): string[] {
  return [...secrets].flatMap(([name, secret]) =>
    [...traces(secret)].filter(([, bytes]) => raw.includes(bytes)).map(([how]) => `${name}: ${how}`),
  )
}

interface Case {
  readonly directory: string
  readonly store: LevelStore
  readonly vault: Vault
  /** All that must never be seen. */
  readonly secrets: Map<string, Buffer>
}

async function openCase(): Promise<Case> {
  const directory = await temporaryDirectory()
  const store = await temporaryStore({ directory })
  const secrets = new Map<string, Buffer>()
  const kekBytes = randomBytes(32)
  secrets.set('key-encryption key', kekBytes)
  let made = 0
  // What the vault draws while opening: ids, data key, pepper, MAC root.
  const random = {
    bytes(count: number) {
      const bytes = randomBytes(count)
      if (count >= 16) secrets.set(`key ${++made} of the vault`, bytes)
      return bytes
    },
  }
  const vault = await Vault.open({ store, kek: environmentKey(kekBytes.toString('base64')), random })
  expect(made).toBe(3)
  return { directory, store, vault, secrets }
}

async function storeSecrets({ store, vault, secrets }: Case): Promise<void> {
  for (let i = 0; i < 20; i++) {
    const { text } = newSecret('mqtt', { bytes: randomBytes })
    secrets.set(`secret ${i}`, Buffer.from(text.slice(-50)))
    await store.commit([{ put: `credential/s${i}`, value: JSON.stringify(vault.hashSecret(text)) }])

    const psk = createSecretKey(randomBytes(32)).export()
    secrets.set(`psk ${i}`, psk)
    const sealed = vault.seal(psk, `credential:t:p${i}`).toString('base64')
    await store.commit([{ put: `credential/p${i}`, value: JSON.stringify({ sealed }) }])

    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const { d } = privateKey.export({ format: 'jwk' })
    secrets.set(`private key ${i}`, Buffer.from(d ?? '', 'base64url'))
    const pkcs8 = privateKey.export({ format: 'der', type: 'pkcs8' })
    await store.commit([{ put: `ca/key/${i}`, value: vault.seal(pkcs8, `ca:${i}`) }])
  }
  await vault.rotateDataKey()
}

describe('the raw database', () => {
  test('holds no secret, no pre-shared key, no private key, and none of the keys above them', async () => {
    const opened = await openCase()
    await storeSecrets(opened)
    await opened.store.close()
    const raw = await rawBytes(opened.directory)
    expect(raw.includes('credential/p19')).toBe(true) // it is all there, and readable
    expect(opened.secrets.size).toBe(1 + 3 + 1 + 60)
    expect(found(raw, opened.secrets)).toEqual([])
    // Opening again turns the log into a table.
    await (await temporaryStore({ directory: opened.directory })).close()
    expect(await readdir(opened.directory)).toContainEqual(expect.stringMatching(/\.ldb$/))
    expect(found(await rawBytes(opened.directory), opened.secrets)).toEqual([])
  })

  test('this check can fail: what is stored without the vault is found in each spelling', async () => {
    const opened = await openCase()
    const bare = randomBytes(32)
    const secrets = new Map([['bare', bare]])
    const spellings = [
      bare,
      bare.toString('hex'),
      bare.toString('hex').toUpperCase(),
      bare.toString('base64'),
      bare.toString('base64url'),
      Buffer.concat([Buffer.from('x'), bare]).toString('base64'),
      Buffer.concat([Buffer.from('xy'), bare]).toString('base64'),
    ]
    for (const [i, value] of spellings.entries()) await opened.store.commit([{ put: `bare/${i}`, value }])
    await opened.store.close()
    const raw = await rawBytes(opened.directory)
    const spelt = ['raw', 'hex', 'upper-case hex', 'base64, offset 0', 'base64, offset 1', 'base64, offset 2']
    const expected = [...spelt, 'base64url, offset 0'].map(how => `bare: ${how}`)
    expect(found(raw, secrets)).toEqual(expect.arrayContaining(expected))
  })
})
