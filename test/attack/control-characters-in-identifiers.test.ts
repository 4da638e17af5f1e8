// Control characters, escape sequences and bidirectional overrides in client ids and topics: a client id with them is
// refused, and no log line ever holds one as it came.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { attacks } from '../fixtures/attack.ts'
import { startBroker, type TestBroker } from '../fixtures/broker.ts'
import { TESTER } from '../wire/mqtt-broker.ts'
import { MqttWire } from '../wire/mqtt-wire.ts'

const NASTY = {
  'a line break': 'd1/\nforged log line',
  'an escape sequence': 'd1/\u001b[2J\u001b[31mred',
  'a bidirectional override': 'd1/\u202etxt.exe',
  'a line separator': 'd1/\u2028x',
  'C1 control': 'd1/\u009b31m',
  DEL: 'd1/\u007f',
}

const secrets = new WeakMap<TestBroker, string>()

attacks(
  'control characters in the client id of a device that may use any id under its own',
  Object.entries(NASTY).map(([name, clientId]) => ({
    name,
    attempt: async (broker: TestBroker) => {
      const wire = MqttWire.tcp(broker.port('mqtt'))
      const password = Buffer.from(secrets.get(broker) ?? '')
      const { reasonCode } = await wire.connect({ clientId, username: 'd1', password })
      const plain = MqttWire.tcp(broker.port('mqtt'))
      const admitted = await plain.connect({ clientId: 'd1/plain', username: 'd1', password })
      for (const each of [wire, plain]) each.destroy()
      if (admitted.reasonCode !== 0) throw new Error('the device is not admitted at all')
      return reasonCode === 0
    },
  })),
  {
    prepare: async broker => {
      await broker.device('d1', { clientIds: 'under' })
      secrets.set(broker, (await broker.secret('d1')).secret)
    },
  },
)

describe('what reaches the log', () => {
  const lines: string[] = []
  const write = (fields: object, message: string) => {
    lines.push(JSON.stringify([fields, message], (_, value) => (value instanceof Error ? value.message : value)))
  }
  const log = { debug: write, info: write, warn: write, error: write, child: () => log }
  let broker: TestBroker
  beforeAll(async () => {
    broker = await startBroker({ auth: { anonymous: { role: 'tester' } } }, { log, policy: TESTER })
  })
  afterAll(() => broker?.close())

  test('nothing as it came: client ids, topics, filters, wills, usernames', async () => {
    for (const nasty of Object.values(NASTY)) {
      await MqttWire.tcp(broker.port('mqtt')).connect({ clientId: nasty })
      const will = { topic: `w/${nasty}`, payload: Buffer.from('x'), qos: 1 as const, retain: false }
      const wire = MqttWire.tcp(broker.port('mqtt'))
      await wire.connect({ clientId: 'plain', will })
      expect(await wire.subscribe(`f/${nasty}`, 1)).toBe(1)
      await wire.publish(`f/${nasty}`, 'x', { qos: 1 })
      expect((await wire.next('publish')).topic).toBe(`f/${nasty}`)
      await wire.publish(`$SYS/${nasty}`, 'x', { qos: 1 })
      wire.sendPublish(`bad/+/${nasty}`, 'x', { qos: 1 })
      await wire.closed()
      await MqttWire.tcp(broker.port('mqtt')).connect({
        clientId: 'plain',
        username: nasty,
        password: Buffer.from('x'),
      })
    }
    // JSON escapes C0 by itself: what matters is that the escaping happened before, visibly, and for the rest too.
    const text = lines.join('\n')
    expect(text.length).toBeGreaterThan(0)
    for (const raw of ['\\n', '\\u001b', '\u202e', '\u2028', '\u009b', '\u007f'])
      for (const line of lines) expect(line.replaceAll('\\\\u', '')).not.toContain(raw)
  })
})
