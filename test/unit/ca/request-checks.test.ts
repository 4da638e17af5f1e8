import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toPem } from '../../../src/ca/pem.ts'
import { loadProfiles } from '../../../src/ca/profiles.ts'
import { readRequest } from '../../../src/ca/request.ts'
import { checkRequest, REQUEST_CHECKS } from '../../../src/ca/request-checks.ts'
import { Failure } from '../../../src/model/failure.ts'
import { asking, newKeys, type RequestSpecification, requestDer, requestPem } from './requests.ts'

const { device } = await loadProfiles()
const OWN = ['uri', 'urn:latchkey:device:t1'] as const
const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2'

/** null when the request passes, else what the failure says. */
function refused(input: string | Buffer, owner = 't1'): string | null {
  try {
    checkRequest(readRequest(input), { profile: device, owner })
    return null
  } catch (error) {
    expect(error).toBeInstanceOf(Failure)
    expect((error as Failure).code).toBe('invalid-csr')
    return (error as Failure).message
  }
}
const keys = newKeys.p256()
const of = (specification: RequestSpecification) => refused(requestDer({ keys, ...specification }))

describe('a request that devices may send', () => {
  it.each([
    ['P-256', newKeys.p256()],
    ['P-384', newKeys.p384()],
    ['Ed25519', newKeys.ed25519()],
    ['RSA 2048', newKeys.rsa()],
    ['RSA 4096', newKeys.rsa(4096)],
  ])('has a key of %s', (_, pair) => expect(refused(requestDer({ keys: pair }))).toBeNull())

  it.each<[string, RequestSpecification]>([
    ['its own name', { commonNames: ['t1'] }],
    ['no subject', {}],
    ['SHA-384 over P-256', { algorithm: 'ecdsa-sha384' }],
    ['its own URI', { extensions: [asking.names(OWN)] }],
    ['clientAuth', { extensions: [asking.purposes(CLIENT_AUTH)] }],
    ['CA:FALSE and the usages of openssl.cnf', { extensions: [asking.caFalse(), asking.keyUsage(0, 1, 2)] }],
    ['an unknown extension that is not critical', { extensions: [asking.unknown(false)] }],
    ['an empty extension request', { extensions: [] }],
  ])('says %s', (_, specification) => expect(of(specification)).toBeNull())

  it('comes as PEM, as base64, as DER, and with a printout around it', () => {
    const der = requestDer({ keys })
    expect(refused(toPem('CERTIFICATE REQUEST', der))).toBeNull()
    expect(refused(der.toString('base64'))).toBeNull()
    expect(refused(der)).toBeNull()
    expect(refused(`Certificate Request:\n    Data:\n${requestPem({ keys })}\n`)).toBeNull()
    expect(refused(requestPem({ keys }).replaceAll('CERTIFICATE REQUEST', 'NEW CERTIFICATE REQUEST'))).toBeNull()
    expect(refused(requestPem({ keys }).replaceAll('\n', '\r\n'))).toBeNull()
  })
})

describe('a request is refused', () => {
  it.each<[string, RequestSpecification, RegExp]>([
    ['another common name', { commonNames: ['t2'] }, /subject.*"t2", not "t1"/],
    ['two common names', { commonNames: ['t1', 't1'] }, /subject/],
    ['a common name with a NUL', { commonNames: ['t1\0.evil'] }, /subject.*t1\\u0000/],
    ['CA:TRUE', { extensions: [asking.caTrue()] }, /basicConstraints/],
    ['CA:TRUE, not critical', { extensions: [asking.caTrue(false)] }, /basicConstraints/],
    ['keyCertSign', { extensions: [asking.keyUsage(0, 5)] }, /keyUsage/],
    ['cRLSign', { extensions: [asking.keyUsage(0, 6)] }, /keyUsage/],
    ['serverAuth', { extensions: [asking.purposes(CLIENT_AUTH, '1.3.6.1.5.5.7.3.1')] }, /extendedKeyUsage/],
    ['any purpose', { extensions: [asking.purposes('2.5.29.37.0')] }, /extendedKeyUsage/],
    ["another device's URI", { extensions: [asking.names(['uri', 'urn:latchkey:device:t2'])] }, /subjectAltName/],
    ['a second URI', { extensions: [asking.names(OWN, ['uri', 'urn:latchkey:device:t2'])] }, /subjectAltName/],
    ['a DNS name', { extensions: [asking.names(OWN, ['dns', 'localhost'])] }, /subjectAltName/],
    ['name constraints', { extensions: [asking.nameConstraints()] }, /name constraints/],
    ['an unknown critical extension', { extensions: [asking.unknown(true)] }, /critical extension 1\.3\.6/],
    ['the same extension twice', { extensions: [asking.names(OWN), asking.names(OWN)] }, /twice/],
    [
      'CA:TRUE in the attribute of another maker',
      { extensions: [asking.caTrue()], extensionAttribute: '1.3.6.1.4.1.311.2.1.14' },
      /basicConstraints/,
    ],
    ['two extension requests', { extensions: [asking.names(OWN)], extensionAttributes: 2 }, /more than one attribute/],
    [
      'an extension that is not DER',
      { extensions: [{ id: '2.5.29.19', value: Buffer.from([0x30, 9]) }] },
      /cannot be read/,
    ],
    ['a signature by another key', { signWith: newKeys.p256().privateKey }, /proof of possession/],
    ['a SHA-1 signature', { algorithm: 'ecdsa-sha1' }, /signature algorithm/],
    ['another version', { version: '01' }, /version/],
  ])('for %s', (_, specification, why) => expect(of(specification)).toMatch(why))

  it.each([
    ['P-521', newKeys.p521(), /curve/],
    ['secp256k1', newKeys.secp256k1(), /curve/],
    ['Ed448', newKeys.ed448(), /none of P-256/],
    ['RSA 1024', newKeys.rsa(1024), /1024 bits/],
    ['RSA with exponent 3', newKeys.rsa(2048, 3), /exponent/],
  ])('for a key of %s', (_, pair, why) => expect(refused(requestDer({ keys: pair }))).toMatch(why))

  it('for the key of somebody who did not sign it', () => {
    const { publicKey } = newKeys.p256()
    const stolen = requestDer({ keys: { publicKey, privateKey: keys.privateKey } })
    expect(refused(stolen)).toMatch(/proof of possession/)
  })

  it('for any bit changed in what was signed', () => {
    const der = requestDer({ keys, commonNames: ['t1'] })
    for (let at = 0; at < der.length; at++) {
      const flipped = Buffer.from(der)
      flipped[at] = (flipped[at] ?? 0) ^ 0x10
      expect(refused(flipped), `bit at ${at}`).not.toBeNull()
    }
  })

  it('with one failure and no other error, whatever bytes it is made of', () => {
    const good = requestDer({ keys, commonNames: ['t1'], extensions: [asking.names(OWN), asking.keyUsage(0)] })
    const change = fc.tuple(fc.nat(good.length - 1), fc.integer({ min: 1, max: 255 }))
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), changes => {
        const bytes = Buffer.from(good)
        for (const [at, bits] of changes) bytes[at] = (bytes[at] ?? 0) ^ bits
        // `refused` itself fails on anything but `invalid-csr`
        if (!bytes.equals(good)) expect(refused(bytes)).not.toBeNull()
      }),
      { numRuns: 2000 },
    )
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), bytes => {
        expect(refused(Buffer.from(bytes))).not.toBeNull()
        expect(refused(Buffer.from(bytes).toString('base64'))).not.toBeNull()
        expect(
          refused(Buffer.concat([Buffer.from([0x30, 0x82, bytes.length >> 8, bytes.length & 255]), bytes])),
        ).not.toBeNull()
      }),
      { numRuns: 500 },
    )
  })

  it('when it is cut, followed by more, too large, twice there, or something else', () => {
    const der = requestDer({ keys })
    for (let length = 0; length < der.length; length += 11) expect(refused(der.subarray(0, length))).not.toBeNull()
    expect(refused(Buffer.concat([der, Buffer.from([0])]))).toMatch(/one DER element/)
    expect(refused(Buffer.alloc(17_000, 0x30))).toMatch(/larger than 16384 bytes/)
    expect(refused('A'.repeat(60_000))).toMatch(/larger than 16384 bytes/)
    expect(refused(requestPem({ keys }) + requestPem({ keys }))).toMatch(/encoding/)
    expect(refused('')).toMatch(/encoding/)
    expect(refused('not a request')).toMatch(/encoding/)
    expect(refused(requestPem({ keys }).replaceAll('CERTIFICATE REQUEST', 'PRIVATE KEY'))).toMatch(/encoding/)
  })

  it('when it nests deeper than any request', () => {
    let nested = Buffer.alloc(0)
    for (let depth = 0; depth < 4000; depth++) {
      const length = nested.length
      const header = length < 128 ? [0x30, length] : [0x30, 0x82, length >> 8, length & 255]
      nested = Buffer.concat([Buffer.from(header), nested])
    }
    expect(refused(nested)).toMatch(/pkcs10/)
  })

  it('by the checks in their order', () => {
    expect(REQUEST_CHECKS.map(check => check.name)).toEqual([
      'key',
      'signature algorithm',
      'proof of possession',
      'subject',
      'extensions',
    ])
  })
})
