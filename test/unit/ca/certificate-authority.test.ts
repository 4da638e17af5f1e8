import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createSecureContext } from 'node:tls'
import { describe, expect, it } from 'vitest'
import { serverNames } from '../../../src/ca/server-certificate.ts'
import { DAY, type House, openHouse, operator, SECOND, withDevice } from './house.ts'
import { asking, newKeys, requestDer, requestPem } from './requests.ts'

const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2'
const SERVER_AUTH = '1.3.6.1.5.5.7.3.1'
const at = (text: string) => Date.parse(text)

async function houseWith(...devices: string[]): Promise<House> {
  const house = await openHouse()
  for (const id of devices) await withDevice(house, id)
  return house
}

describe('the first opening', () => {
  it('makes a root and an issuing CA under it that outlive what they sign', async () => {
    const { ca, clock } = await houseWith()
    const [issuing, root] = ca.authorities()
    if (!issuing || !root) throw new Error('two authorities are wanted')
    expect([issuing.ca, root.ca]).toEqual([true, true])
    expect(issuing.checkIssued(root) && issuing.verify(root.publicKey)).toBe(true)
    expect(root.checkIssued(root) && root.verify(root.publicKey)).toBe(true)
    expect(at(root.validTo)).toBeGreaterThan(at(issuing.validTo))
    expect(at(issuing.validTo)).toBeGreaterThan(clock.now() + 3600 * DAY)
    expect(at(root.validFrom)).toBeLessThan(clock.now())
    expect(issuing.publicKey.asymmetricKeyDetails?.namedCurve).toBe('prime256v1')
    expect(ca.chainPem).toBe(issuing.toString() + root.toString())
    expect(ca.rootPem).toBe(root.toString())
  })

  it('gives two houses roots of different names', async () => {
    const [one, other] = [await houseWith(), await houseWith()]
    expect(one.ca.authorities()[1]?.subject).not.toBe(other.ca.authorities()[1]?.subject)
  })

  it('is on record', async () => {
    const { audit, ca } = await houseWith()
    await audit.flush()
    const made = (await audit.list({ type: 'change' })).map(({ event }) => event)
    expect(made).toMatchObject([
      { what: 'ca.created', target: `${ca.id}-root` },
      { what: 'ca.created', target: ca.id },
    ])
  })

  it('comes back after a restart with the same authorities, and signs on', async () => {
    const house = await houseWith('t1')
    const { chainPem } = house.ca
    await house.store.close()
    const again = await openHouse({ directory: house.directory, clock: house.clock })
    expect(again.ca.chainPem).toBe(chainPem)
    const { certificatePem } = await again.ca.issue({ owner: 't1', csr: requestPem() }, operator)
    const certificate = new X509Certificate(certificatePem)
    expect(again.ca.issuerOf(certificate)?.fingerprint256).toBe(again.ca.authorities()[0]?.fingerprint256)
  })

  it('leaves no private key in clear on disk', async () => {
    const house = await houseWith('t1')
    const { privateKeyPem } = await house.ca.serverCertificate([])
    await house.store.close()
    const files = await readdir(join(house.directory, 'db'))
    const bytes = Buffer.concat(await Promise.all(files.map(file => readFile(join(house.directory, 'db', file)))))
    const key = createPrivateKey(privateKeyPem)
    const { d = '' } = key.export({ format: 'jwk' })
    expect(bytes.includes(Buffer.from(d, 'base64url'))).toBe(false)
    expect(bytes.includes(key.export({ format: 'der', type: 'pkcs8' }).toString('base64').slice(20, 80))).toBe(false)
    expect(bytes.includes('PRIVATE KEY')).toBe(false)
  })
})

describe('a certificate issued for a request', () => {
  it('says what the device profile says and nothing of the request but its key', async () => {
    const { ca, clock } = await houseWith('t1')
    const keys = newKeys.ed25519()
    const csr = requestPem({ keys, commonNames: ['t1'], extensions: [asking.keyUsage(0, 2), asking.unknown(false)] })
    const { certificatePem, chainPem, credential } = await ca.issue({ owner: 't1', csr, label: 'first' }, operator)
    const certificate = new X509Certificate(certificatePem)
    expect(certificate.subject).toBe('CN=t1')
    expect(certificate.subjectAltName).toBe('URI:urn:latchkey:device:t1')
    expect(certificate.keyUsage).toEqual([CLIENT_AUTH])
    expect(certificate.ca).toBe(false)
    expect(certificate.publicKey.export({ type: 'spki', format: 'der' })).toEqual(
      keys.publicKey.export({ type: 'spki', format: 'der' }),
    )
    expect(certificate.infoAccess).toBeUndefined()
    expect(certificate.raw.includes(Buffer.from('2b0601040183b203', 'hex'))).toBe(false)
    expect(at(certificate.validFrom)).toBe(clock.now() - 300 * SECOND)
    expect(at(certificate.validTo)).toBe(clock.now() + 90 * DAY)
    expect(chainPem).toBe(ca.chainPem)
    expect(credential).toMatchObject({
      owner: 't1',
      kind: 'x509',
      status: 'active',
      label: 'first',
      issuer: ca.id,
      serial: certificate.serialNumber.toLowerCase(),
      fingerprint: certificate.fingerprint256.replaceAll(':', '').toLowerCase(),
      notBefore: at(certificate.validFrom),
      expiresAt: at(certificate.validTo),
    })
  })

  it('is found by its fingerprint, has an actor on record and a serial of its own', async () => {
    const { ca, registry, audit } = await houseWith('t1')
    const issued = [
      await ca.issue({ owner: 't1', csr: requestDer() }, operator),
      await ca.issue({ owner: 't1', csr: requestDer().toString('base64') }, operator),
    ]
    const [first, second] = issued.map(({ credential }) => credential)
    expect(first?.serial).not.toBe(second?.serial)
    expect(first?.serial.length).toBeGreaterThan(24)
    expect(registry.credentialByFingerprint(first?.fingerprint ?? '')?.id).toBe(first?.id)
    await audit.flush()
    const events = (await audit.list({ type: 'change' })).map(({ event }) => event)
    expect(events).toContainEqual(
      expect.objectContaining({ what: 'credential.issued', target: first?.id, actor: operator }),
    )
  })

  it('never ends after its issuer', async () => {
    const { ca, clock } = await houseWith('t1')
    const issuing = ca.authorities()[0]
    clock.time = at(issuing?.validTo ?? '') - 10 * DAY
    const { credential } = await ca.issue({ owner: 't1', csr: requestPem() }, operator)
    expect(credential.expiresAt).toBe(at(issuing?.validTo ?? ''))
    clock.time = at(issuing?.validTo ?? '')
    await expect(ca.issue({ owner: 't1', csr: requestPem() }, operator)).rejects.toMatchObject({ code: 'wrong-state' })
  })

  it('lives as long as was asked, within the profile', async () => {
    const { ca, clock } = await houseWith('t1')
    const { credential } = await ca.issue({ owner: 't1', csr: requestPem(), lifetime: 20 }, operator)
    expect(credential.expiresAt).toBe(clock.now() + 20 * SECOND)
    for (const lifetime of [0, 9, -1, 1.5, Number.NaN, 401 * 86_400]) {
      const refused = ca.issue({ owner: 't1', csr: requestPem(), lifetime }, operator)
      await expect(refused, String(lifetime)).rejects.toMatchObject({ code: 'invalid-input' })
    }
  })

  it('names the CRL when the house has a public address', async () => {
    const house = await openHouse({ authority: { publicUrl: 'https://broker.example:8443', id: 'factory' } })
    await withDevice(house, 't1')
    const { certificatePem } = await house.ca.issue({ owner: 't1', csr: requestPem() }, operator)
    const { raw } = new X509Certificate(certificatePem)
    expect(raw.includes('https://broker.example:8443/crl/factory.crl')).toBe(true)
  })

  it('is for active owners, asked for by those who may', async () => {
    const { ca, registry } = await houseWith('t1', 't2')
    const issue = (owner: string, actor = operator, right?: 'self') =>
      ca.issue({ owner, csr: requestPem(), ...(right && { right }) }, actor)
    await expect(issue('nobody')).rejects.toMatchObject({ code: 'not-found' })
    await expect(issue('t1', { kind: 'device', id: 't1' })).rejects.toMatchObject({ code: 'policy-denied' })
    await expect(issue('t1', { kind: 'anonymous', id: '' })).rejects.toMatchObject({ code: 'policy-denied' })
    await expect(issue('t1', { kind: 'device', id: 't2' }, 'self')).rejects.toMatchObject({ code: 'policy-denied' })
    await expect(issue('t1', { kind: 'device', id: 't1' }, 'self')).resolves.toMatchObject({
      credential: { owner: 't1' },
    })
    await registry.suspendDevice('t1', operator)
    await expect(issue('t1')).rejects.toMatchObject({ code: 'wrong-state' })
  })

  it('leaves nothing behind when the request is refused', async () => {
    const { ca, registry } = await houseWith('t1')
    const csr = requestPem({ extensions: [asking.caTrue()] })
    await expect(ca.issue({ owner: 't1', csr }, operator)).rejects.toMatchObject({ code: 'invalid-csr' })
    expect(await registry.credentialsOf('t1')).toEqual([])
  })

  it('stays within the quota of its owner', async () => {
    const { ca, registry } = await houseWith('t1')
    for (let i = 0; i < registry.limits.credentialsPerOwner; i++) {
      await ca.issue({ owner: 't1', csr: requestPem() }, operator)
    }
    await expect(ca.issue({ owner: 't1', csr: requestPem() }, operator)).rejects.toMatchObject({
      code: 'quota-exceeded',
    })
  })

  it('is recorded though many are issued at once', async () => {
    const { ca, registry } = await houseWith('t1', 't2', 't3')
    const issued = await Promise.all(
      ['t1', 't2', 't3', 't1', 't2', 't3'].map(owner => ca.issue({ owner, csr: requestPem() }, operator)),
    )
    for (const { credential } of issued) expect(registry.credential(credential.id)).toEqual(credential)
  })
})

describe('a key made for a device', () => {
  it('comes as PEM and as PKCS #12 with the whole chain', async () => {
    const { ca, registry } = await houseWith('t1')
    const issued = await ca.issueWithKey({ owner: 't1', password: 'correct horse' }, operator)
    const certificate = new X509Certificate(issued.certificatePem)
    expect(certificate.checkPrivateKey(createPrivateKey(issued.privateKeyPem))).toBe(true)
    expect(() => createSecureContext({ pfx: issued.pkcs12, passphrase: 'correct horse' })).not.toThrow()
    expect(registry.credential(issued.credential.id)?.status).toBe('active')
  })

  it('leaves no credential that nobody holds when its password is refused', async () => {
    const { ca, registry } = await houseWith('t1')
    await expect(ca.issueWithKey({ owner: 't1', password: 'short' }, operator)).rejects.toMatchObject({
      code: 'invalid-input',
    })
    expect(await registry.credentialsOf('t1')).toEqual([])
  })
})

describe('the server certificate', () => {
  it('names the machine, loopback and what was configured, and is for servers only', async () => {
    const { ca, clock } = await openHouse({ authority: { hostname: 'hub' } })
    const { certificatePem, privateKeyPem, notAfter } = await ca.serverCertificate(['Broker.example', '10.0.0.7'])
    const certificate = new X509Certificate(certificatePem)
    expect(certificate.subjectAltName).toBe(
      'DNS:broker.example, IP Address:10.0.0.7, DNS:localhost, DNS:hub, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1',
    )
    for (const name of ['broker.example', 'localhost', 'hub']) expect(certificate.checkHost(name)).toBe(name)
    for (const address of ['127.0.0.1', '::1', '10.0.0.7']) expect(certificate.checkIP(address)).toBe(address)
    expect(certificate.keyUsage).toEqual([SERVER_AUTH])
    expect(certificate.checkPrivateKey(createPrivateKey(privateKeyPem))).toBe(true)
    expect(notAfter).toBe(clock.now() + 30 * DAY)
    expect(certificatePem.match(/BEGIN CERTIFICATE/g)).toHaveLength(2)
  })

  it('stays until a third of its life is left, over restarts too', async () => {
    const house = await openHouse()
    const first = await house.ca.serverCertificate(['a.example'])
    house.clock.time += 19 * DAY
    expect(await house.ca.serverCertificate(['a.example'])).toEqual(first)
    await house.store.close()
    const again = await openHouse({ directory: house.directory, clock: house.clock })
    expect(await again.ca.serverCertificate(['a.example'])).toEqual(first)
    again.clock.time += 2 * DAY
    const second = await again.ca.serverCertificate(['a.example'])
    expect(second.notAfter).toBe(again.clock.now() + 30 * DAY)
    expect(second.privateKeyPem).not.toBe(first.privateKeyPem)
  })

  it('is made anew for other names, once though several ask', async () => {
    const { ca } = await openHouse()
    const first = await ca.serverCertificate(['a.example'])
    const [one, other] = await Promise.all([ca.serverCertificate(['b.example']), ca.serverCertificate(['b.example'])])
    expect(one).toEqual(other)
    expect(one.certificatePem).not.toBe(first.certificatePem)
  })

  it('refuses a configured name that is none, and leaves out a host name that is none', () => {
    expect(serverNames([], 'my pc')).toEqual(['localhost', '127.0.0.1', '::1'])
    expect(serverNames(['*.Home.example', 'fe80::1'], 'hub')).toContain('*.home.example')
    for (const name of ['a b', 'a..b', 'https://x', 'a\nb', '*.*.x', '']) {
      expect(() => serverNames([name], 'hub'), name).toThrow(expect.objectContaining({ code: 'invalid-configuration' }))
    }
  })
})
