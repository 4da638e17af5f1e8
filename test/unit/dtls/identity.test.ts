import { expect, test } from 'vitest'
import { readIdentity } from '../../../src/dtls/identity.ts'

test.each([
  ['thermostat-1', 'thermostat-1'],
  ['Küche', 'Küche'],
  ['\u{feff}x', '\u{feff}x'],
])('%s is an identity as it is', (text, identity) => {
  expect(readIdentity(Buffer.from(text))).toBe(identity)
})

test('what is no UTF-8 is nobody', () => {
  expect(readIdentity(Buffer.from([0x74, 0xff]))).toBeUndefined()
})
