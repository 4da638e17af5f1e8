// A token that the device gave to somebody else opens that somebody's service, not this broker (RFC 8725 3.9): whoever
// receives it could play it here. The same holds for a secret made for another door.
import { attacks } from '../fixtures/attack.ts'
import type { TestBroker } from '../fixtures/broker.ts'
import { isAdmitted } from '../fixtures/clients.ts'
import {
  AUDIENCE,
  type Claims,
  type DeviceKey,
  deviceWithKey,
  honestClaims,
  signedBy,
  UNLIMITED_ATTEMPTS,
} from '../fixtures/device-token.ts'

let key: DeviceKey
const admits = (broker: TestBroker, password: string) => isAdmitted(broker, 't1', { username: 't1', password })

const AUDIENCES: Readonly<Record<string, Claims>> = {
  'another service': { aud: 'https://api.example.com' },
  'several others': { aud: ['https://api.example.com', 'another-broker'] },
  nobody: {},
  'an empty text': { aud: '' },
  'an empty list': { aud: [] },
  'a longer name': { aud: `${AUDIENCE}.example.com` },
  'a shorter name': { aud: AUDIENCE.slice(0, -1) },
  'our name in capitals': { aud: AUDIENCE.toUpperCase() },
  'our name inside a text': { aud: `api ${AUDIENCE}` },
  'our name in a list in a list': { aud: [[AUDIENCE]] },
  'our name as a member': { aud: { [AUDIENCE]: true } },
}

attacks(
  'a credential for another audience',
  [
    ...Object.entries(AUDIENCES).map(([name, audience]) => ({
      name: `a JWT for ${name}`,
      attempt: async (broker: TestBroker) => {
        const { aud, ...claims } = honestClaims('t1')
        for (const honest of [aud, [aud, 'another-broker']])
          if (!(await admits(broker, signedBy(key, { ...claims, aud: honest }))))
            throw new Error('an honest token was refused')
        return admits(broker, signedBy(key, { ...claims, ...audience }))
      },
    })),
    ...(['api', 'token'] as const).map(audience => ({
      name: `a secret for the audience ${audience}`,
      attempt: async (broker: TestBroker) => admits(broker, (await broker.secret('t1', audience)).secret),
    })),
  ],
  {
    configuration: UNLIMITED_ATTEMPTS,
    prepare: async broker => {
      key = await deviceWithKey(broker, 't1')
    },
  },
)
