// Sessions over plain CoAP: who is let in by what, and how long.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CODE } from '../../src/coap-wire/codes.ts'
import { FREE_PORTS_WITH_COAP, startBroker, type TestBroker } from '../fixtures/broker.ts'
import { CoapDevice, told } from '../fixtures/coap-device.ts'
import { accessToken, deviceWithKey, honestClaims, inSeconds, signedBy } from '../fixtures/device-token.ts'
import { CoapClient } from '../wire/coap-wire.ts'

describe('a session over CoAP', () => {
  let broker: TestBroker
  let client: CoapClient
  let secret: string
  beforeAll(async () => {
    broker = await startBroker({ listeners: FREE_PORTS_WITH_COAP })
    await broker.device('t1')
    secret = (await broker.secret('t1')).secret
    client = await CoapClient.open(broker.port('coap'))
  })
  afterAll(async () => {
    await client?.close()
    await broker?.close()
  })

  const open = (query: string[], payload = '') =>
    client.request({ code: CODE.POST, path: 'mqtt/connection', query, payload })

  test('nobody is let in before the address is proved', async () => {
    const stranger = await CoapClient.open(broker.port('coap'), { echo: false })
    const query = ['clientid=t1']
    const answer = await stranger.request({ code: CODE.POST, path: 'mqtt/connection', query, payload: secret })
    expect(told(answer)).toBe('4.01')
    expect(answer.options.map(({ number }) => number)).toContain(252)
    await stranger.close()
    const events = JSON.stringify(await broker.api('GET', '/v1/audit?limit=100'))
    expect(events).not.toContain('session-start')
  })

  test('a secret, a JWT and an access token each open one', async () => {
    const key = await deviceWithKey(broker, 'signer')
    await broker.api('POST', '/v1/clients', {
      id: 'reader',
      kind: 'service',
      roles: ['reader'],
      authMethod: 'client_secret_post',
    })
    const access = await accessToken(broker, 'reader', (await broker.secret('reader', 'token')).secret)
    for (const [id, password] of [
      ['t1', secret],
      ['signer', signedBy(key, honestClaims('signer'))],
      ['reader', access],
    ] as const) {
      const session = await CoapDevice.login(broker, id, password, client)
      expect(told(await session.connection(CODE.PUT))).toBe('2.04')
      expect(told(await session.connection(CODE.DELETE))).toBe('2.02')
      expect(told(await session.connection(CODE.PUT))).toBe('4.01')
    }
  })

  test('whoever shows the wrong thing learns nothing but the code', async () => {
    const key = await deviceWithKey(broker, 'honest')
    const expired = signedBy(key, { ...honestClaims('honest'), exp: inSeconds(-60) })
    const elsewhere = signedBy(key, { ...honestClaims('honest'), aud: 'another' })
    for (const [query, payload, code] of [
      [['clientid=honest'], expired, '4.01'],
      [['clientid=honest'], elsewhere, '4.03'],
      [['clientid=t1'], `${secret}x`, '4.01'],
      [['clientid=honest'], secret, '4.03'],
      [['clientid=t1', 'username=honest'], secret, '4.01'],
      [[], secret, '4.00'],
    ] as const)
      expect(told(await open([...query], payload))).toBe(code)
  })

  test('the session ends with the token that opened it', async () => {
    const key = await deviceWithKey(broker, 'brief')
    const session = await CoapDevice.login(
      broker,
      'brief',
      signedBy(key, { ...honestClaims('brief'), exp: inSeconds(4) }),
      client,
    )
    const observation = await session.observe('device/brief/x')
    expect(told(await observation.next())).toBe('4.01')
    expect(told(await session.connection(CODE.PUT))).toBe('4.01')
    expect(told(await session.get('device/brief/x'))).toBe('4.01')
  })

  test('operators see it among the sessions, and can end it', async () => {
    const session = await CoapDevice.login(broker, 't1', secret, client)
    const observation = await session.observe('device/t1/x')
    const { items } = await broker.api('GET', '/v1/sessions')
    const mine = items.find((each: { clientId: string | null }) => each.clientId === 't1')
    expect(mine).toMatchObject({ principal: expect.anything() })
    expect(JSON.stringify(items)).not.toContain(session.session[1]?.slice('token='.length))
    await broker.api('DELETE', `/v1/sessions/${mine.id}`)
    expect(told(await observation.next())).toBe('4.01')
    expect(told(await session.connection(CODE.PUT))).toBe('4.01')
  })

  test('the audit trail tells who came and why they went, without the token', async () => {
    await broker.device('seen')
    const issued = await broker.secret('seen')
    const session = await CoapDevice.login(broker, 'seen', issued.secret, client)
    await broker.api('POST', `/v1/credentials/${issued.id}/revoke`, { reason: 'lost' })
    const trail = JSON.stringify(await broker.api('GET', '/v1/audit?limit=500'))
    expect(trail).toContain('session-start')
    expect(trail).toContain('credential-revoked')
    expect(trail).not.toContain(session.session[1]?.slice('token='.length))
  })

  test('a session of MQTT and one of CoAP by the same id do not take each other over', async () => {
    const { MqttWire } = await import('../wire/mqtt-wire.ts')
    const mqtt = MqttWire.tcp(broker.port('mqtt'))
    await mqtt.connect({ clientId: 't1', username: 't1', password: Buffer.from(secret) })
    const session = await CoapDevice.login(broker, 't1', secret, client)
    await mqtt.settle()
    expect(told(await session.connection(CODE.PUT))).toBe('2.04')
    await mqtt.leave()
    expect(told(await session.connection(CODE.PUT))).toBe('2.04')
  })
})

describe('the anonymous over CoAP', () => {
  test('have their role where the configuration gives them one', async () => {
    const broker = await startBroker({ listeners: FREE_PORTS_WITH_COAP, auth: { anonymous: { role: 'reader' } } })
    const client = await CoapClient.open(broker.port('coap'))
    expect(told(await client.request({ path: 'ps/home/kitchen/temperature' }))).toBe('4.04')
    expect(told(await client.request({ path: 'ps/home/kitchen/lock' }))).toBe('4.03')
    await client.close()
    await broker.close()
  })
})
