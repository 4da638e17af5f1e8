// A token without an end, or whose end is no number, would be a password that nobody can change: it is refused although
// the device itself signed it.
import { attacks } from '../fixtures/attack.ts'
import type { TestBroker } from '../fixtures/broker.ts'
import { isAdmitted } from '../fixtures/clients.ts'
import {
  type Claims,
  type DeviceKey,
  deviceWithKey,
  honestClaims,
  inSeconds,
  signedBy,
  UNLIMITED_ATTEMPTS,
} from '../fixtures/device-token.ts'

let key: DeviceKey
const admits = (broker: TestBroker, claims: Claims) =>
  isAdmitted(broker, 't1', { username: 't1', password: signedBy(key, claims) })

const ENDS: Readonly<Record<string, () => Claims>> = {
  'no exp': () => ({}),
  'exp of null': () => ({ exp: null }),
  'exp as text': () => ({ exp: String(inSeconds(300)) }),
  'exp as a list': () => ({ exp: [inSeconds(300)] }),
  'exp as an object': () => ({ exp: { valueOf: inSeconds(300) } }),
  'exp of true': () => ({ exp: true }),
  'exp under another name': () => ({ Exp: inSeconds(300), expires: inSeconds(300) }),
  'exp in milliseconds': () => ({ exp: Date.now() + 300_000 }),
  'exp in a thousand years': () => ({ exp: inSeconds(1000 * 365 * 86_400) }),
}

attacks(
  'a JWT that does not end',
  Object.entries(ENDS).map(([name, end]) => ({
    name,
    attempt: async (broker: TestBroker) => {
      const { exp, ...endless } = honestClaims('t1')
      if (!(await admits(broker, { ...endless, exp }))) throw new Error('an honest token was refused')
      return admits(broker, { ...endless, ...end() })
    },
  })),
  {
    configuration: UNLIMITED_ATTEMPTS,
    prepare: async broker => {
      key = await deviceWithKey(broker, 't1')
    },
  },
)
