// Enhanced authentication and re-authentication (MQTT 5, 4.12) by the method JWT, on the wire.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startBroker, type TestBroker } from '../fixtures/broker.ts'
import { connectDevice } from '../fixtures/clients.ts'
import {
  accessToken,
  type DeviceKey,
  deviceWithKey,
  honestClaims,
  inSeconds,
  signedBy,
} from '../fixtures/device-token.ts'
import { ShiftedClock } from '../wire/mqtt-broker.ts'
import { MqttWire } from '../wire/mqtt-wire.ts'

const clock = new ShiftedClock()
const METHOD = 'JWT'
const RE_AUTHENTICATE = 0x19

describe('the method JWT', () => {
  let broker: TestBroker
  let reporter: MqttWire
  beforeAll(async () => {
    broker = await startBroker({}, { clock })
    await broker.device('reporter')
    reporter = MqttWire.tcp(broker.port('mqtt'))
    const password = Buffer.from((await broker.secret('reporter')).secret)
    await reporter.connect({ clientId: 'reporter', username: 'reporter', password })
  })
  afterAll(() => broker?.close())

  const properties = (token: string | null, method = METHOD) => ({
    authenticationMethod: method,
    ...(token !== null && { authenticationData: Buffer.from(token) }),
  })
  const connect = async (clientId: string, token: string, options = {}) => {
    const wire = MqttWire.tcp(broker.port('mqtt'))
    const { more = {}, ...rest } = options as { more?: object }
    const connack = await wire.connect({ clientId, ...rest, properties: { ...properties(token), ...more } })
    return { wire, connack }
  }
  const again = (wire: MqttWire, token: string | null, method = METHOD) =>
    wire.send({ cmd: 'auth', reasonCode: RE_AUTHENTICATE, properties: properties(token, method) })
  const renew = async (wire: MqttWire, token: string) => {
    again(wire, token)
    return wire.next('auth')
  }
  const token = (key: DeviceKey, id: string, claims: object = {}) =>
    signedBy(key, { ...honestClaims(id, clock.now()), ...claims })
  /** A device and access tokens of one secret each: `wide` has all its roles, `narrow` may only publish below its own. */
  const withTokens = async (id: string) => {
    await broker.device(id)
    const issue = async (scope?: string) => {
      const { id: credential, secret } = await broker.secret(id, 'token')
      return { credential, secret, token: await accessToken(broker, id, secret, scope) }
    }
    return { wide: await issue(), narrow: await issue(`publish:device/${id}/#`) }
  }
  const revoke = (credential: string) => broker.api('POST', `/v1/credentials/${credential}/revoke`, { reason: 'lost' })

  test('a token in CONNECT admits, and CONNACK repeats the method', async () => {
    const key = await deviceWithKey(broker, 'd1')
    const { wire, connack } = await connect('d1', token(key, 'd1'))
    expect(connack).toMatchObject({ reasonCode: 0, properties: { authenticationMethod: METHOD } })
    expect(await wire.publish('device/d1/x', 'x', { qos: 1 })).toBe(0)
    wire.destroy()
  })

  test.each([
    ['a wrong token', 'eyJhbGciOiJFUzI1NiJ9.e30.AAAA', METHOD, 0x87],
    ['no token', '', METHOD, 0x87],
    ['another method', 'x', 'KERBEROS', 0x8c],
  ])('%s is refused in CONNACK', async (_, data, method, code) => {
    const wire = MqttWire.tcp(broker.port('mqtt'))
    const connack = await wire.connect({ clientId: 'd1', properties: properties(data, method) })
    expect(connack.reasonCode).toBe(code)
    await wire.closed()
  })

  test('the session goes on past the end of its first token, with its subscriptions', async () => {
    const exp = inSeconds(2, clock.now())
    const key = await deviceWithKey(broker, 'd2')
    const { wire } = await connect('d2', token(key, 'd2', { exp }))
    const { wire: witness } = await connect('d2-too', token(await deviceWithKey(broker, 'd2-too'), 'd2-too', { exp }))
    await wire.subscribe('home/kitchen/+', 1)
    const auth = await renew(wire, token(key, 'd2', { exp: inSeconds(120, clock.now()) }))
    expect(auth).toMatchObject({ reasonCode: 0, properties: { authenticationMethod: METHOD } })
    await witness.closed() // by the end of the same second
    expect(witness.packets.at(-1)).toMatchObject({ cmd: 'disconnect', reasonCode: 0x87 })
    await reporter.publish('home/kitchen/temperature', '21', { qos: 1 })
    expect(await wire.message()).toBe('21')
    wire.destroy()
  })

  test('narrower scopes hold at once, for publishing and for what is delivered; wider ones too', async () => {
    const { wide, narrow } = await withTokens('d3')
    const { wire } = await connect('d3', wide.token)
    await wire.subscribe('home/kitchen/+', 1)
    await wire.subscribe('home/kitchen/temperature', 0)
    const report = (text: string, qos: 0 | 1) => reporter.publish('home/kitchen/temperature', text, { qos })
    await report('before', 1)
    expect(await wire.message()).toBe('before')
    await renew(wire, narrow.token)
    await report('hidden', 1)
    await report('hidden too', 0)
    await reporter.settle()
    expect(await wire.waiting()).toEqual([])
    expect(await wire.publish('home/kitchen/temperature', 'x', { qos: 1 })).toBe(0x87)
    expect(await wire.publish('device/d3/x', 'x', { qos: 1 })).toBe(0)
    await renew(wire, wide.token)
    await report('seen again', 1)
    expect(await wire.message()).toBe('seen again')
    expect(await wire.publish('home/kitchen/temperature', 'mine', { qos: 1 })).toBe(0)
    wire.destroy()
  })

  test('what is sent right behind AUTH waits, and is judged by the new rights', async () => {
    const { wide, narrow } = await withTokens('d4')
    const { wire } = await connect('d4', narrow.token)
    const auth = wire.encode({ cmd: 'auth', reasonCode: RE_AUTHENTICATE, properties: properties(wide.token) })
    const publish = wire.encode({
      cmd: 'publish',
      topic: 'home/kitchen/temperature',
      payload: 'behind',
      qos: 1,
      messageId: 7,
      retain: false,
      dup: false,
    })
    wire.sendBytes(Buffer.concat([auth, publish]))
    expect(await wire.next('puback')).toMatchObject({ messageId: 7 })
    expect(wire.packets.map(({ cmd }) => cmd)).toEqual(['auth'])
    wire.destroy()
  })

  test('revoking what it was admitted by before does not end it; revoking what renewed it does', async () => {
    const { wide, narrow } = await withTokens('d5')
    const { wire } = await connect('d5', wide.token)
    await renew(wire, narrow.token)
    await revoke(wide.credential)
    expect(await wire.publish('device/d5/x', 'x', { qos: 1 })).toBe(0)
    await revoke(narrow.credential)
    await wire.closed()
    expect(wire.packets.at(-1)).toMatchObject({ cmd: 'disconnect', reasonCode: 0x87 })
  })

  test('revoking the token itself ends the session it renewed', async () => {
    const { wide, narrow } = await withTokens('d6')
    const { wire } = await connect('d6', wide.token)
    await renew(wire, narrow.token)
    const form = new URLSearchParams({ token: narrow.token, client_id: 'd6', client_secret: narrow.secret })
    expect((await broker.call('POST', '/oauth2/revoke', form.toString(), null)).status).toBe(200)
    await wire.closed()
    expect(wire.packets.at(-1)).toMatchObject({ cmd: 'disconnect', reasonCode: 0x87 })
  })

  test('nothing is lost while a session renews itself over and over', async () => {
    const { wide } = await withTokens('d7')
    const { wire } = await connect('d7', wide.token)
    await wire.subscribe('home/kitchen/temperature', 1)
    const sent = Array.from({ length: 200 }, (_, i) => String(i))
    const publishing = (async () => {
      for (const text of sent) await reporter.publish('home/kitchen/temperature', text, { qos: 1 })
    })()
    for (let i = 0; i < 20; i++) await renew(wire, wide.token)
    await publishing
    expect(await wire.messages(sent.length)).toEqual(sent)
    wire.destroy()
  })

  describe('ends the connection', () => {
    const refusals: [string, number, (wire: MqttWire, key: DeviceKey, id: string) => unknown][] = [
      ['a token that has expired', 0x87, (wire, key, id) => again(wire, token(key, id, { exp: inSeconds(-1) }))],
      ['no token', 0x87, wire => again(wire, null)],
      ['another method', 0x82, (wire, key, id) => again(wire, token(key, id), 'SCRAM-SHA-256')],
      [
        'an answer to no question',
        0x82,
        (wire, key, id) => wire.send({ cmd: 'auth', reasonCode: 0x18, properties: properties(token(key, id)) }),
      ],
      ['AUTH with success', 0x82, wire => wire.send({ cmd: 'auth', reasonCode: 0, properties: properties(null) })],
    ]
    test.each(refusals)('%s', async (name, code, act) => {
      const id = `bad-${name.replaceAll(' ', '-')}`
      const key = await deviceWithKey(broker, id)
      const { wire } = await connect(id, token(key, id))
      await act(wire, key, id)
      await wire.closed()
      expect(wire.packets.at(-1)).toMatchObject({ cmd: 'disconnect', reasonCode: code })
      expect(
        (await broker.api('GET', '/v1/sessions')).items.map((item: { clientId: string }) => item.clientId),
      ).not.toContain(id)
    })

    test('AUTH of a client that named no method in CONNECT', async () => {
      const key = await deviceWithKey(broker, 'd9')
      const wire = MqttWire.tcp(broker.port('mqtt'))
      await wire.connect({ clientId: 'd9', username: 'd9', password: Buffer.from(token(key, 'd9')) })
      again(wire, token(key, 'd9'))
      await wire.closed()
      expect(wire.packets.at(-1)).toMatchObject({ cmd: 'disconnect', reasonCode: 0x82 })
    })
  })

  test('the npm mqtt client comes in by it', async () => {
    const key = await deviceWithKey(broker, 'd10')
    const client = await connectDevice(broker, 'd10', { properties: properties(token(key, 'd10')) })
    await client.publishAsync('device/d10/x', 'x', { qos: 1 })
    await client.endAsync(true)
  })
})
