import { expect, test } from 'vitest'
import { decodeScramKeys, deriveScramKeys, encodeScramKeys } from '../../../src/vault/scram-keys.ts'

const salt = Buffer.alloc(16, 7)

test('keys come back from their bytes', () => {
  const keys = deriveScramKeys('pencil', salt, 4096)
  expect(decodeScramKeys(encodeScramKeys(keys))).toEqual(keys)
})

test.each([
  ['few iterations', () => encodeScramKeys(deriveScramKeys('pencil', salt, 4095))],
  ['a short salt', () => encodeScramKeys({ ...deriveScramKeys('pencil', salt, 4096), salt: Buffer.alloc(8) })],
  ['nothing', () => Buffer.alloc(0)],
])('keys with %s are not used', (_, bytes) => {
  expect(() => decodeScramKeys(bytes())).toThrow(expect.objectContaining({ code: 'vault-key' }))
})
