import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { beforeEach, describe, expect, it } from 'vitest'
import { thumbprint } from '../../../src/registry/public-jwk.ts'
import { ACTOR, type House, openHouse, refused } from './house.ts'

let house: House
beforeEach(async () => {
  house = await openHouse()
  await house.registry.createDevice({ id: 't1', type: 'thermostat' }, ACTOR)
})

const jwkOf = (key: KeyObject) => key.export({ format: 'jwk' }) as Record<string, string>
const ec = () => generateKeyPairSync('ec', { namedCurve: 'P-256' })
const rsa = (bits: number, exponent = 65_537) =>
  generateKeyPairSync('rsa', { modulusLength: bits, publicExponent: exponent })
const add = (jwk: unknown, rest: object = {}) => house.registry.addJwtKey('t1', { jwk, ...rest }, ACTOR)

describe('a public key', () => {
  it.each([
    ['ES256', () => ec().publicKey],
    ['EdDSA', () => generateKeyPairSync('ed25519').publicKey],
    ['RS256', () => rsa(2_048).publicKey],
  ] as const)('decides its algorithm: %s', async (algorithm, make) => {
    const jwk = jwkOf(make())
    const extra = { use: 'sig', key_ops: ['verify'], alg: algorithm, x5c: ['ignored'], kid: 'ignored' }
    const { credential } = await add({ ...jwk, ...extra })
    expect(credential).toMatchObject({ kind: 'jwt-key', algorithm, jwk, kid: thumbprint(credential.jwk) })
    expect(Object.keys(credential.jwk)).not.toContain('x5c')
    expect(house.registry.jwtKey('t1', credential.kid)).toEqual(credential)
  })

  it('has the thumbprint of RFC 7638 3.1', () => {
    const n =
      '0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMs' +
      'tn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5haj' +
      'rn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw'
    expect(thumbprint({ kty: 'RSA', n, e: 'AQAB' })).toBe('NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs')
  })

  it('with private members is refused and not repeated', async () => {
    for (const key of [ec().privateKey, generateKeyPairSync('ed25519').privateKey, rsa(2_048).privateKey]) {
      const jwk = jwkOf(key)
      const failure = await refused(add(jwk), 'invalid-input', 'private members')
      expect(failure.message).not.toContain(jwk.d)
    }
    await refused(add({ kty: 'oct', k: 'c2VjcmV0c2VjcmV0' }), 'invalid-input', 'private members')
    expect(await house.registry.credentialsOf('t1')).toEqual([])
  })

  it('that is none is refused', async () => {
    const good = jwkOf(ec().publicKey)
    const other = jwkOf(ec().publicKey)
    const p384 = jwkOf(generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey)
    const cases: [unknown, string][] = [
      [null, 'JSON object'],
      ['-----BEGIN PUBLIC KEY-----', 'JSON object'],
      [[good], 'JSON object'],
      [{ keys: [good] }, 'key set'],
      [{}, 'EC P-256'],
      [p384, 'EC P-256'],
      [{ kty: 'OKP', crv: 'X25519', x: good.x }, 'EC P-256'],
      [{ ...good, y: other.y }, 'not a valid public key'],
      [{ ...good, y: undefined }, 'member y'],
      [{ ...good, x: `${good.x}=` }, 'member x'],
      [{ ...good, x: 'AAAA' }, 'member x'],
      [{ ...good, x: 'A'.repeat(100_000) }, 'member x'],
      [{ ...good, use: 'enc' }, 'use of the key'],
      [{ ...good, key_ops: ['encrypt'] }, 'key_ops'],
      [{ ...good, alg: 'HS256' }, 'another algorithm'],
      [{ ...good, alg: 'none' }, 'another algorithm'],
      [jwkOf(rsa(1_024).publicKey), '1024 bits'],
      [{ ...jwkOf(rsa(2_048).publicKey), e: 'AQ' }, 'exponent'],
      [{ ...jwkOf(rsa(2_048).publicKey), e: 'Ag' }, 'exponent'],
      [{ ...jwkOf(rsa(2_048).publicKey), e: 'AQAAAAAAAAAB' }, 'member e'],
      [{ kty: 'RSA', n: Buffer.alloc(1_025, 255).toString('base64url'), e: 'AQAB' }, 'member n'],
    ]
    for (const [jwk, text] of cases) await refused(add(jwk), 'invalid-input', text)
    await refused(add(good, { algorithm: 'RS256' }), 'invalid-input', 'another algorithm')
    for (const kid of ['', 'a/b', 'x'.repeat(129), 'a\u0000']) await refused(add(good, { kid }), 'invalid-input', 'kid')
    expect(await house.registry.credentialsOf('t1')).toEqual([])
  })
})

describe('finding the key of a device', () => {
  it('without kid there must be exactly one that works', async () => {
    expect(house.registry.jwtKey('t1', undefined)).toBeUndefined()
    const first = await add(jwkOf(ec().publicKey), { kid: 'one' })
    expect(house.registry.jwtKey('t1', undefined)).toEqual(first.credential)
    const second = await add(jwkOf(ec().publicKey), { kid: 'two' })
    expect(house.registry.jwtKey('t1', undefined)).toBeUndefined()
    expect(house.registry.jwtKey('t1', 'two')).toEqual(second.credential)
    await house.registry.revokeCredential(second.credential.id, { reason: 'lost' }, ACTOR)
    expect(house.registry.jwtKey('t1', undefined)).toEqual(first.credential)
    expect(house.registry.jwtKey('t1', 'two')?.status).toBe('revoked')
  })

  it('a kid leads only to keys of its own device', async () => {
    await house.registry.createDevice({ id: 't2', type: 'x' }, ACTOR)
    await add(jwkOf(ec().publicKey), { kid: 'one' })
    for (const [owner, kid] of [
      ['t2', 'one'],
      ['t1', 'One'],
      ['t1', ''],
      ['t1', '__proto__'],
      ['t1', 'x'.repeat(100_000)],
      ['', 't1/one'],
      ['t1/one', undefined],
      ['constructor', undefined],
    ] as const) {
      expect(house.registry.jwtKey(owner, kid)).toBeUndefined()
    }
  })

  it('a kid is taken while its key works; a dead key never comes back, a new key may take its kid', async () => {
    const jwk = jwkOf(ec().publicKey)
    const { credential } = await add(jwk, { kid: 'one' })
    await refused(add(jwkOf(ec().publicKey), { kid: 'one' }), 'already-exists', 'already has the key one')
    await house.registry.revokeCredential(credential.id, { reason: 'lost' }, ACTOR)
    await refused(add(jwk, { kid: 'one' }), 'already-exists', 'was revoked')
    const next = await add(jwkOf(ec().publicKey), { kid: 'one' })
    expect(house.registry.jwtKey('t1', 'one')).toEqual(next.credential)
  })
})
