// Algorithm confusion: everybody has the public key, so a MAC made with its bytes proves nothing. The broker must never
// take them for a shared secret, in whichever encoding (RFC 8725 2.1).
import { createPublicKey, type KeyObject } from 'node:crypto'
import { attacks } from '../fixtures/attack.ts'
import type { TestBroker } from '../fixtures/broker.ts'
import { isAdmitted } from '../fixtures/clients.ts'
import {
  accessToken,
  type Claims,
  type DeviceKey,
  deviceWithKey,
  honestClaims,
  macedBy,
  readParts,
  signedBy,
  UNLIMITED_ATTEMPTS,
} from '../fixtures/device-token.ts'

let device: DeviceKey
let server: { key: KeyObject; jwk: Claims; header: Claims; claims: Claims }

const point = (key: KeyObject) => {
  const { x = '', y = '' } = key.export({ format: 'jwk' })
  return Buffer.concat([Buffer.from([4]), Buffer.from(x, 'base64url'), Buffer.from(y, 'base64url')])
}
const pem = (key: KeyObject) => String(key.export({ type: 'spki', format: 'pem' }))

const ENCODINGS: Readonly<Record<string, (key: KeyObject, published: Claims) => Buffer | string>> = {
  PEM: key => pem(key),
  'PEM without its last line break': key => pem(key).trimEnd(),
  DER: key => key.export({ type: 'spki', format: 'der' }),
  'base64 of DER': key => key.export({ type: 'spki', format: 'der' }).toString('base64'),
  'the JWK as published': (_key, published) => JSON.stringify(published),
  'the bare JWK': key => JSON.stringify(key.export({ format: 'jwk' })),
  'the point': key => point(key),
  'its x coordinate': key => Buffer.from(key.export({ format: 'jwk' }).x ?? '', 'base64url'),
  'no key at all': () => '',
}

const admits = (broker: TestBroker, password: string) => isAdmitted(broker, 't1', { username: 't1', password })

attacks(
  'a JWT with a MAC made by the public key',
  Object.entries(ENCODINGS).flatMap(([name, encode]) =>
    (['HS256', 'HS384', 'HS512'] as const).flatMap(algorithm => [
      {
        name: `a device's own, ${algorithm}, ${name}`,
        attempt: async (broker: TestBroker) => {
          const jwk = { ...device.publicKey.export({ format: 'jwk' }), kid: device.kid }
          const mac = encode(device.publicKey, jwk)
          return admits(broker, macedBy(mac, algorithm, { kid: device.kid }, honestClaims('t1')))
        },
      },
      {
        name: `an access token, ${algorithm}, ${name}`,
        attempt: (broker: TestBroker) => {
          const { key, jwk, header, claims } = server
          return admits(broker, macedBy(encode(key, jwk), algorithm, header, claims))
        },
      },
    ]),
  ),
  {
    configuration: UNLIMITED_ATTEMPTS,
    prepare: async broker => {
      device = await deviceWithKey(broker, 't1')
      const token = await accessToken(broker, 't1', (await broker.secret('t1', 'token')).secret)
      for (const honest of [token, signedBy(device, honestClaims('t1'))])
        if (!(await admits(broker, honest))) throw new Error('an honest token was refused')
      const { body } = await broker.call('GET', '/.well-known/jwks.json', undefined, null)
      const [jwk] = body.keys
      server = { key: createPublicKey({ key: jwk, format: 'jwk' }), jwk, ...readParts(token) }
    },
  },
)
