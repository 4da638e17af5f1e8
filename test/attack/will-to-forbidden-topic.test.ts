// A will is a publish like any other: one to a topic that its device may not publish to must never be sent.
import { attacks } from '../fixtures/attack.ts'
import type { TestBroker } from '../fixtures/broker.ts'
import { MqttWire, type Version } from '../wire/mqtt-wire.ts'

const secrets = new WeakMap<TestBroker, Map<string, string>>()

async function prepare(broker: TestBroker): Promise<void> {
  const made = new Map<string, string>()
  secrets.set(broker, made)
  for (const [id, room] of [
    ['liar', 'attic'],
    ['listener', 'kitchen'],
  ] as const) {
    await broker.device(id, { attributes: { room } })
    made.set(id, (await broker.secret(id)).secret)
  }
}

function wireOf(broker: TestBroker, id: string, version: Version): [MqttWire, object] {
  const password = Buffer.from(secrets.get(broker)?.get(id) ?? '')
  return [MqttWire.tcp(broker.port('mqtt'), version), { clientId: id, username: id, password }]
}

/** Whether a listener hears the will of a device that has no right to its topic. */
async function speaks(broker: TestBroker, version: Version, more: object = {}): Promise<boolean> {
  const [listener, listening] = wireOf(broker, 'listener', 5)
  await listener.connect(listening)
  await listener.subscribe('home/kitchen/+', 1)
  const [liar, lying] = wireOf(broker, 'liar', version)
  const will = { topic: 'home/kitchen/temperature', payload: Buffer.from('a lie'), qos: 1, retain: false, ...more }
  const connack = await liar.connect({ ...lying, will, properties: { sessionExpiryInterval: 0 } } as object)
  const admitted = (version === 5 ? connack.reasonCode : connack.returnCode) === 0
  liar.destroy()
  await liar.closed()
  const heard = admitted && (await listener.message()) === 'a lie'
  listener.destroy()
  return heard
}

attacks(
  'a will to a forbidden topic',
  [
    { name: 'MQTT 3.1.1', attempt: broker => speaks(broker, 4) },
    { name: 'MQTT 5', attempt: broker => speaks(broker, 5) },
    { name: 'retained', attempt: broker => speaks(broker, 5, { retain: true }) },
    { name: 'with a delay', attempt: broker => speaks(broker, 5, { properties: { willDelayInterval: 1 } }) },
  ],
  { prepare },
)
