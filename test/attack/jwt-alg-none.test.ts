// A token that says of itself that it is not signed (`alg: none`, RFC 7519 6) proves nothing, however it is spelled and
// whoever's key its header names.
import { attacks } from '../fixtures/attack.ts'
import type { TestBroker } from '../fixtures/broker.ts'
import { isAdmitted } from '../fixtures/clients.ts'
import {
  accessToken,
  type Claims,
  type DeviceKey,
  deviceWithKey,
  honestClaims,
  readParts,
  signedBy,
  signingInput,
  UNLIMITED_ATTEMPTS,
} from '../fixtures/device-token.ts'

let key: DeviceKey
let issued: { header: Claims; claims: Claims }

const UNSIGNED: Readonly<Record<string, Claims>> = {
  none: { alg: 'none' },
  None: { alg: 'None' },
  NONE: { alg: 'NONE' },
  nOnE: { alg: 'nOnE' },
  'an empty algorithm': { alg: '' },
  'no algorithm': {},
  null: { alg: null },
  'a list of algorithms': { alg: ['none'] },
}
const SIGNATURES: Readonly<Record<string, string>> = {
  'without a signature': '',
  'with a signature of zeros': Buffer.alloc(64).toString('base64url'),
}

const admits = (broker: TestBroker, password: string) => isAdmitted(broker, 't1', { username: 't1', password })

async function honestOrThrow(broker: TestBroker): Promise<void> {
  if (!(await admits(broker, signedBy(key, honestClaims('t1'))))) throw new Error('an honest token was refused')
}

attacks(
  'a JWT with alg none',
  Object.entries(UNSIGNED).flatMap(([name, algorithm]) =>
    Object.entries(SIGNATURES).flatMap(([how, signature]) => [
      {
        name: `a device's own, ${name}, ${how}`,
        attempt: async (broker: TestBroker) => {
          await honestOrThrow(broker)
          const header = { ...algorithm, kid: key.kid }
          return admits(broker, `${signingInput(header, honestClaims('t1'))}.${signature}`)
        },
      },
      {
        name: `an access token, ${name}, ${how}`,
        attempt: async (broker: TestBroker) => {
          await honestOrThrow(broker)
          const { alg: _alg, ...header } = issued.header
          return admits(broker, `${signingInput({ ...header, ...algorithm }, issued.claims)}.${signature}`)
        },
      },
    ]),
  ),
  {
    configuration: UNLIMITED_ATTEMPTS,
    prepare: async broker => {
      key = await deviceWithKey(broker, 't1')
      const { secret } = await broker.secret('t1', 'token')
      const token = await accessToken(broker, 't1', secret)
      if (!(await admits(broker, token))) throw new Error('an honest access token was refused')
      issued = readParts(token)
    },
  },
)
