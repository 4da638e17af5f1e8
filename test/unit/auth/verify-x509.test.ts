import { X509Certificate } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { deviceOf, VerifiedSignatures } from '../../../src/auth/verify-x509.ts'
import { type Door, OPERATOR, openDoor } from '../../fixtures/door.ts'
import { TestAuthority, type TestCertificate } from '../../fixtures/test-authority.ts'

const HOUR = 3_600_000
const SERVER_AUTH = '1.3.6.1.5.5.7.3.1'
const ANY_USAGE = '2.5.29.37.0'

let door: Door
beforeAll(async () => {
  door = await openDoor({ limits: { claimBurst: 1_000, addressBurst: 1_000 } })
  await door.device('t1')
  await door.device('t2')
})
afterAll(() => door.close())

const showing = ({ der }: TestCertificate) => ({ certificates: [der] })

test('a registered certificate proves its device until it ends', async () => {
  const certificate = await door.certificate('t1')
  expect(await door.authenticate({ ...showing(certificate), clientId: 't1' })).toMatchObject({
    subject: { id: 't1' },
    credential: { id: certificate.id, kind: 'x509' },
    expiresAt: Date.parse(certificate.certificate.validTo),
  })
})

describe('form and purpose', () => {
  test('bytes that are no certificate', async () => {
    expect(await door.refusal({ certificates: [Buffer.from('junk')] })).toBe('certificate-invalid')
  })

  test.each([
    ['for servers', { usages: [SERVER_AUTH] }],
    ['for any purpose', { usages: [ANY_USAGE] }],
    ['without a purpose', { usages: null }],
    ['of an authority', { ca: true }],
  ])('a certificate %s is not for a device', async (_what, options) => {
    const certificate = await door.authority.device('t1', options)
    expect(await door.refusal(showing(certificate))).toBe('certificate-invalid')
  })

  test.each([
    ['no name at all', { uris: [] }],
    ['only a common name', { uris: [], commonName: 't1' }],
    ['only a DNS name', { uris: [], dns: ['t1'] }],
    ['two devices', { uris: ['urn:latchkey:device:t1', 'urn:latchkey:device:t2'] }],
    ['a device and another URI', { uris: ['urn:latchkey:device:t1', 'https://example.net'] }],
    ['another kind of URI', { uris: ['https://example.net/t1'] }],
    ['an empty identifier', { uris: ['urn:latchkey:device:'] }],
    ['a slash in the identifier', { uris: ['urn:latchkey:device:t1/x'] }],
    ['a URI inside a DNS name', { uris: [], dns: ['x, URI:urn:latchkey:device:t1, y'] }],
    ['a smuggled second name', { uris: ['urn:latchkey:device:t2, URI:urn:latchkey:device:t1'] }],
  ])('%s names no device', async (_what, options) => {
    const certificate = await door.authority.device('t1', options)
    expect(await door.refusal(showing(certificate))).toBe('certificate-invalid')
  })

  test('other kinds of names beside the one URI do no harm', async () => {
    const certificate = await door.certificate('t1', { dns: ['t1.example.net'] })
    expect((await door.authenticate(showing(certificate))).subject.id).toBe('t1')
    expect(deviceOf(new X509Certificate(certificate.pem))).toBe('t1')
  })
})

describe('a signature that was found good', () => {
  test('is that of these very bytes, and no other certificate goes by it', async () => {
    const good = await door.certificate('t1')
    expect((await door.authenticate(showing(good))).subject.id).toBe('t1')
    const forged = Buffer.from(good.der)
    forged[forged.length - 1] = (forged.at(-1) ?? 0) ^ 1
    expect(await door.refusal({ certificates: [forged] })).toBe('certificate-untrusted')
    expect((await door.authenticate(showing(good))).subject.id).toBe('t1')
  })

  test('is that of one issuer: another one of that name must have signed as well', async () => {
    const authority = await TestAuthority.create('Twin')
    const twin = await TestAuthority.create('Twin')
    const leaf = new X509Certificate((await authority.device('t1')).pem)
    const signatures = new VerifiedSignatures(1)
    const asked = [authority, twin, authority].map(({ certificate }) => signatures.hasSigned(certificate, leaf))
    expect(asked).toEqual([true, false, true])
  })
})

describe('time', () => {
  test('expired, and not yet valid', async () => {
    const now = Date.now()
    const old = await door.authority.device('t1', { notBefore: now - 2 * HOUR, notAfter: now - HOUR })
    expect(await door.refusal(showing(old))).toBe('credential-expired')
    const early = await door.authority.device('t1', { notBefore: now + HOUR, notAfter: now + 2 * HOUR })
    expect(await door.refusal(showing(early))).toBe('credential-not-active')
  })

  test('the authority itself has expired', async () => {
    const certificate = await door.certificate('t1', { notAfter: Date.now() + 100 * HOUR })
    door.ahead(48 * HOUR)
    expect(await door.refusal(showing(certificate))).toBe('certificate-untrusted')
    door.ahead(0)
  })
})

describe('chain', () => {
  test('another authority with the same name', async () => {
    const forger = await TestAuthority.create()
    expect(forger.certificate.subject).toBe(door.authority.certificate.subject)
    const forged = await forger.device('t1')
    await door.register('t1', forged)
    expect(await door.refusal({ certificates: [forged.der, forger.certificate.raw] })).toBe('certificate-untrusted')
  })

  test('a device certificate is no authority', async () => {
    const device = await door.certificate('t1')
    const forged = await (await TestAuthority.from(device.pem, device.privateKeyPem)).device('t2')
    const trusting = await openDoor({
      trust: {
        issuerOf: certificate =>
          certificate.checkIssued(device.certificate) ? device.certificate : door.authority.certificate,
      },
    })
    await trusting.device('t2')
    await trusting.register('t2', forged)
    expect(await trusting.refusal(showing(forged))).toBe('certificate-untrusted')
    await trusting.close()
  })

  test('up to the root, over an issuing authority, and no further than the limit', async () => {
    const root = await TestAuthority.create('Root')
    const issuing = await TestAuthority.create('Issuing', root)
    const certificates = [issuing.certificate, root.certificate]
    const trust = {
      issuerOf: (certificate: X509Certificate) => certificates.find(ca => certificate.checkIssued(ca)) ?? null,
    }
    for (const [chainLength, expected] of [
      [2, null],
      [1, 'certificate-untrusted'],
    ] as const) {
      const other = await openDoor({ trust, limits: { chainLength } })
      await other.device('t1')
      const leaf = await issuing.device('t1')
      await other.register('t1', leaf)
      if (expected === null) expect((await other.authenticate(showing(leaf))).subject.id).toBe('t1')
      else expect(await other.refusal(showing(leaf))).toBe(expected)
      await other.close()
    }
  })

  test('what the peer sends along is not trusted', async () => {
    const issuing = await TestAuthority.create('Issuing', await TestAuthority.create('Strange root'))
    const leaf = await issuing.device('t1')
    const none = await openDoor({ trust: { issuerOf: () => null } })
    await none.device('t1')
    await none.register('t1', leaf)
    expect(await none.refusal({ certificates: [leaf.der, issuing.certificate.raw] })).toBe('certificate-untrusted')
    await none.close()
  })
})

describe('registry', () => {
  test('genuine but not registered', async () => {
    const certificate = await door.authority.device('t1')
    expect(await door.refusal(showing(certificate))).toBe('certificate-unknown')
  })

  test('registered for another device than it names', async () => {
    const certificate = await door.authority.device('t1')
    await door.register('t2', certificate)
    expect(await door.refusal(showing(certificate))).toBe('certificate-invalid')
  })

  test('revoked', async () => {
    const certificate = await door.certificate('t1')
    await door.rooms.registry.revokeCredential(certificate.id, { reason: 'lost' }, OPERATOR)
    expect(await door.refusal(showing(certificate))).toBe('credential-revoked')
  })

  test('who meets genuine strangers may register them; whatever it does, the registry decides', async () => {
    const met: string[] = []
    let register = false
    const meeting = await openDoor({
      unknownCertificate: {
        async present(certificate, owner) {
          met.push(owner)
          if (register) await meeting.register(owner, { certificate } as TestCertificate)
        },
      },
    })
    await meeting.device('t1')
    const certificate = await meeting.authority.device('t1')
    expect(await meeting.refusal(showing(certificate))).toBe('certificate-unknown')
    register = true
    expect((await meeting.authenticate(showing(certificate))).subject.id).toBe('t1')
    expect((await meeting.authenticate(showing(certificate))).subject.id).toBe('t1')
    expect(met).toEqual(['t1', 't1'])
    const forged = await (await TestAuthority.create()).device('t1')
    await meeting.refusal(showing(forged))
    expect(met).toHaveLength(2)
    await meeting.close()
  })
})
