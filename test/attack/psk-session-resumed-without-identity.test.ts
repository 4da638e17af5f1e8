// Pre-shared keys and the two ways to seem to have shown one. A resumed TLS 1.3 session never asks for the identity; and
// a ClientHello may name an identity, have its key looked up, and go on without it because the suites do not fit.
import { randomBytes } from 'node:crypto'
import type { ConnectionOptions } from 'node:tls'
import { attacks } from '../fixtures/attack.ts'
import type { TestBroker } from '../fixtures/broker.ts'
import { visit } from '../fixtures/tls-visit.ts'

let devices = 0

async function deviceWithPsk(broker: TestBroker) {
  const id = `psk-${++devices}`
  await broker.device(id)
  const { id: credential, key, identity } = await broker.psk(id)
  return { id, credential, identity, psk: Buffer.from(key, 'hex') }
}

const showing = (identity: string, psk: Buffer, more: ConnectionOptions): ConnectionOptions => ({
  checkServerIdentity: () => undefined,
  ciphers: 'TLS_AES_128_GCM_SHA256:PSK+HIGH',
  pskCallback: () => ({ psk, identity }),
  ...more,
})

attacks('an identity that no key proves', [
  ...(['TLSv1.2', 'TLSv1.3'] as const).map(version => ({
    name: `a PSK session resumed without its identity, ${version}`,
    attempt: async (broker: TestBroker) => {
      const { id, identity, psk } = await deviceWithPsk(broker)
      const versions = { minVersion: version, maxVersion: version }
      const before = await visit(broker, 'mqtts', id, showing(identity, psk, versions))
      if (!before.admitted) throw new Error('the key should have been good')
      const session = before.session ? { session: before.session } : {}
      const again = await visit(broker, 'mqtts', id, { ...versions, ...session })
      return again.admitted
    },
  })),
  {
    name: 'a PSK session resumed after its key was revoked',
    attempt: async broker => {
      const { id, identity, psk, credential } = await deviceWithPsk(broker)
      const before = await visit(broker, 'mqtts', id, showing(identity, psk, { minVersion: 'TLSv1.3' }))
      if (!before.admitted) throw new Error('the key should have been good')
      await broker.api('POST', `/v1/credentials/${credential}/revoke`, { reason: 'stolen' })
      const session = before.session ? { session: before.session } : {}
      return (await visit(broker, 'mqtts', id, { minVersion: 'TLSv1.3', ...session })).admitted
    },
  },
  {
    name: 'an identity named beside SHA-384 suites, without its key',
    attempt: async broker => {
      const { id, identity } = await deviceWithPsk(broker)
      const ciphers = 'TLS_AES_256_GCM_SHA384'
      return (await visit(broker, 'mqtts', id, showing(identity, randomBytes(32), { ciphers, minVersion: 'TLSv1.3' })))
        .admitted
    },
  },
  {
    name: 'an identity named without its key, beside the certificate of another device',
    attempt: async broker => {
      const { id, identity } = await deviceWithPsk(broker)
      const other = `psk-${++devices}`
      await broker.device(other)
      const { certificate, chain, privateKey } = await broker.certificate(other)
      const ciphers = 'TLS_AES_256_GCM_SHA384'
      const shown = showing(identity, randomBytes(32), { ciphers, minVersion: 'TLSv1.3' })
      const { admitted } = await visit(broker, 'mqtts', id, { ...shown, cert: certificate + chain, key: privateKey })
      return admitted
    },
  },
])
