import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { createSecureContext } from 'node:tls'
import forge from 'node-forge'
import { describe, expect, it } from 'vitest'
import { macKey, writePkcs12 } from '../../../src/ca/pkcs12.ts'
import { loadProfiles } from '../../../src/ca/profiles.ts'
import { makeSelfSigned } from './self-signed.ts'

const random = { bytes: randomBytes }
const profiles = await loadProfiles()
const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const certificate = await makeSelfSigned(profiles.root, privateKey)
const contents = {
  privateKey: privateKey.export({ type: 'pkcs8', format: 'der' }),
  certificates: [certificate.raw],
  friendlyName: 't1',
}

describe('a PKCS #12 file', () => {
  it('opens in node with its password and with no other', async () => {
    const pfx = await writePkcs12(contents, 'pässwörd 12', { random, iterations: 2000 })
    expect(() => createSecureContext({ pfx, passphrase: 'pässwörd 12' })).not.toThrow()
    expect(() => createSecureContext({ pfx, passphrase: 'passwort 12' })).toThrow()
  })

  it('is refused by its MAC when a byte was changed', async () => {
    const pfx = await writePkcs12(contents, 'password', { random, iterations: 2000 })
    const altered = Buffer.from(pfx)
    altered[200] = (altered[200] ?? 0) ^ 1
    expect(() => createSecureContext({ pfx: altered, passphrase: 'password' })).toThrow()
  })

  it('is another one each time, and holds no byte of the key in clear', async () => {
    const pfx = await writePkcs12(contents, 'password', { random, iterations: 2000 })
    expect(pfx.equals(await writePkcs12(contents, 'password', { random, iterations: 2000 }))).toBe(false)
    const { d } = privateKey.export({ format: 'jwk' })
    expect(pfx.includes(Buffer.from(d ?? '', 'base64url'))).toBe(false)
  })

  it('derives the key of its MAC as another implementation does', async () => {
    const salt = randomBytes(16)
    const theirs = forge.pkcs12.generateKey(
      'pa ss',
      forge.util.createBuffer(salt.toString('latin1')),
      3,
      2048,
      32,
      forge.md.sha256.create(),
    )
    expect((await macKey('pa ss', salt, 2048, 100)).toString('latin1')).toBe(theirs.getBytes())
  })

  it('lets the event loop turn while it derives', async () => {
    let turns = 0
    const counter = setInterval(() => turns++, 1)
    await writePkcs12(contents, 'password', { random, iterations: 50_000 })
    clearInterval(counter)
    expect(turns).toBeGreaterThan(3)
  })

  it.each(['', 'short', 'x'.repeat(257)])('wants a password of 8 to 256 characters, not "%s"', async password => {
    await expect(writePkcs12(contents, password, { random })).rejects.toMatchObject({ code: 'invalid-input' })
  })
})
