import { describe, expect, test } from 'vitest'
import { NEVER } from '../../../src/bus/session.ts'
import {
  askedExpiry,
  connackProperties,
  deliveryTerms,
  evidenceOf,
  grantedExpiry,
  grantedKeepAlive,
  willOf,
} from '../../../src/mqtt/connect-terms.ts'
import { MQTT_LIMITS } from '../../../src/mqtt/limits.ts'
import type { ConnectPacket } from '../../../src/mqtt/packets.ts'

const LIMITS = { ...MQTT_LIMITS, maxKeepAlive: 100, sessionExpiry: 1000 }
const connect = (fields: Partial<ConnectPacket> = {}): ConnectPacket => ({
  type: 'connect',
  version: 5,
  clean: true,
  keepAlive: 60,
  clientId: 'd1',
  username: null,
  password: null,
  will: null,
  properties: {},
  ...fields,
})

describe('terms of a CONNECT', () => {
  test.each([
    [{ version: 5 }, 0, 0],
    [{ version: 5, properties: { sessionExpiryInterval: 7 } }, 7, 7],
    [{ version: 5, properties: { sessionExpiryInterval: NEVER } }, NEVER, 1000],
    [{ version: 4, clean: true }, 0, 0],
    [{ version: 4, clean: false }, NEVER, 1000],
    [{ version: 3, clean: false }, NEVER, 1000],
  ] as const)('%j asks for %i seconds and gets %i', (fields, asked, granted) => {
    expect(askedExpiry(connect(fields))).toBe(asked)
    expect(grantedExpiry(asked, LIMITS)).toBe(granted)
  })

  test.each([
    [5, 60, 60],
    [5, 0, 100],
    [5, 500, 100],
    [4, 0, 0],
    [4, 500, 500],
  ] as const)('version %i, keep-alive %i: %i', (version, keepAlive, granted) => {
    expect(grantedKeepAlive(connect({ version, keepAlive }), LIMITS)).toBe(granted)
  })

  test('a client that says nothing takes everything', () => {
    expect(deliveryTerms(connect())).toEqual({
      version: 5,
      receiveMaximum: 65_535,
      maximumPacketSize: Number.POSITIVE_INFINITY,
      topicAliasMaximum: 0,
    })
  })

  test('the will’s delay stays with us', () => {
    const properties = { willDelayInterval: 9, contentType: 'text/plain' }
    const will = { topic: 'w', payload: Buffer.from('x'), qos: 1, retain: true, properties } as const
    expect(willOf(connect({ will }))).toEqual({
      delay: 9,
      message: {
        topic: 'w',
        payload: Buffer.from('x'),
        qos: 1,
        retain: true,
        properties: { contentType: 'text/plain' },
      },
    })
    expect(willOf(connect())).toBeNull()
  })

  test('CONNACK tells only what differs, and our limits', () => {
    const opened = {
      assignedClientId: null,
      expiry: 0,
      keepAlive: 60,
      authenticationData: null,
      responseInformation: null,
    }
    const told = connackProperties(connect(), opened, LIMITS)
    expect(JSON.parse(JSON.stringify(told))).toEqual({
      receiveMaximum: LIMITS.receiveMaximum,
      topicAliasMaximum: LIMITS.topicAliasMaximum,
      maximumPacketSize: LIMITS.maximumPacketSize,
    })
    const other = {
      assignedClientId: 'd1',
      expiry: 1000,
      keepAlive: 100,
      authenticationData: null,
      responseInformation: null,
    }
    expect(connackProperties(connect(), other, LIMITS)).toMatchObject({
      assignedClientIdentifier: 'd1',
      sessionExpiryInterval: 1000,
      serverKeepAlive: 100,
    })
  })

  test('CONNACK repeats the authentication method, with the last word of it', () => {
    const opened = {
      assignedClientId: null,
      expiry: 0,
      keepAlive: 60,
      authenticationData: Buffer.from('v='),
      responseInformation: null,
    }
    const asked = connect({ properties: { authenticationMethod: 'm' } })
    expect(connackProperties(asked, opened, LIMITS)).toMatchObject({
      authenticationMethod: 'm',
      authenticationData: Buffer.from('v='),
    })
  })

  test('the evidence holds what channel and packet show, the identity as it is now', () => {
    let proved: string | null = 'd1'
    const peer = {
      transport: 'mqtts' as const,
      address: '192.0.2.1',
      certificates: [Buffer.from([1])],
      get pskIdentity() {
        return proved
      },
    }
    const packet = connect({ username: 'u', password: Buffer.from('p') })
    const shown = {
      transport: 'mqtts',
      address: '192.0.2.1',
      certificates: [Buffer.from([1])],
      clientId: 'd1',
      username: 'u',
    }
    expect(evidenceOf(peer, packet)).toEqual({ ...shown, password: Buffer.from('p'), pskIdentity: 'd1' })
    proved = ''
    expect(evidenceOf(peer, packet).pskIdentity).toBe('')
  })
})
