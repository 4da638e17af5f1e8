// Attack: whoever may ask for a device certificate asks for one that is worth more: a CA, a server, another device.
import { X509Certificate } from 'node:crypto'
import { afterEach, describe, expect, it } from 'vitest'
import { REQUEST_CHECKS } from '../../src/ca/request-checks.ts'
import { openHouse, operator, withDevice } from '../unit/ca/house.ts'
import { asking, newKeys, type RequestSpecification, requestPem } from '../unit/ca/requests.ts'
import { ADDRESS, openDesk } from '../unit/enrolment/desk.ts'

const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2'
const SERVER_AUTH = '1.3.6.1.5.5.7.3.1'
const OCSP_SIGNING = '1.3.6.1.5.5.7.3.9'
const OWN = ['uri', 'urn:latchkey:device:t1'] as const
const victim = newKeys.p256()
const attacker = newKeys.p256()

const attacks: [string, RequestSpecification][] = [
  ['to be a CA', { extensions: [asking.caTrue()] }],
  [
    'to be a CA, in the attribute of another maker',
    {
      extensions: [asking.caTrue()],
      extensionAttribute: '1.3.6.1.4.1.311.2.1.14',
    },
  ],
  ['to sign certificates', { extensions: [asking.keyUsage(0, 5)] }],
  ['to sign revocation lists', { extensions: [asking.keyUsage(0, 6)] }],
  ['to be a server too', { extensions: [asking.purposes(CLIENT_AUTH, SERVER_AUTH)] }],
  ['to answer for the CA', { extensions: [asking.purposes(OCSP_SIGNING)] }],
  ['for any purpose', { extensions: [asking.purposes('2.5.29.37.0')] }],
  ["for another device's name", { extensions: [asking.names(['uri', 'urn:latchkey:device:t2'])] }],
  ["for another device's name beside its own", { extensions: [asking.names(OWN, ['uri', 'urn:latchkey:device:t2'])] }],
  ["for the broker's name", { extensions: [asking.names(OWN, ['dns', 'localhost'])] }],
  ['for an e-mail address', { extensions: [asking.names(OWN, ['email', 'root@example.com'])] }],
  ['for name constraints', { extensions: [asking.nameConstraints()] }],
  ['for what nobody knows, critically', { extensions: [asking.unknown(true)] }],
  ['twice, once harmless', { extensions: [asking.caFalse(), asking.caTrue()] }],
  ['with another common name', { commonNames: ['t2'] }],
  ['with its own and another common name', { commonNames: ['t1', 't2'] }],
  ["with the victim's public key", { keys: { publicKey: victim.publicKey, privateKey: attacker.privateKey } }],
  ['with a key that can be guessed', { keys: newKeys.rsa(1024) }],
  ['under a signature that can be forged', { algorithm: 'ecdsa-sha1' }],
]

async function open() {
  const house = await openHouse()
  await withDevice(house, 't1')
  const desk = openDesk(house)
  const { token } = await desk.create({ type: 'thermostat', ttl: 3600, device: 't1' }, operator)
  return { ...house, desk, token }
}

describe('a request', () => {
  it.each(attacks)('%s is refused on every way in, and costs the device nothing', async (_, specification) => {
    const { ca, desk, token, registry } = await open()
    const csr = requestPem(specification)
    await expect(ca.issue({ owner: 't1', csr }, operator)).rejects.toMatchObject({ code: 'invalid-csr' })
    await expect(ca.issue({ owner: 't1', csr, right: 'self' }, { kind: 'device', id: 't1' })).rejects.toMatchObject({
      code: 'invalid-csr',
    })
    await expect(desk.redeem({ token, csr, device: 't1', address: ADDRESS })).rejects.toMatchObject({
      code: 'invalid-csr',
    })
    expect(await registry.credentialsOf('t1')).toEqual([])
    expect(await desk.list()).toMatchObject([{ status: 'open' }])
    await expect(desk.redeem({ token, csr: requestPem(), device: 't1', address: ADDRESS })).resolves.toBeDefined()
  })
})

describe('with the checks switched off', () => {
  const checks = REQUEST_CHECKS as (typeof REQUEST_CHECKS)[number][]
  const all = [...checks]
  afterEach(() => {
    checks.splice(0, checks.length, ...all)
  })

  it.each(attacks)(
    'a request %s is seen to pass, and even then the certificate says only what its profile says',
    async (_, specification) => {
      const { ca } = await open()
      checks.length = 0
      const { certificatePem } = await ca.issue({ owner: 't1', csr: requestPem(specification) }, operator)
      const certificate = new X509Certificate(certificatePem)
      expect(certificate.ca).toBe(false)
      expect(certificate.subject).toBe('CN=t1')
      expect(certificate.subjectAltName).toBe('URI:urn:latchkey:device:t1')
      expect(certificate.keyUsage).toEqual([CLIENT_AUTH])
    },
  )
})
