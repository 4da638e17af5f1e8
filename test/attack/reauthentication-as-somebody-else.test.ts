// A session that is renewed in place (MQTT 5, 4.12.1) by what would not admit anybody, or admits somebody else.
import { attacks } from '../fixtures/attack.ts'
import type { TestBroker } from '../fixtures/broker.ts'
import {
  accessToken,
  type DeviceKey,
  deviceWithKey,
  honestClaims,
  inSeconds,
  signedBy,
  UNLIMITED_ATTEMPTS,
} from '../fixtures/device-token.ts'
import { MqttWire } from '../wire/mqtt-wire.ts'

let key: DeviceKey
let others: DeviceKey

const properties = (token: string) => ({ authenticationMethod: 'JWT', authenticationData: Buffer.from(token) })

/** Whether a session of `thief` goes on after it has shown this. */
async function renews(broker: TestBroker, show: () => string | Promise<string>): Promise<boolean> {
  const wire = MqttWire.tcp(broker.port('mqtt'))
  const own = signedBy(key, honestClaims('thief'))
  const { reasonCode } = await wire.connect({ clientId: 'thief', properties: properties(own) })
  if (reasonCode !== 0) throw new Error('an honest token was refused')
  wire.send({ cmd: 'auth', reasonCode: 0x19, properties: properties(await show()) })
  const renewed = wire.next('auth').then(
    ({ reasonCode }) => reasonCode === 0,
    () => false,
  )
  const result = await renewed
  wire.destroy()
  return result
}

attacks(
  're-authentication',
  [
    {
      name: 'as somebody else, by a genuine token of theirs',
      attempt: broker => renews(broker, () => signedBy(others, honestClaims('victim'))),
    },
    {
      name: 'as somebody else, by a token that the thief signed',
      attempt: broker => renews(broker, () => signedBy({ ...key, kid: others.kid }, honestClaims('victim'))),
    },
    {
      name: 'by a token that has expired',
      attempt: broker => renews(broker, () => signedBy(key, { ...honestClaims('thief'), exp: inSeconds(-1) })),
    },
    {
      name: 'by a token that was revoked',
      attempt: broker =>
        renews(broker, async () => {
          const { secret } = await broker.secret('thief', 'token')
          const token = await accessToken(broker, 'thief', secret)
          const form = new URLSearchParams({ token, client_id: 'thief', client_secret: secret })
          await broker.call('POST', '/oauth2/revoke', form.toString(), null)
          return token
        }),
    },
    {
      name: 'by a token whose secret was revoked',
      attempt: broker =>
        renews(broker, async () => {
          const { id, secret } = await broker.secret('thief', 'token')
          const token = await accessToken(broker, 'thief', secret)
          await broker.api('POST', `/v1/credentials/${id}/revoke`, { reason: 'leaked' })
          return token
        }),
    },
    {
      name: 'by a signature that was cut off',
      attempt: broker => renews(broker, () => signedBy(key, honestClaims('thief')).replace(/\.[^.]*$/, '.AAAA')),
    },
  ],
  {
    configuration: UNLIMITED_ATTEMPTS,
    prepare: async broker => {
      key = await deviceWithKey(broker, 'thief')
      others = await deviceWithKey(broker, 'victim')
    },
  },
)
