// Certificates that say the right things and were signed by the wrong key: another authority's, their own, one that has
// the name of ours, one that sends our own chain along, and a device that signs for other devices. TLS lets all of them
// in (the listener asks for a certificate and takes any); the door has to see it.
import { X509Certificate } from 'node:crypto'
import { expect } from 'vitest'
import { attacks } from '../fixtures/attack.ts'
import type { TestBroker } from '../fixtures/broker.ts'
import { isAdmitted } from '../fixtures/clients.ts'
import { UNLIMITED_ATTEMPTS } from '../fixtures/device-token.ts'
import { type LeafOptions, TestAuthority } from '../fixtures/test-authority.ts'

interface Shown {
  readonly cert: string
  readonly key: string
}

let genuine: Shown & { readonly chain: string }
let neighbour: { certificate: string; privateKey: string; chain: string }

/** The whole name of the first certificate. */
const nameOf = (pem: string) => new X509Certificate(pem).subject.split('\n').join(', ')

async function signedBy(authority: TestAuthority, sentAlong: string, options: LeafOptions = {}): Promise<Shown> {
  const { pem, privateKeyPem } = await authority.device('t1', options)
  return { cert: pem + sentAlong, key: privateKeyPem }
}

/** An authority with the very name of ours, and another key. */
async function namesake(pem: string): Promise<TestAuthority> {
  const authority = await TestAuthority.create(nameOf(pem))
  expect(authority.certificate.subject).toBe(new X509Certificate(pem).subject)
  return authority
}

const FORGERIES: Readonly<Record<string, (broker: TestBroker) => Promise<Shown>>> = {
  'of another authority': async () => signedBy(await TestAuthority.create('Another CA'), ''),
  'of another authority, which it sends along': async () => {
    const other = await TestAuthority.create('Another CA')
    return signedBy(other, other.pem)
  },
  'of another authority, with our chain sent along': async () =>
    signedBy(await TestAuthority.create('Another CA'), genuine.chain),
  'that signed itself': async () => signedBy(await TestAuthority.create(), '', { selfSigned: true }),
  'that signed itself under the name of our root': async broker =>
    signedBy(await TestAuthority.create(), '', { selfSigned: true, commonName: nameOf(broker.ca) }),
  'of an authority with the name of our root': async broker => signedBy(await namesake(broker.ca), ''),
  'of an authority with the name of our root, which it sends along': async broker => {
    const false_ = await namesake(broker.ca)
    return signedBy(false_, false_.pem)
  },
  'of an authority with the name of our issuing CA': async () => signedBy(await namesake(genuine.chain), genuine.chain),
  'under an intermediate that a namesake of our root signed': async broker => {
    const root = await namesake(broker.ca)
    const intermediate = await TestAuthority.create(nameOf(genuine.chain), root)
    return signedBy(intermediate, intermediate.pem + root.pem)
  },
  'with the serial number of the genuine one': async () => {
    const { serialNumber } = new X509Certificate(genuine.cert)
    return signedBy(await namesake(genuine.chain), genuine.chain, { serialNumber })
  },
  'that another device of ours signed': async () => {
    const device = await TestAuthority.from(neighbour.certificate, neighbour.privateKey)
    return signedBy(device, neighbour.certificate + neighbour.chain)
  },
}

attacks(
  'a certificate',
  Object.entries(FORGERIES).flatMap(([name, forge]) =>
    (['mqtts', 'wss'] as const).map(listener => ({
      name: `${name}, on ${listener}`,
      attempt: async (broker: TestBroker) => {
        if (!(await isAdmitted(broker, 't1', { listener, cert: genuine.cert + genuine.chain, key: genuine.key })))
          throw new Error('the genuine certificate was refused')
        return isAdmitted(broker, 't1', { listener, ...(await forge(broker)) })
      },
    })),
  ),
  {
    configuration: UNLIMITED_ATTEMPTS,
    prepare: async broker => {
      await broker.device('t1')
      await broker.device('t2')
      const { certificate, chain, privateKey } = await broker.certificate('t1')
      genuine = { cert: certificate, chain, key: privateKey }
      neighbour = await broker.certificate('t2')
    },
  },
)
