// The authority's certificates, requests, bundles and lists, judged by OpenSSL.
import { X509Certificate } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { has, type Outcome, run } from '../fixtures/programs.ts'
import { type House, openHouse, operator, withDevice } from '../unit/ca/house.ts'
import { ManualClock } from '../unit/store/temporary-store.ts'

const OPENSSL = has('openssl', 'openssl', 'version')

describe.skipIf(!OPENSSL)('openssl (skipped: Debian package openssl is missing)', () => {
  let folder: string
  let house: House

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'latchkey-openssl-'))
    // OpenSSL judges by the real clock
    house = await openHouse({ clock: new ManualClock(Date.now()) })
    await withDevice(house, 't1')
    const { ca } = house
    const [issuing, root] = ca.authorities()
    await save('root.pem', root?.toString() ?? '')
    await save('issuing.pem', issuing?.toString() ?? '')
  })
  afterEach(() => rm(folder, { recursive: true, force: true }))

  const path = (name: string) => join(folder, name)
  const save = (name: string, content: string | Buffer) => writeFile(path(name), content)
  const openssl = (...args: string[]): Promise<Outcome> => run('openssl', args)

  /** A request by OpenSSL for a key of its own making. */
  async function request(algorithm: string[], subject = '/CN=t1', more: string[] = []): Promise<string> {
    const made = await openssl(
      ...['req', '-new', '-newkey', ...algorithm, '-nodes', '-keyout', path('device.key')],
      ...['-subj', subject, '-out', path('device.csr'), ...more],
    )
    expect(made.status, made.stderr).toBe(0)
    return readFile(path('device.csr'), 'utf8')
  }
  const P256 = ['ec', '-pkeyopt', 'ec_paramgen_curve:P-256']

  async function lists(): Promise<void> {
    const { ca } = house
    await save('crls.pem', `${await ca.crlPem(ca.id)}${await ca.crlPem(`${ca.id}-root`)}`)
  }
  const verify = (purpose: string, ...more: string[]) =>
    openssl(
      ...['verify', '-x509_strict', '-CAfile', path('root.pem'), '-untrusted', path('issuing.pem')],
      ...['-purpose', purpose, ...more, path('device.pem')],
    )

  it.each([
    ['P-256', P256],
    ['P-384', ['ec', '-pkeyopt', 'ec_paramgen_curve:P-384']],
    ['Ed25519', ['ed25519']],
    ['RSA 2048', ['rsa:2048']],
  ])('makes a %s request that is accepted, and verifies the certificate as a TLS client', async (_, algorithm) => {
    const csr = await request(algorithm)
    const { certificatePem } = await house.ca.issue({ owner: 't1', csr }, operator)
    await save('device.pem', certificatePem)
    await lists()
    const outcome = await verify('sslclient', '-crl_check_all', '-CRLfile', path('crls.pem'))
    expect(outcome, outcome.stderr).toMatchObject({ status: 0 })
    expect(outcome.stdout).toContain('device.pem: OK')
    const asServer = await verify('sslserver')
    expect(asServer.status).not.toBe(0)
    expect(asServer.stderr).toMatch(/purpose/)
  })

  it('writes requests with the extensions a device may ask for, and with those it may not', async () => {
    const own = await request(P256, '/C=AU/O=Maker/CN=t1', [
      ...['-addext', 'subjectAltName=URI:urn:latchkey:device:t1', '-addext', 'extendedKeyUsage=clientAuth'],
      ...['-addext', 'basicConstraints=CA:FALSE', '-addext', 'keyUsage=digitalSignature'],
    ])
    await expect(house.ca.issue({ owner: 't1', csr: own }, operator)).resolves.toBeDefined()
    for (const extension of [
      'basicConstraints=critical,CA:TRUE',
      'keyUsage=critical,keyCertSign',
      'extendedKeyUsage=serverAuth',
      'subjectAltName=URI:urn:latchkey:device:t2',
      'subjectAltName=DNS:localhost',
      'nameConstraints=critical,permitted;DNS:.example.com',
      '1.2.3.4.5=critical,DER:0500',
    ]) {
      const csr = await request(P256, '/CN=t1', ['-addext', extension])
      await expect(house.ca.issue({ owner: 't1', csr }, operator), extension).rejects.toMatchObject({
        code: 'invalid-csr',
      })
    }
  })

  it('prints the certificate as it was meant', async () => {
    await house.ca
      .issue({ owner: 't1', csr: await request(P256) }, operator)
      .then(issued => save('device.pem', issued.certificatePem))
    const { stdout } = await openssl('x509', '-in', path('device.pem'), '-noout', '-text')
    for (const line of [
      /Version: 3 /,
      /Signature Algorithm: ecdsa-with-SHA256/,
      /Subject: CN ?= ?t1/,
      /X509v3 Basic Constraints: critical\s+CA:FALSE/,
      /X509v3 Key Usage: critical\s+Digital Signature\n/,
      /X509v3 Extended Key Usage: *\s+TLS Web Client Authentication\n/,
      /X509v3 Subject Alternative Name: *\s+URI:urn:latchkey:device:t1\n/,
      /X509v3 Subject Key Identifier/,
      /X509v3 Authority Key Identifier/,
    ]) {
      expect(stdout).toMatch(line)
    }
  })

  it('refuses a revoked certificate by our list, and only that one', async () => {
    const csr = await request(P256)
    const revoked = await house.ca.issue({ owner: 't1', csr }, operator)
    const other = await house.ca.issue({ owner: 't1', csr }, operator)
    await save('device.pem', revoked.certificatePem)
    await lists()
    expect((await verify('sslclient', '-crl_check', '-CRLfile', path('crls.pem'))).status).toBe(0)
    await house.registry.revokeCredential(revoked.credential.id, { reason: 'key compromise' }, operator)
    await lists()
    const refused = await verify('sslclient', '-crl_check', '-CRLfile', path('crls.pem'))
    expect(refused.status).not.toBe(0)
    expect(refused.stdout + refused.stderr).toContain('certificate revoked')
    await save('device.pem', other.certificatePem)
    expect((await verify('sslclient', '-crl_check_all', '-CRLfile', path('crls.pem'))).status).toBe(0)
  })

  it('verifies and prints both lists', async () => {
    const { credential } = await house.ca.issue({ owner: 't1', csr: await request(P256) }, operator)
    await house.registry.revokeCredential(credential.id, { reason: 'key compromise' }, operator)
    const { ca } = house
    for (const [id, issuer] of [
      [ca.id, 'issuing.pem'],
      [`${ca.id}-root`, 'root.pem'],
    ] as const) {
      await save('list.crl', (await ca.crl(id)) ?? '')
      const args = ['crl', '-inform', 'DER', '-in', path('list.crl'), '-noout']
      const verified = await openssl(...args, '-verify', '-CAfile', path(issuer))
      expect(verified.stderr + verified.stdout).toContain('verify OK')
      const { stdout } = await openssl(...args, '-text')
      expect(stdout).toMatch(/X509v3 CRL Number: *\s+1\n/)
      if (id !== ca.id) expect(stdout).toContain('No Revoked Certificates')
      else {
        expect(stdout.toLowerCase()).toContain(`serial number: ${credential.serial}`)
        expect(stdout).toContain('Key Compromise')
      }
    }
  })

  it('opens the PKCS #12 bundle with its password and with no other', async () => {
    const password = 'wörd mit ümlaut'
    const issued = await house.ca.issueWithKey({ owner: 't1', password }, operator)
    await save('device.p12', issued.pkcs12)
    await save('password', `${password}\n`)
    await save('wrong', 'something else\n')
    const open = (file: string, ...more: string[]) =>
      openssl('pkcs12', '-in', path('device.p12'), '-passin', `file:${path(file)}`, ...more)
    const info = await open('password', '-info', '-noenc')
    expect(info.status, info.stderr).toBe(0)
    expect(info.stderr).toContain('MAC: sha256')
    expect(info.stderr).toMatch(/PBES2, PBKDF2, AES-256-CBC, Iteration \d+, PRF hmacWithSHA256/)
    expect(info.stdout.match(/BEGIN CERTIFICATE/g)).toHaveLength(3)
    expect(info.stdout).toContain('friendlyName: t1')
    const key = info.stdout.slice(info.stdout.indexOf('-----BEGIN PRIVATE KEY'))
    expect(key.slice(0, issued.privateKeyPem.length)).toBe(issued.privateKeyPem)
    expect((await open('wrong', '-info', '-noenc')).status).not.toBe(0)
  })

  it('verifies the server certificate for its names, as a server only', async () => {
    const { certificatePem } = await house.ca.serverCertificate(['broker.example'])
    await save('device.pem', certificatePem)
    for (const name of ['broker.example', 'localhost']) {
      const outcome = await verify('sslserver', '-verify_hostname', name)
      expect(outcome.status, outcome.stderr).toBe(0)
    }
    expect((await verify('sslserver', '-verify_ip', '::1')).status).toBe(0)
    expect((await verify('sslserver', '-verify_hostname', 'elsewhere.example')).status).not.toBe(0)
    expect((await verify('sslclient')).status).not.toBe(0)
  })

  it('makes the foreign chain of our recipe, which is genuine and not ours', async () => {
    const made = await run('sh', ['certs/recipes/test-chain.sh', path('foreign'), 't1'])
    expect(made.status, made.stderr).toBe(0)
    const foreign = (name: string) => path(join('foreign', name))
    const genuine = await openssl(
      ...['verify', '-x509_strict', '-CAfile', foreign('root.pem'), '-untrusted', foreign('issuing.pem')],
      ...['-purpose', 'sslclient', foreign('device.pem')],
    )
    expect(genuine.status, genuine.stderr).toBe(0)
    const certificate = new X509Certificate(await readFile(foreign('device.pem')))
    expect(certificate.subjectAltName).toBe('URI:urn:latchkey:device:t1')
    expect(house.ca.issuerOf(certificate)).toBeNull()
    await save('device.pem', await readFile(foreign('device.pem')))
    expect((await verify('sslclient')).status).not.toBe(0)
    expect((await run('sh', ['certs/recipes/test-chain.sh', path('foreign')])).status).not.toBe(0)
  })
})
