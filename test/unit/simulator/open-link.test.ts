// Where devices connect to, and what they refuse to try.
import { expect, test } from 'vitest'
import { type Login, reachable } from '../../../simulator/devices/link.ts'
import { openLink } from '../../../simulator/devices/open-link.ts'
import type { Protocol } from '../../../simulator/home-plan.ts'

const certificate: Login = { by: 'certificate', certificate: '', privateKey: '' }
const secret: Login = { by: 'password', password: 'x' }
const address = { host: '127.0.0.1', port: 1 }
const listeners = { coap: address, 'coaps+tcp': address }

test.each<[Protocol, Login, RegExp]>([
  ['mqtts', secret, /does not listen for mqtts/],
  ['coap', certificate, /secret or a JWT, no certificate/],
  ['coaps+tcp', secret, /speaks coaps\+tcp/],
])('no link over %s with what it cannot carry', async (protocol, login, why) => {
  const opening = openLink({
    protocol,
    login,
    broker: { listeners, httpsUrl: 'https://localhost:1', ca: '' },
    clientId: 'kettle',
    sessionExpiry: 0,
    listener: { message() {}, denied() {}, closed() {} },
    signal: new AbortController().signal,
  })
  await expect(opening).rejects.toThrow(why)
})

test.each([
  ['0.0.0.0', '127.0.0.1'],
  ['::', '::1'],
  ['192.0.2.1', '192.0.2.1'],
])('a listener on %s is reached at %s', (host, reached) => {
  expect(reachable({ host, port: 1 })).toEqual({ host: reached, port: 1 })
})
