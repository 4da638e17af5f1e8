// A token that has ended, is not valid yet, or comes from the future; and a session that would outlive its token.

import { attacks } from '../fixtures/attack.ts'
import type { TestBroker } from '../fixtures/broker.ts'
import { connectDevice, isAdmitted, isPublished } from '../fixtures/clients.ts'
import {
  accessToken,
  type Claims,
  type DeviceKey,
  deviceWithKey,
  honestClaims,
  inSeconds as inSecondsFrom,
  signedBy,
  UNLIMITED_ATTEMPTS,
} from '../fixtures/device-token.ts'
import { ShiftedClock } from '../wire/mqtt-broker.ts'

let clock = new ShiftedClock()
const inSeconds = (seconds: number) => inSecondsFrom(seconds, clock.now())
let key: DeviceKey

const admits = (broker: TestBroker, password: string) => isAdmitted(broker, 't1', { username: 't1', password })
const admitsClaims = (broker: TestBroker, claims: Claims) =>
  admits(broker, signedBy(key, { ...honestClaims('t1', clock.now()), ...claims }))

const TIMES: Readonly<Record<string, () => Claims>> = {
  'a token of last year': () => ({ iat: inSeconds(-31_536_300), exp: inSeconds(-31_536_000) }),
  'a token that ended a minute ago': () => ({ exp: inSeconds(-60) }),
  'a token that ended a moment ago': () => ({ exp: inSeconds(-1) }),
  'a token that ends before it begins': () => ({ nbf: inSeconds(200), exp: inSeconds(100) }),
  'a token that begins later': () => ({ nbf: inSeconds(120) }),
  'a token issued in the future': () => ({ iat: inSeconds(120) }),
  'an end at zero': () => ({ exp: 0 }),
  'an end below zero': () => ({ exp: -1 }),
}

attacks(
  'a JWT out of its time',
  [
    ...Object.entries(TIMES).map(([name, times]) => ({
      name,
      attempt: async (broker: TestBroker) => {
        if (!(await admitsClaims(broker, {}))) throw new Error('an honest token was refused')
        return admitsClaims(broker, times())
      },
    })),
    {
      name: 'a token that was verified before, and has ended since',
      attempt: async broker => {
        const token = signedBy(key, honestClaims('t1', clock.now()))
        if (!(await admits(broker, token))) throw new Error('an honest token was refused')
        clock.shift += 301_000
        return admits(broker, token)
      },
    },
    {
      name: 'an access token that has ended',
      attempt: async broker => {
        const token = await accessToken(broker, 't1', (await broker.secret('t1', 'token')).secret)
        if (!(await admits(broker, token))) throw new Error('an honest access token was refused')
        clock.shift += 901_000
        return admits(broker, token)
      },
    },
    {
      name: 'a session that goes on after its token',
      attempt: async broker => {
        const end = inSeconds(2)
        const password = signedBy(key, { ...honestClaims('t1', clock.now()), exp: end })
        const client = await connectDevice(broker, 't1', { username: 't1', password })
        const closed = new Promise<void>(resolve => client.once('close', () => resolve()))
        if (!(await isPublished(client, 'device/t1/x'))) throw new Error('the token should still have been good')
        // Whether the session has ended by then is what is asked, so nothing but its end can be waited for.
        const over = new Promise<void>(resolve => setTimeout(resolve, end * 1000 + 1000 - clock.now()))
        await Promise.race([closed, over])
        const alive = client.connected && (await isPublished(client, 'device/t1/x'))
        await client.endAsync(true)
        return alive
      },
    },
  ],
  {
    configuration: UNLIMITED_ATTEMPTS,
    options: () => {
      clock = new ShiftedClock()
      return { clock }
    },
    prepare: async broker => {
      key = await deviceWithKey(broker, 't1')
    },
  },
)
