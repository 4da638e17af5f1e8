import { generateKeyPairSync } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { decodeProtectedHeader, jwtVerify } from 'jose'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { latchkey } from './run-command.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'latchkey-token-'))
})
afterEach(() => rm(folder, { recursive: true }))

const pairs = {
  ES256: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  EdDSA: generateKeyPairSync('ed25519'),
  RS256: generateKeyPairSync('rsa', { modulusLength: 2048 }),
} as const

const keyFile = async (pair: { privateKey: (typeof pairs)['ES256']['privateKey'] }) => {
  const file = join(folder, 'key.pem')
  await writeFile(file, pair.privateKey.export({ format: 'pem', type: 'pkcs8' }))
  return file
}

test.each(Object.entries(pairs))('sign: %s, by the kind of key', async (algorithm, pair) => {
  const words = ['token', 'sign', '--device', 't1', '--key', await keyFile(pair), '--ttl', '15m', '--kid', 'k1']
  const { exitCode, stdout } = await latchkey(words)
  expect(exitCode).toBe(0)
  const { payload } = await jwtVerify(stdout, pair.publicKey, { issuer: 't1', subject: 't1', audience: 'latchkey' })
  expect((payload.exp ?? 0) - (payload.iat ?? 0)).toBe(900)
  expect(payload.jti).toMatch(/^[0-9a-f-]{36}$/)
  expect(decodeProtectedHeader(stdout)).toEqual({ alg: algorithm, typ: 'JWT', kid: 'k1' })
})

test('sign: two tokens never share their jti', async () => {
  const words = ['token', 'sign', '--device', 't1', '--key', await keyFile(pairs.ES256)]
  expect((await latchkey(words)).stdout).not.toBe((await latchkey(words)).stdout)
})

test.each([
  [
    'a key of another curve',
    generateKeyPairSync('ec', { namedCurve: 'P-521' }).privateKey,
    /no P-256, Ed25519 or RSA key/,
  ],
  ['a public key', pairs.ES256.publicKey, /holds no private key/],
])('sign: %s is misuse', async (_, key, sentence) => {
  const file = join(folder, 'key.pem')
  await writeFile(file, key.export({ format: 'pem', type: key.type === 'public' ? 'spki' : 'pkcs8' } as never))
  const { exitCode, stderr } = await latchkey(['token', 'sign', '--device', 't1', '--key', file])
  expect(exitCode).toBe(2)
  expect(stderr).toMatch(sentence)
})

test('get: wants a secret, and not on the command line', async () => {
  const { exitCode, stderr } = await latchkey(['token', 'get', '--client-id', 'dashboard'])
  expect(exitCode).toBe(2)
  expect(stderr).toContain('--client-secret-file is needed (or LATCHKEY_CLIENT_SECRET)')
})
