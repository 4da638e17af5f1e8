// SCRAM-SHA-256 over AUTH packets (MQTT 5, 4.12): CONNECT, re-authentication, revocation.
import { connect as connectMqtt } from 'mqtt'
import type { IAuthPacket } from 'mqtt-packet'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startBroker, type TestBroker } from '../fixtures/broker.ts'
import { ScramClient } from '../fixtures/scram-client.ts'
import { MqttWire } from '../wire/mqtt-wire.ts'

const METHOD = 'SCRAM-SHA-256'
const CONTINUE = 0x18
const RE_AUTHENTICATE = 0x19

describe('SCRAM-SHA-256', () => {
  let broker: TestBroker
  beforeAll(async () => {
    broker = await startBroker()
  })
  afterAll(() => broker?.close())

  const properties = (data: Buffer) => ({ authenticationMethod: METHOD, authenticationData: data })
  const dataOf = (packet: { properties?: { authenticationData?: Buffer } | undefined }) =>
    Buffer.from(packet.properties?.authenticationData ?? '')
  const issue = async (owner: string) => {
    const { credential, scram } = await broker.api('POST', '/v1/credentials', { owner, kind: 'scram' })
    return { id: credential.id as string, password: scram.password as string }
  }
  const device = async (id: string) => {
    await broker.device(id)
    return issue(id)
  }
  /** CONNECT and the first challenge. */
  const challenged = async (id: string, client: ScramClient) => {
    const wire = MqttWire.tcp(broker.port('mqtt'))
    wire.sendConnect({ clientId: id, properties: properties(client.first()) })
    return { wire, challenge: await wire.next('auth') }
  }
  const answer = (wire: MqttWire, data: Buffer) =>
    wire.send({ cmd: 'auth', reasonCode: CONTINUE, properties: properties(data) })
  const connect = async (id: string, password: string) => {
    const client = new ScramClient(id, password)
    const { wire, challenge } = await challenged(id, client)
    answer(wire, client.final(dataOf(challenge)))
    const connack = await wire.next('connack')
    return { wire, client, challenge, connack }
  }

  test('admits, and CONNACK proves that the broker knows the password', async () => {
    const { password } = await device('d1')
    const { wire, client, challenge, connack } = await connect('d1', password)
    expect(challenge).toMatchObject({ reasonCode: CONTINUE, properties: { authenticationMethod: METHOD } })
    expect(connack).toMatchObject({ reasonCode: 0, properties: { authenticationMethod: METHOD } })
    expect(client.trusts(dataOf(connack))).toBe(true)
    expect(await wire.publish('device/d1/x', 'x', { qos: 1 })).toBe(0)
    const [session] = (await broker.api('GET', '/v1/sessions')).items
    expect(session.credential).toMatchObject({ kind: 'scram' })
    wire.destroy()
  })

  test('the npm mqtt client comes in by it', async () => {
    const { password } = await device('d2')
    const scram = new ScramClient('d2', password)
    const client = connectMqtt(`mqtts://localhost:${broker.port('mqtts')}`, {
      clientId: 'd2',
      protocolVersion: 5,
      reconnectPeriod: 0,
      ca: broker.ca,
      properties: properties(scram.first()),
    })
    client.handleAuth = (packet, done) => {
      const next: IAuthPacket = {
        cmd: 'auth',
        reasonCode: CONTINUE,
        properties: properties(scram.final(dataOf(packet))),
      }
      done(undefined, next)
    }
    const connack = await new Promise<{ properties?: { authenticationData?: Buffer } }>((resolve, reject) => {
      client.once('connect', packet => resolve(packet as { properties?: { authenticationData?: Buffer } }))
      client.once('error', reject)
    })
    expect(scram.trusts(dataOf(connack))).toBe(true)
    await client.publishAsync('device/d2/x', 'x', { qos: 1 })
    await client.endAsync(true)
  })

  test.each([
    ['a wrong password', 'd3'],
    ['an unknown device', 'nobody'],
  ])('%s gets a challenge, and then 0x87 without a word', async (_, id) => {
    if (id === 'd3') await device(id)
    const { wire, challenge, connack } = await connect(id, 'guessed')
    expect(dataOf(challenge).toString()).toMatch(/^r=[^,]+,s=[A-Za-z0-9+/]{22}==,i=4096$/)
    expect(connack).toMatchObject({ reasonCode: 0x87 })
    expect(connack.properties?.authenticationData).toBeUndefined()
    await wire.closed()
  })

  test('channel binding is refused without a challenge', async () => {
    const wire = MqttWire.tcp(broker.port('mqtt'))
    const data = Buffer.from('p=tls-exporter,,n=d1,r=abc')
    expect(await wire.connect({ clientId: 'd1', properties: properties(data) })).toMatchObject({ reasonCode: 0x87 })
  })

  test('re-authentication renews the session; the traffic goes on between challenge and answer', async () => {
    const { password } = await device('d4')
    const { wire } = await connect('d4', password)
    await wire.subscribe('device/d4/+', 1)
    const again = new ScramClient('d4', password)
    wire.send({ cmd: 'auth', reasonCode: RE_AUTHENTICATE, properties: properties(again.first()) })
    const challenge = await wire.next('auth')
    expect(challenge.reasonCode).toBe(CONTINUE)
    expect(await wire.publish('device/d4/between', 'x', { qos: 1 })).toBe(0)
    expect(await wire.message()).toBe('x')
    answer(wire, again.final(dataOf(challenge)))
    const done = await wire.next('auth')
    expect(done).toMatchObject({ reasonCode: 0, properties: { authenticationMethod: METHOD } })
    expect(again.trusts(dataOf(done))).toBe(true)
    expect(await wire.publish('device/d4/after', 'y', { qos: 1 })).toBe(0)
    expect(await wire.message()).toBe('y')
    wire.destroy()
  })

  test('a re-authentication within another is a protocol error', async () => {
    const { password } = await device('d5')
    const { wire } = await connect('d5', password)
    for (let i = 0; i < 2; i++)
      wire.send({
        cmd: 'auth',
        reasonCode: RE_AUTHENTICATE,
        properties: properties(new ScramClient('d5', password).first()),
      })
    await wire.closed()
    expect(wire.packets.at(-1)).toMatchObject({ cmd: 'disconnect', reasonCode: 0x82 })
  })

  test('a revoked password ends the session that it opened; the next one opens another', async () => {
    const { id, password } = await device('d6')
    const { wire } = await connect('d6', password)
    await broker.api('POST', `/v1/credentials/${id}/revoke`, { reason: 'replaced' })
    await wire.closed()
    expect(wire.packets.at(-1)).toMatchObject({ cmd: 'disconnect', reasonCode: 0x87 })
    const next = await issue('d6')
    expect((await connect('d6', password)).connack.reasonCode).toBe(0x87)
    const { wire: second, connack } = await connect('d6', next.password)
    expect(connack.reasonCode).toBe(0)
    second.destroy()
  })

  test('the API shows the password once, has one for each device, and does not rotate it', async () => {
    const { id, password } = await device('d7')
    expect(await broker.api('GET', `/v1/credentials/${id}`)).toMatchObject({ kind: 'scram', mechanism: METHOD })
    const listed = JSON.stringify(await broker.api('GET', '/v1/credentials?owner=d7'))
    for (const hidden of [password, 'sealed', 'salt']) expect(listed).not.toContain(hidden)
    expect((await broker.call('POST', '/v1/credentials', { owner: 'd7', kind: 'scram' })).status).toBe(409)
    expect((await broker.call('POST', `/v1/credentials/${id}/rotate`, {})).status).toBe(409)
  })
})
