// A revocation on the wire: the session ends at once with its reason, and nothing of a message follows.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startBroker, type TestBroker } from '../fixtures/broker.ts'
import { MqttWire, type Version } from '../wire/mqtt-wire.ts'

const LASTING_2 = { clean: false, properties: { sessionExpiryInterval: 2 } }

describe('revocation', () => {
  let broker: TestBroker
  let reporter: MqttWire
  const made = new Map<string, { id: string; secret: string }>()
  beforeAll(async () => {
    broker = await startBroker()
    await add('reporter')
    reporter = await connect('reporter')
  })
  afterAll(() => broker?.close())

  const add = async (id: string) => {
    await broker.device(id)
    made.set(id, await broker.secret(id))
  }
  const connect = async (id: string, options = {}, version: Version = 5) => {
    const wire = MqttWire.tcp(broker.port('mqtt'), version)
    const credentials = { username: id, password: Buffer.from(made.get(id)?.secret ?? '') }
    await wire.connect({ clientId: id, ...credentials, ...options })
    return wire
  }
  const ends: [string, (id: string) => Promise<unknown>][] = [
    [
      'revoking its credential',
      id => broker.api('POST', `/v1/credentials/${made.get(id)?.id}/revoke`, { reason: 'lost' }),
    ],
    ['suspending the device', id => broker.api('POST', `/v1/devices/${id}/suspend`)],
    ['removing the device', id => broker.api('DELETE', `/v1/devices/${id}`)],
  ]

  test.each(ends)('%s ends the session with 0x87 before the operator has an answer', async (name, end) => {
    for (const version of [4, 5] as const) {
      const id = `${name.split(' ')[0]}${version}`
      await add(id)
      const device = await connect(id, {}, version)
      await device.subscribe('home/kitchen/+', 1)
      const flood = setInterval(() => reporter.sendPublish('home/kitchen/temperature', 'x'), 1)
      await device.message()
      await end(id)
      await reporter.publish('home/kitchen/temperature', 'after the answer', { qos: 1 })
      await device.closed()
      clearInterval(flood)
      if (version === 5) expect(device.packets.at(-1)).toMatchObject({ cmd: 'disconnect', reasonCode: 0x87 })
      const payloads = device.packets.map(packet => (packet.cmd === 'publish' ? packet.payload.toString() : ''))
      expect(payloads).not.toContain('after the answer')
      const again = MqttWire.tcp(broker.port('mqtt'))
      const password = Buffer.from(made.get(id)?.secret ?? '')
      expect((await again.connect({ clientId: id, username: id, password })).reasonCode).toBe(0x87)
    }
  })

  test('the last words of somebody whose credential was revoked are not sent', async () => {
    await add('watcher')
    const watcher = await connect('watcher')
    await watcher.subscribe('home/kitchen/+', 1)
    const will = { topic: 'home/kitchen/temperature', payload: Buffer.from('last words'), qos: 1, retain: false }
    for (const [id, words] of [
      ['thief', false],
      ['honest', true],
    ] as const) {
      await add(id)
      const device = await connect(id, { will })
      if (words) device.destroy()
      else await ends[0]?.[1](id)
      await device.closed()
    }
    const waiting = async () => (await watcher.waiting()).filter(({ payload }) => payload.toString() === 'last words')
    await expect.poll(async () => (await waiting()).length).toBe(1)
  })

  test.each(ends)('%s takes back a will that waits for its delay', async (name, end) => {
    const id = `delayed-${name.split(' ')[0]}`
    await add(id)
    const will = { topic: 'home/kitchen/temperature', payload: Buffer.from(`of ${id}`), qos: 1 as const, retain: false }
    const device = await connect(id, {
      ...LASTING_2,
      will: { ...will, properties: { willDelayInterval: 1 } },
    })
    const watcher = await connect('reporter')
    await watcher.subscribe('home/kitchen/+', 1)
    device.destroy()
    await device.closed()
    await end(id)
    // A will of the same delay that is not taken back says when the time is over.
    await add(`witness-${id}`)
    const witness = await connect(`witness-${id}`, {
      ...LASTING_2,
      will: { ...will, payload: Buffer.from('witness'), properties: { willDelayInterval: 1 } },
    })
    witness.destroy()
    expect(await watcher.message()).toBe('witness')
    reporter = watcher
  })

  test('a session of a removed device is not there for its namesake', async () => {
    const lasting = { clean: false, properties: { sessionExpiryInterval: 600 } }
    await add('namesake')
    const first = await connect('namesake', lasting)
    await first.subscribe('home/kitchen/+', 1)
    first.destroy()
    await first.closed()
    await broker.api('DELETE', '/v1/devices/namesake')
    await add('namesake')
    const second = MqttWire.tcp(broker.port('mqtt'))
    const password = Buffer.from(made.get('namesake')?.secret ?? '')
    const connack = await second.connect({ clientId: 'namesake', username: 'namesake', password, ...lasting })
    expect([connack.reasonCode, connack.sessionPresent]).toEqual([0, false])
  })

  test('a suspended device finds its session when it is resumed', async () => {
    const lasting = { clean: false, properties: { sessionExpiryInterval: 600 } }
    await add('patient')
    const first = await connect('patient', lasting)
    await first.subscribe('home/kitchen/+', 1)
    await broker.api('POST', '/v1/devices/patient/suspend')
    await first.closed()
    await broker.api('POST', '/v1/devices/patient/resume')
    await reporter.publish('home/kitchen/temperature', 'after', { qos: 1 })
    const second = await connect('patient', lasting)
    expect(await second.message()).toBe('after')
  })

  test('sessions are in the audit trail, with why they ended', async () => {
    await add('audited')
    const device = await connect('audited')
    await device.leave()
    const again = await connect('audited')
    await broker.api('POST', '/v1/devices/audited/suspend')
    await again.closed()
    await expect
      .poll(async () => {
        const { items } = await broker.api('GET', '/v1/audit?principal=audited&limit=50')
        return items.map(
          ({ event }: { event: { type: string; failure?: string } }) => `${event.type} ${event.failure ?? ''}`,
        )
      })
      .toEqual(expect.arrayContaining(['session-start ', 'session-end ', 'session-end owner-suspended']))
  })
})
