// Somebody makes the broker work for strangers: CONNECT packets with guessed secrets, TLS handshakes that never end.
import { connect as connectTcp, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ConfigurationInput } from '../../src/config.ts'
import { startBroker, type TestBroker } from '../fixtures/broker.ts'
import { ShiftedClock } from '../wire/mqtt-broker.ts'
import { MqttWire, type Version } from '../wire/mqtt-wire.ts'

const STORM = 400
const BURST = 20
const HANDSHAKES = 10
const GRACE = 10_000
const MANY = 1_000_000
/** Of the attacker; the honest are on 127.0.0.1. */
const ATTACKER = '127.0.0.2'

/** One a second: no test lasts so long that it matters. */
const ENFORCED = {
  connectRatePerAddress: 1,
  connectBurstPerAddress: BURST,
  handshakesUnderWay: HANDSHAKES,
  handshakeGrace: GRACE,
  sweepInterval: 20,
}
const NOT_ENFORCED = { connectRatePerAddress: 0, connectRate: 0, handshakesUnderWay: MANY, handshakesPerTurn: MANY }
/** What bounds guessing is not what is tried here. */
const authentication = { addressBurst: MANY, claimBurst: MANY }

describe.each([
  ['against the broker as it is', ENFORCED],
  ['without bounds', NOT_ENFORCED],
])('%s', (_, limits) => {
  const enforced = limits === ENFORCED
  const clock = new ShiftedClock()
  let broker: TestBroker
  let secret: string
  const wires: MqttWire[] = []
  beforeAll(async () => {
    const configuration: ConfigurationInput = { limits: { ...limits, authentication } }
    broker = await startBroker(configuration, { clock })
    await broker.device('honest')
    ;({ secret } = await broker.secret('honest'))
  })
  afterAll(async () => {
    for (const wire of wires) wire.destroy()
    await broker?.close()
  })

  const metric = async (row: RegExp) => {
    const { body } = await broker.call('GET', '/metrics')
    return [...String(body).matchAll(row)].reduce((sum, [, value]) => sum + Number(value), 0)
  }
  const wireTo = (socket: Socket, version: Version): MqttWire => {
    const wire = new MqttWire(socket, version)
    wires.push(wire)
    return wire
  }
  const honest = () => ({ clientId: 'honest', username: 'honest', password: Buffer.from(secret) })

  test.each([4, 5] as const)(`guessed secrets, MQTT %i: ${enforced ? 'repelled' : 'succeeds'}`, async version => {
    const attempts = /^latchkey_authentications_total\{[^}]*transport="mqtt"[^}]*\} (\d+)$/gm
    const before = await metric(attempts)
    const localAddress = `127.0.1.${version}`
    const guess = async (i: number) => {
      const wire = wireTo(connectTcp({ port: broker.port('mqtt'), host: '127.0.0.1', localAddress }), version)
      const { reasonCode, returnCode } = await wire.connect({
        clientId: 'honest',
        username: 'honest',
        password: Buffer.from(`guess ${i}`),
      })
      wire.destroy()
      return reasonCode ?? returnCode
    }
    const answers = await Promise.all(Array.from({ length: STORM }, (_, i) => guess(i)))
    const tried = (await metric(attempts)) - before
    expect(tried === STORM).toBe(!enforced)
    const [shed, refused] = version === 5 ? [0x9f, 0x87] : [3, 5]
    expect(answers.filter(answer => answer === refused)).toHaveLength(tried)
    expect(answers.filter(answer => answer === shed)).toHaveLength(STORM - tried)
    if (enforced) expect(tried).toBeLessThan(2 * BURST)
    // a device elsewhere does not notice
    const device = wireTo(connectTcp(broker.port('mqtt'), '127.0.0.1'), version)
    const { reasonCode, returnCode } = await device.connect(honest())
    expect(reasonCode ?? returnCode).toBe(0)
    device.destroy()
  })

  test(`TLS handshakes that never end: ${enforced ? 'repelled' : 'succeeds'}`, async () => {
    const opened = /^latchkey_mqtt_connections_total\{transport="mqtts"\} (\d+)$/gm
    const underWay = /^latchkey_tls_handshakes_under_way (\d+)$/gm
    const sockets = Array.from({ length: STORM }, () =>
      connectTcp({ port: broker.port('mqtts'), host: '127.0.0.1', localAddress: ATTACKER }).on('error', () => {}),
    )
    for (const socket of sockets) socket.write(Buffer.from([0x16, 3, 1, 2, 0])) // the head of a record, no more
    while ((await metric(opened)) < STORM) expect(broker.port('mqtts')).toBeGreaterThan(0)
    const most = await metric(underWay)
    expect(most > HANDSHAKES).toBe(!enforced)
    // those who had the places long enough give way to one each of the addresses in line
    clock.shift += GRACE
    const device = wireTo(connectTls({ host: 'localhost', port: broker.port('mqtts'), ca: broker.ca }), 5)
    expect((await device.connect(honest())).reasonCode).toBe(0)
    for (const socket of sockets) socket.destroy()
    device.destroy()
  })
})
