import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { SECRET_AUDIENCES } from '../../../src/model/credential.ts'
import { looksLikeSecret, newSecret, parseSecret } from '../../../src/vault/secret-format.ts'

const random = { bytes: randomBytes }
/** Bytes 0, 1, 2, ... in turn. */
const counting = () => {
  let next = 0
  return { bytes: (count: number) => Buffer.from(Array.from({ length: count }, () => next++ % 256)) }
}

describe('a generated secret', () => {
  test.each(SECRET_AUDIENCES)('for %s is parsed again', audience => {
    const { text, keyId } = newSecret(audience, random)
    expect(text).toMatch(/^lk_[a-z]+_[0-9A-Za-z]{12}_[A-Za-z0-9_-]{43}_[0-9A-Za-z]{6}$/)
    expect(parseSecret(text)).toEqual({ audience, keyId })
    expect(looksLikeSecret(text)).toBe(true)
  })

  test('its format does not change: secrets that are out there must stay valid', () => {
    const text = 'lk_mqtt_0123456789AB_DA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKis_'
    const secret = newSecret('mqtt', counting())
    expect(secret.keyId).toBe('0123456789AB')
    expect(secret.text.slice(0, text.length)).toBe(text)
    // CRC-32 (IEEE 802.3) of all before the last underscore, six digits of base 62
    expect(parseSecret(secret.text)).toEqual({ audience: 'mqtt', keyId: '0123456789AB' })
  })

  test('a key id has no favourite characters: bytes that do not divide evenly are skipped', () => {
    const bytes = [248, 255, 250, 0, 61, 62, 247]
    let at = 0
    const secret = newSecret('api', {
      bytes: count => Buffer.from(Array.from({ length: count }, () => bytes[at++ % bytes.length] ?? 0)),
    })
    expect(secret.keyId).toBe('0z0z0z0z0z0z')
  })

  test('a mistyped one is refused without a look-up', () => {
    const { text } = newSecret('token', random)
    for (let i = 0; i < text.length; i++) {
      const wrong = text.slice(0, i) + (text[i] === 'a' ? 'b' : 'a') + text.slice(i + 1)
      expect(parseSecret(wrong)).toBeNull()
    }
  })

  test.each([
    ['nothing', ''],
    ['only the prefix', 'lk_'],
    ['a password', 'secret'],
    ['an unknown audience', 'lk_root_0123456789AB_DA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKis_000000'],
    ['100 000 characters', `lk_mqtt_${'x'.repeat(100_000)}`],
    ['a member of every object', '__proto__'],
  ])('%s is none', (_, text) => {
    expect(parseSecret(text)).toBeNull()
  })

  test('with anything around it is none', () => {
    const { text } = newSecret('enrolment', random)
    for (const other of [` ${text}`, `${text} `, `${text}\n`, text.toUpperCase(), text.slice(0, -1)]) {
      expect(parseSecret(other)).toBeNull()
    }
    expect(looksLikeSecret('eyJhbGciOiJFUzI1NiJ9.e30.x')).toBe(false)
  })
})
